"""Who may sign in, and as what: for superusers only, since it decides about all the rest."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from billing.desk import BigReadOnly, Desk

admin.site.unregister(User)
admin.site.unregister(Group)


def _never(self: Any, request: HttpRequest, obj: Any = None) -> bool:
    return False


class ForSuperusers:
    """Whoever may hand out permissions could take all of them."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    has_change_permission = has_delete_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser


@admin.register(User)
class StaffAdmin(ForSuperusers, DjangoUserAdmin, Desk):  # type: ignore[misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "email", "is_active", "is_superuser")


@admin.register(Group)
class RoleAdmin(ForSuperusers, DjangoGroupAdmin, Desk):  # type: ignore[misc]
    pass


@admin.register(LogEntry)
class LogEntryAdmin(ForSuperusers, BigReadOnly):
    """What was done on these pages, by whom."""

    list_display = ("action_time", "user", "content_type", "object_repr", "change_message")
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr__istartswith", "user__username__iexact")
    fields = (
        ("action_time", "user"),
        ("content_type", "object_repr"),
        "change_message",
    )

    has_add_permission = has_change_permission = has_delete_permission = _never
