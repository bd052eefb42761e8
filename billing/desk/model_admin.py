"""The admin of a model.

A `Desk` is the admin of one model, with panels (tables of what hangs on the object) and page
actions (buttons that ask on a page of their own before they act). `ReadOnly` is the one for rows
that nobody edits. An app adds to the page of an object of an app below it through `Desk.extend`,
because the lower one must not know it.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite, ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR, Action, ActionLocation
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db import DatabaseError, OperationalError, models, transaction
from django.db.models import ProtectedError, QuerySet
from django.forms.models import _get_foreign_key
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.utils.html import format_html
from django.utils.translation import override, pgettext
from unfold.admin import ModelAdmin, checkbox
from unfold.decorators import display
from unfold.enums import ActionVariant

from billing.base.typed import (
    BOUNDS_OF_DAYS,
    BOUNDS_OF_NUMBERS,
    check_instant,
)
from billing.desk.columns import day_column, own_link_column, said_column
from billing.desk.done_forms import note_done
from billing.desk.facts import column_of_facts
from billing.desk.figures import as_pages_write
from billing.desk.forms import ActionForm, CheckedForm, Codes, ConfirmedForm, PlainDecimalField
from billing.desk.history import ENTRIES_MAX, history_of
from billing.desk.lists import CappedPaginator, DeskList
from billing.desk.page_actions import Outcome, PageAction, Told, refusal
from billing.desk.panels import Panel
from billing.desk.previews import Preview, Reckoned, outcome_shown
from billing.desk.rows import Picking
from billing.desk.searching import search
from billing.desk.seller_time import today_of
from billing.desk.typed_rows import RowsField
from billing.engine.errors import BillingError, Refused

BULK_MAX = 200
BUTTONS_MAX = 4
OUTCOME_CHANGED = "outcome_changed"
# What an operator most likely came for stands first, what is hard to take back last.
RANK = {ActionVariant.PRIMARY: 0, ActionVariant.DANGER: 2}

# What an app further up does once a row is saved: the row, the fields that changed, the actor.
type Following = Callable[[Any, Sequence[str], str], str]


@cache
def _box(language: str | None) -> str:
    """The box before a row, with a place for its key; a list has one in each row.

    What it is called for whoever hears the page is in ``language``, which is the active one.
    """
    return checkbox.render(ACTION_CHECKBOX_NAME, "{}")


def button(
    title: str, icon: str, url: str, variant: ActionVariant = ActionVariant.DEFAULT
) -> dict[str, Any]:
    """A button as unfold's templates take it."""
    return {"title": title, "icon": icon, "path": url, "variant": variant, "attrs": {}}


def _unpadded(contents: str) -> str:
    """A decimal as the page writes it, without the zeros that its column pads it with."""
    is_padded = "." in contents or "," in contents
    return contents.rstrip("0").rstrip(".,") if is_padded else contents


class Desk(Picking, ModelAdmin):
    """The admin of a model that operators may edit, as far as nothing depends on it.

    `fixed_fields` can be chosen once, when the object is added. A check raises BillingError for a
    row that the database would take and the engine would not; ``codes`` says for a field that holds
    codes which there are, ``tables`` how what is kept as JSON is typed. What a save is followed by
    is told in a sentence, if there was anything. ``kept_sentences`` are fields whose text was said
    in English when something happened; pages show it in their own language.
    """

    fixed_fields: ClassVar[Sequence[str]] = ()
    kept_sentences: ClassVar[Sequence[str]] = ()
    checks: ClassVar[Sequence[Callable[[Any], object]]] = ()
    codes: ClassVar[Mapping[str, Codes]] = {}
    tables: ClassVar[Mapping[str, type[RowsField]]] = {}
    followed_by: ClassVar[Sequence[Following]] = ()
    panels: ClassVar[Sequence[Panel]] = ()
    page_actions: ClassVar[Sequence[PageAction]] = ()
    formfield_overrides = {models.DecimalField: {"form_class": PlainDecimalField}}
    list_filter_submit = True
    list_per_page = 30
    show_facets = ShowFacets.NEVER  # One more count of the table for each choice of each filter.
    show_full_result_count = False
    warn_unsaved_form = True
    change_form_before_template = "admin/desk/as_read.html"
    change_form_outer_after_template = "admin/desk/panels.html"
    list_before_template = "admin/desk/newest.html"

    def __init__(self, model: type[models.Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        self.readonly_preprocess_fields = {
            each.name: _unpadded
            for each in model._meta.fields
            if isinstance(each, models.DecimalField)
        }
        self._facts = {
            each.name: column_of_facts(each)
            for each in model._meta.fields
            if isinstance(each, models.JSONField)
        }
        self._said = {
            name: said_column(model._meta.get_field(name))  # type: ignore[arg-type]
            for name in self.kept_sentences
        }
        self._listed = self._said | {
            each.name: day_column(each)
            for each in model._meta.fields
            if isinstance(each, models.DateField) and not isinstance(each, models.DateTimeField)
        }

    @classmethod
    def extend(
        cls,
        *,
        panels: Sequence[Panel] = (),
        page_actions: Sequence[PageAction] = (),
        checks: Sequence[Callable[[Any], object]] = (),
        codes: Mapping[str, Codes] | None = None,
        tables: Mapping[str, type[RowsField]] | None = None,
        followed_by: Sequence[Following] = (),
        search_fields: Sequence[str] = (),
    ) -> None:
        """Add what an app further up the house knows about this page's object."""
        cls.codes = {**cls.codes, **(codes or {})}
        cls.tables = {**cls.tables, **(tables or {})}
        cls.checks = (*cls.checks, *checks)
        cls.search_fields = (*cls.search_fields, *search_fields)
        cls.followed_by = (*cls.followed_by, *followed_by)
        cls.panels = (*cls.panels, *panels)
        cls.page_actions = (*cls.page_actions, *page_actions)

    # What may be edited and deleted

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        fixed = self.fixed_fields if obj is not None else ()
        shown = (*self._facts.values(), *self._said.values())
        return (*super().get_readonly_fields(request, obj), *fixed, *shown)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The page's fields; what is JSON and not edited here is a table of label and value."""
        may_edit = obj is None or self.has_change_permission(request, obj)
        fixed = self.get_readonly_fields(request, obj)
        shown = self._said | {
            name: facts
            for name, facts in self._facts.items()
            if not may_edit or name in fixed or not self._can_be_typed(name, obj)
        }
        return [
            (title, {**options, "fields": _replaced(options["fields"], shown)})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def _can_be_typed(self, name: str, obj: Any) -> bool:
        """Whether a table would keep what is there; a field without one is not on the form."""
        table = self._table_of(self.model._meta.get_field(name))
        return obj is None or table is None or table().can_show(getattr(obj, name))

    def _table_of(self, field: models.Field) -> Callable[..., RowsField] | None:
        table = self.tables.get(field.name)
        when_empty = None if field.null else field.get_default()
        return table and partial(table, when_empty=when_empty)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> type[forms.ModelForm]:
        base: type = options.get("form") or self.form
        checking = {"checks": self.checks, "codes": self.codes, "parts": self._parts}
        options["form"] = type("DeskForm", (CheckedForm, base), checking)
        return super().get_form(request, obj, change=change, **options)

    @property
    def _parts(self) -> list[tuple[type[models.Model], str]]:
        """The models of the rows that stand within the form, each with its key to the row."""
        return [
            (inline.model, _get_foreign_key(self.model, inline.model).name)
            for inline in self.inlines
        ]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """The row; one that is about to be saved is locked first, or two could save at once."""
        obj = super().get_object(request, object_id, from_field)
        resolved = request.resolver_match
        is_form = resolved is not None and resolved.url_name == f"{self._url_name}_change"
        if obj is None or request.method != "POST" or not is_form:
            return obj
        rows = self.model._base_manager.select_for_update(no_key=True)
        rows.filter(pk=obj.pk).values_list("pk").first()
        return super().get_object(request, object_id, from_field)

    def formfield_for_dbfield(
        self, db_field: models.Field, request: HttpRequest, **options: Any
    ) -> forms.Field | None:
        if isinstance(db_field, models.JSONField):
            table = self._table_of(db_field)
            if table is None:
                return None  # Nobody types JSON.
            options |= {"form_class": table}
        asked = super().formfield_for_dbfield(db_field, request, **options)
        if isinstance(asked, forms.DateField):
            asked.validators = [*asked.validators, *BOUNDS_OF_DAYS]
        elif isinstance(db_field, models.BigIntegerField) and isinstance(asked, forms.IntegerField):
            asked.validators = [*asked.validators, *BOUNDS_OF_NUMBERS]
        elif isinstance(asked, forms.DateTimeField | forms.SplitDateTimeField):
            asked.validators = [*asked.validators, check_instant]
        return asked

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the parts too, then do what follows, in the same transaction."""
        super().save_related(request, form, formsets, change)
        actor = f"user:{request.user.get_username()}"
        for follow in self.followed_by:
            if told := follow(form.instance, form.changed_data, actor):
                messages.success(request, told)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep what was deleted under its English name: the log has one language, whoever works."""
        with override("en"):
            return super().log_deletions(request, queryset)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if not super().has_delete_permission(request, obj):
            return False
        return obj is None or not _is_depended_on(obj)

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return self._or_refusal(request, super().changeform_view, *args, **options)

    def delete_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return self._or_refusal(request, super().delete_view, *args, **options)

    def _or_refusal(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any, **options: Any
    ) -> HttpResponse:
        """What the database guards against comes back as a message, not as a failure of ours."""
        try:
            return view(request, *args, **options)
        except OperationalError:
            raise
        except (ProtectedError, DatabaseError) as error:
            messages.error(request, refusal(error))
            return HttpResponseRedirect(request.get_full_path())

    # Panels and page actions

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        obj = context.get("original")
        if obj is not None:
            context["actions_detail"] = self._buttons(request, obj)
            panels = (panel.context(obj) for panel in self.panels)
            context["panels"] = [each for each in panels if each["rows"] or each["when_empty"]]
            context["subtitle"] = as_pages_write(str(obj))
        return super().render_change_form(request, context, *args, **options)

    def _buttons(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """What may be done with the object: a few buttons, the rest behind one more."""
        buttons = self.first_buttons(request, obj)
        for action in sorted(self.page_actions, key=lambda action: RANK.get(action.variant, 1)):
            if request.user.has_perm(action.permission) and self.offers(action, obj):
                args = [quote(obj.pk), action.name]
                url = reverse(f"admin:{self._url_name}_act", args=args)
                buttons.append(button(action.label, action.icon, url, action.variant))
        if len(buttons) <= BUTTONS_MAX:
            return buttons
        more = button(pgettext("desk", "More"), "more_horiz", "") | {
            "items": buttons[BUTTONS_MAX - 1 :]
        }
        return [*buttons[: BUTTONS_MAX - 1], more]

    def offers(self, action: PageAction, obj: Any) -> bool:
        return action.is_offered(obj)

    def first_buttons(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        return []

    @property
    def _url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def get_urls(self) -> list[URLPattern]:
        act = path(
            "<path:object_id>/act/<slug:name>/",
            self.admin_site.admin_view(self.act_view),
            name=f"{self._url_name}_act",
        )
        return [act, *super().get_urls()]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Who changed the object, when, and which fields from what to what."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        entries = history_of(obj, self._parts, said=self.kept_sentences)
        context = {
            **self.admin_site.each_context(request),
            "title": pgettext("desk", "History of %(name)s") % {"name": obj},
            "entries": entries,
            "entries_max": ENTRIES_MAX if len(entries) == ENTRIES_MAX else None,
            "original": obj,
            "opts": self.opts,
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/desk/history.html", context)

    def act_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Ask, then act: on success back to the object's page, else the form with the reason."""
        action = next((each for each in self.page_actions if each.name == name), None)
        obj = self.get_object(request, unquote(object_id))
        if action is None or obj is None:
            raise Http404
        may_see = self.has_view_permission(request, obj)
        if not (may_see and request.user.has_perm(action.permission)):
            raise PermissionDenied
        form = action.form_class(obj, request.POST if request.method == "POST" else None)
        seen = request.POST.get("seen", "")
        outcome = outcome_shown(seen, request.POST)
        if form.is_valid() and (outcome or not action.is_foreseen):
            try:
                done = self.perform(request, action, obj, form.cleaned_data, outcome)
            except OperationalError:
                raise
            except (BillingError, DatabaseError) as error:
                _refuse(form, error)
            else:
                shown = done.shown if isinstance(done, Told) else as_pages_write(done)
                messages.success(request, shown)
                page, args = ("changelist", []) if action.removes else ("change", [quote(obj.pk)])
                return HttpResponseRedirect(reverse(f"admin:{self._url_name}_{page}", args=args))
        context = {"action": action, "form": form, "object": obj, "today": today_of(obj)}
        if action.is_foreseen and (preview := self._foresee(request, action, form, obj)):
            context |= {"preview": preview, "seen": preview.seen(request.POST)}
            context["is_another_choice"] = bool(seen) and not outcome
        return self._page(request, action, "admin/desk/act.html", context)

    def _foresee(
        self, request: HttpRequest, action: PageAction, form: ActionForm, obj: Any
    ) -> Preview | None:
        """What is asked for comes to; None where it was not asked for yet, or is refused."""
        has_changed = form.has_error(NON_FIELD_ERRORS, OUTCOME_CHANGED) if form.is_bound else False
        is_asked_for = form.is_valid() if form.is_bound else not form.visible_fields()
        if not is_asked_for and not has_changed:
            return None
        given = _given(form.cleaned_data) if form.is_bound else {}
        try:
            return action.foresee(
                obj, as_of=today_of(obj), actor=f"user:{request.user.get_username()}", **given
            )
        except OperationalError:
            raise
        except (BillingError, DatabaseError) as error:
            if form.is_bound:
                _refuse(form, error)
            else:
                messages.error(request, refusal(error))
            return None
        finally:
            obj.refresh_from_db()  # It has what the database has taken back.

    def perform(
        self,
        request: HttpRequest,
        action: PageAction,
        obj: Any,
        asked: Mapping[str, Any],
        outcome: str = "",
    ) -> str:
        """Run the action and log it in one transaction, under the lock of the customer's money or
        those that it takes itself.

        Raises :class:`Refused` where it comes to another outcome than the one that was shown.
        """
        key, given = asked["key"], _given(asked)
        with transaction.atomic():
            if not action.takes_own_locks:
                customer = getattr(obj, "customer", obj)
                type(customer)._base_manager.select_for_update().get(pk=customer.pk)
            obj.refresh_from_db()
            if not note_done(obj, key):
                return pgettext("desk", "This form was sent twice, and was done once.")
            actor = f"user:{request.user.get_username()}"
            done = action.run(obj, as_of=today_of(obj), actor=actor, **given)
            if outcome and isinstance(done, Reckoned) and done.outcome != outcome:
                raise Refused(
                    "What it comes to has changed since it was shown. Look at it again.",
                    code=OUTCOME_CHANGED,
                )
            self.log_change(request, obj, str(done))
        return done

    def _page(
        self, request: HttpRequest, action: PageAction, template: str, context: dict[str, Any]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": action.label,
            "opts": self.opts,
            "action": action,
            **context,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)

    # The log calls a row by one name, whoever works; names of some rows are of the page's language.

    def log_addition(self, *given: Any) -> Any:
        with translation.override(settings.LANGUAGE_CODE):
            return super().log_addition(*given)

    def log_change(self, *given: Any) -> Any:
        with translation.override(settings.LANGUAGE_CODE):
            return super().log_change(*given)

    # Finding rows in a list

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """The columns; the first opens the row's own page, so it has no link of its own."""
        first, *others = super().get_list_display(request)
        is_words = first == "__str__" or first in {each.name for each in self.opts.get_fields()}
        column = first if callable(first) or is_words else getattr(self, first, None)
        shown = (self._listed.get(each, each) if isinstance(each, str) else each for each in others)
        return (own_link_column(column) if callable(column) else first, *shown)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """By what is exactly that, else by words; see :mod:`billing.desk.searching`."""
        fields = self.get_search_fields(request)
        if not fields or not search_term.strip():
            return queryset, False
        return search(queryset, search_term, fields), False

    def is_list(self, request: HttpRequest) -> bool:
        """Whether the list is asked for: one row's page need not read what only a list shows."""
        resolved = request.resolver_match
        return resolved is not None and resolved.url_name == f"{self._url_name}_changelist"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return type("List", (DeskList, super().get_changelist(request, **kwargs)), {})

    # Actions on many rows of a list

    @display(description=ModelAdmin.action_checkbox.short_description)
    def action_checkbox(self, obj: Any) -> str:
        return format_html(_box(translation.get_language()), obj.pk)

    def get_actions(
        self, request: HttpRequest, action_location: ActionLocation = ActionLocation.CHANGE_LIST
    ) -> dict[str, Any]:
        actions = super().get_actions(request, action_location=action_location)
        # Deleting in bulk passes the checks of each row by; one at a time is enough.
        actions.pop("delete_selected", None)
        if action_location == ActionLocation.CHANGE_LIST and IS_POPUP_VAR not in request.GET:
            for action in self.page_actions:
                if action.is_for_many and request.user.has_perm(action.permission):
                    function = partial(Desk.act_on_many, action=action)
                    actions[action.name] = Action(
                        function, action.name, action.label, action.label, [action_location]
                    )
        return actions

    def act_on_many(
        self, request: HttpRequest, queryset: QuerySet, *, action: PageAction
    ) -> HttpResponse | None:
        """Ask once, then run the action on each that it is offered for; leave the others alone.

        One that is refused does not stop the rest.
        """
        chosen = list(queryset[: BULK_MAX + 1])
        if len(chosen) > BULK_MAX:
            said = pgettext("desk", "Choose at most %(count)s at a time.")
            messages.error(request, said % {"count": BULK_MAX})
            return None
        title = str(action.label)
        able = [obj for obj in chosen if self.offers(action, obj)]
        if not able:
            said = pgettext("desk", "%(action)s: this applies to none of those chosen.")
            messages.error(request, said % {"action": title})
            return None
        if "confirmed" not in request.POST:
            context = {"objects": able, "left_out": len(chosen) - len(able)}
            return self._page(request, action, "admin/desk/act_on_many.html", context)
        outcome = Outcome()
        for obj in able:
            try:
                asked = {"key": secrets.token_hex(6)}
                outcome.done.append(f"{obj}: {self.perform(request, action, obj, asked)}")
            except OperationalError:
                raise
            except (BillingError, DatabaseError) as error:
                outcome.refused.append(f"{obj}: {refusal(error)}")
        if outcome.done:
            said = pgettext("desk", "%(action)s: %(done)s of %(chosen)s done.")
            told = {"action": title, "done": len(outcome.done), "chosen": len(able)}
            messages.success(request, said % told)
        for reason in outcome.refused:
            messages.error(request, reason)
        return None


def _replaced(fields: Sequence[Any], shown: Mapping[str, Any]) -> list[Any]:
    """Fields, which may stand in rows, with others in place of some."""
    return [
        shown.get(each, each) if isinstance(each, str) else tuple(_replaced(each, shown))
        for each in fields
    ]


def _given(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a form's action is called with."""
    given = {name: value for name, value in asked.items() if name not in {"key", "amount"}}
    if "amount" in asked:
        given.setdefault("amount_minor", None)
    return given


def _refuse(form: ActionForm, error: BillingError | DatabaseError) -> None:
    """Say in a form why it was not done, and ask again where that is enough."""
    code = getattr(error, "code", "")
    form.add_error(None, ValidationError(refusal(error), code=code))
    if isinstance(form, ConfirmedForm) and code in form.ASKED_AGAIN:
        form.ask_again()


class ReadOnly(Desk):
    """The admin of rows that only the system writes, or that nobody may change any more."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BigReadOnly(ReadOnly):
    """The admin of a table that grows with every bill: newest first, counted only so far."""

    paginator = CappedPaginator
    ordering = ("-id",)


# No index leads from a customer to transfers, and each stands beside a document, a payment or an
# entry of a balance, which are asked. Deleting itself asks for all.
NOT_ASKED = {("customers.Customer", "ledger.Transfer")}


def _is_depended_on(obj: Any) -> bool:
    """Whether a row that may not lose its parent points at the object; asked once for a page."""
    if not hasattr(obj, "_desk_is_depended_on"):
        obj._desk_is_depended_on = any(
            relation.related_model._base_manager.filter(**{relation.field.name: obj}).exists()
            for relation in obj._meta.get_fields(include_hidden=True)
            if getattr(relation, "on_delete", None) is models.PROTECT
            and relation.auto_created
            and (obj._meta.label, relation.related_model._meta.label) not in NOT_ASKED
        )
    return obj._desk_is_depended_on
