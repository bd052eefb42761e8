"""Who may sign in, and as what: for superusers only, since it decides about all the rest."""

from collections import defaultdict
from datetime import date
from functools import reduce
from operator import or_
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt, AccessLog
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_permission_codename
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import pgettext_lazy
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from billing.desk.figures import NOTHING
from billing.desk.history import said_of
from billing.desk.model_admin import BigReadOnly, Desk
from billing.desk.page_actions import PageAction
from billing.staff import attempts, second_step

# Seeds and public keys are nothing to look at, and addresses stand with the user.
for model in (User, Group, Authenticator, EmailAddress):
    admin.site.unregister(model)


def _never(self: Any, request: HttpRequest, obj: Any = None) -> bool:
    return False


def grantable(request: HttpRequest) -> QuerySet[Permission]:
    """What a page, a table in it or a button of the desk asks for, and a superuser may do.

    Of the permissions that Django makes for every table, most would let nobody do anything.
    """
    asked: defaultdict[str, set[str]] = defaultdict(set)
    for page in admin.site._registry.values():
        if isinstance(page, ForSuperusers):
            continue
        for action in getattr(page, "page_actions", ()):
            app, _, codename = action.permission.partition(".")
            asked[app].add(codename)
        for part in (page, *page.get_inline_instances(request)):
            arguments = (request,) if part is page else (request, None)
            asked[part.opts.app_label] |= {
                get_permission_codename(deed, part.opts)
                for deed in ("view", "add", "change", "delete")
                if getattr(part, f"has_{deed}_permission")(*arguments)
            }
    named = (Q(content_type__app_label=app, codename__in=names) for app, names in asked.items())
    return Permission.objects.filter(reduce(or_, named)).select_related("content_type")


class ForSuperusers:
    """Whoever may hand out permissions could take all of them."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.related_model is Permission:
            options["queryset"] = grantable(request)
        return super().formfield_for_manytomany(db_field, request, **options)  # type: ignore[misc]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    has_change_permission = has_delete_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser


class OfNoSeller:
    """People belong to no seller: their days are those of UTC."""

    def get_object(self, *args: Any, **kwargs: Any) -> Any:
        obj = super().get_object(*args, **kwargs)  # type: ignore[misc]
        if obj is not None:
            obj.time_zone = "UTC"
        return obj


class ResetMfa(PageAction):
    name = "reset-mfa"
    label = "Reset second step"
    explanation = pgettext_lazy(
        "desk",
        "For somebody who has lost the phone or the key, and the recovery "
        "codes. Authenticator app, passkeys and codes are removed, and open "
        "sessions end. At the next sign-in with the password, they are set up "
        "again. Make sure that you know who is asking.",
    )
    permission = "auth.change_user"
    icon = "lock_reset"
    variant = ActionVariant.DANGER

    def is_offered(self, obj: User) -> bool:
        return second_step.has_factor(obj)

    def run(self, obj: User, *, as_of: date, actor: str, **asked: Any) -> str:
        count = second_step.reset_mfa(obj)
        return f"Reset the second step of {obj.username}; factors removed: {count}."


class Unlock(PageAction):
    name = "unlock"
    label = "Unlock"
    explanation = pgettext_lazy(
        "desk", "Lets this username sign in from this address again before the time is up."
    )
    permission = "axes.change_accessattempt"
    icon = "lock_open"
    variant = ActionVariant.PRIMARY

    def is_offered(self, obj: AccessAttempt) -> bool:
        return attempts.is_locked(obj)

    def run(self, obj: AccessAttempt, *, as_of: date, actor: str, **asked: Any) -> str:
        attempts.unlock(obj)
        return f"Unlocked {obj.username} at {obj.ip_address}."


@admin.register(User)
class StaffAdmin(ForSuperusers, OfNoSeller, DjangoUserAdmin, Desk):  # type: ignore[misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = (
        *("username", "first_name", "last_name", "email"),
        *("second_step", "is_active", "is_superuser"),
    )
    fieldsets = (
        (None, {"fields": ("username", "password", "second_step")}),
        *(DjangoUserAdmin.fieldsets or ())[1:],
    )
    readonly_fields = ("second_step",)
    page_actions = (ResetMfa(),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        factors = Authenticator.objects.filter(user=OuterRef("pk"), type__in=second_step.FACTORS)
        return super().get_queryset(request).annotate(has_second_step=Exists(factors))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Who is entered here is staff from the first: the form that adds asks for no more."""
        obj.is_staff = obj.is_staff or not change
        super().save_model(request, obj, form, change)

    @admin.display(description="second step", boolean=True, ordering="has_second_step")
    def second_step(self, user: Any) -> bool:
        return user.has_second_step


@admin.register(Group)
class RoleAdmin(ForSuperusers, DjangoGroupAdmin, Desk):  # type: ignore[misc]
    pass


@admin.register(LogEntry)
class LogEntryAdmin(ForSuperusers, BigReadOnly):
    """What was done on these pages, by whom."""

    list_display = ("action_time", "user", "content_type", "object_repr", "what_was_done")
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr__istartswith", "user__username__iexact")
    fields = (
        ("action_time", "user"),
        ("content_type", "object_repr"),
        "what_was_done",
    )
    readonly_fields = ("what_was_done",)

    has_add_permission = has_change_permission = has_delete_permission = _never

    @admin.display(description="change message", ordering="change_message")
    def what_was_done(self, entry: LogEntry) -> str:
        return said_of(entry) or NOTHING


@admin.register(AccessAttempt)
class FailedSignInAdmin(ForSuperusers, OfNoSeller, BigReadOnly):
    """Who could not sign in, and from where; here a lock is opened before its time."""

    list_display = ("attempt_time", "username", "ip_address", "failures_since_start", "is_locked")
    search_fields = ("username__istartswith", "ip_address__startswith")
    fields = (
        ("attempt_time", "is_locked"),
        ("username", "ip_address"),
        ("failures_since_start", "path_info"),
        "user_agent",
    )
    readonly_fields = ("is_locked",)
    page_actions = (Unlock(),)

    has_add_permission = has_change_permission = has_delete_permission = _never

    @admin.display(description="locked", boolean=True)
    def is_locked(self, attempt: AccessAttempt) -> bool:
        return attempts.is_locked(attempt)


@admin.register(AccessLog)
class SignInAdmin(ForSuperusers, BigReadOnly):
    """Who signed in, when and from where."""

    list_display = ("attempt_time", "logout_time", "username", "ip_address", "user_agent")
    search_fields = ("username__istartswith", "ip_address__startswith")
    fields = (
        ("attempt_time", "logout_time"),
        ("username", "ip_address"),
        "user_agent",
    )

    has_add_permission = has_change_permission = has_delete_permission = _never
