"""What the operator's pages are made of.

A `Desk` is the admin of one model, with panels (tables of what hangs on the object) and page
actions (buttons that ask on a page of their own before they act). `ReadOnly` is the one for rows
that nobody edits. An app adds to the page of an object of an app below it through `Desk.extend`,
because the lower one must not know it.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache, partial
from operator import attrgetter
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite, ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import IS_POPUP_VAR, Action, ActionLocation
from django.contrib.admin.utils import display_for_value, quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import DatabaseError, OperationalError, models, transaction
from django.db.models import ProtectedError, QuerySet
from django.forms.models import construct_instance
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, get_script_prefix, path, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline, checkbox
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import (
    CHECKBOX_CLASSES,
    INPUT_CLASSES,
    SELECT_CLASSES,
    SWITCH_CLASSES,
    TEXTAREA_CLASSES,
)

from billing.cards import WithoutCards
from billing.engine.errors import BillingError
from billing.engine.money import EXPONENTS, exact_minor, major_string
from billing.events import clock
from billing.searching import search
from billing.typed import (
    BOUNDS_OF_DAYS,
    BOUNDS_OF_NUMBERS,
    Typed,
    TypedModelForm,
    check_instant,
    guard_of,
    in_words,
)

NOTHING = "–"
BULK_MAX = 200
BUTTONS_MAX = 4
# What an operator most likely came for stands first, what is hard to take back last.
RANK = {ActionVariant.PRIMARY: 0, ActionVariant.DANGER: 2}


# How things are written


class Figure(SafeString):
    """A figure as it stands on a page; tables align it to the right."""


def figure(text: str) -> Figure:
    return Figure(format_html('<span class="figure">{}</span>', text))


def money(minor: int | None, currency: str) -> str:
    """An amount with its currency, set so that columns of amounts line up."""
    if minor is None or not currency:
        return NOTHING
    return figure(f"{major_string(minor, currency)} {currency}")


def plain(number: Decimal | None) -> str:
    """A quantity or a unit price without the zeros that its column pads it with."""
    return NOTHING if number is None else figure(trimmed(number))


def trimmed(number: Decimal) -> str:
    """199 and not 199.0000000000."""
    return f"{number.normalize():f}"


def link(obj: models.Model | None, text: object = "") -> str:
    """A link to the object's page; the text is escaped."""
    if obj is None:
        return NOTHING
    return format_html('<a href="{}" class="text-link">{}</a>', address_of(obj), text or obj)


def address_of(obj: models.Model) -> str:
    """The path of the object's page."""
    name = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change"
    if not isinstance(obj.pk, int):
        return reverse(name, args=[quote(obj.pk)])
    before, after = _around_key(name, get_script_prefix())
    return f"{before}{obj.pk}{after}"


@lru_cache
def _around_key(name: str, prefix: str) -> tuple[str, str]:
    """What stands before and after the key in a path; a list asks for a hundred of them."""
    before, _, after = reverse(name, args=["-key-"]).partition("-key-")
    return before, after


def money_column(name: str, description: str = "", currency: str = "currency") -> Callable:
    """A column that shows a field of minor units as money."""
    minor_of, currency_of = attrgetter(name), attrgetter(currency)
    title = description or name.removesuffix("_minor").replace("_", " ")

    @display(description=title, ordering=name.replace(".", "__"), formatting="price")
    def column(admin: object, obj: models.Model) -> str:
        return money(minor_of(obj), currency_of(obj))

    return column


def plain_column(name: str, description: str = "") -> Callable:
    """A column that shows a decimal field without padding."""
    title = description or name.replace("_", " ")

    @display(description=title, ordering=name, formatting="price")
    def column(admin: object, obj: models.Model) -> str:
        return plain(getattr(obj, name))

    return column


def link_column(name: str, ordering: str = "") -> Callable:
    """A column that links to what a foreign key points at."""
    target_of = attrgetter(name)

    @display(description=name.rpartition(".")[2].replace("_", " "), ordering=ordering or name)
    def column(admin: object, obj: models.Model) -> str:
        return link(target_of(obj))

    return column


def label_column(name: str, colors: Mapping[str, str], description: str = "") -> Callable:
    """A column that shows a choice as a word on a ground: success, warning, danger or info."""
    title = description or name.replace("_", " ")

    @display(description=title, ordering=name)
    def column(admin: object, obj: models.Model) -> str:
        return _label(getattr(obj, f"get_{name}_display")(), colors.get(getattr(obj, name), ""))

    return column


@lru_cache
def _label(word: str, color: str) -> str:
    """Kept, because a list shows the same few labels in every row."""
    label = render_to_string("unfold/helpers/label.html", {"text": word, "type": color})
    return SafeString(label.strip())


@cache
def _box() -> str:
    """The box before a row, with a place for its key; a list has one in each row."""
    return checkbox.render(ACTION_CHECKBOX_NAME, "{}")


# Tables of what hangs on an object


@dataclass(frozen=True)
class Panel:
    """A table on an object's page: the first rows, and a link to the list of all of them."""

    title: str
    rows: Callable[[Any], QuerySet | Sequence[Any]]
    columns: Mapping[str, Callable[[Any], object]]
    list_of: type[models.Model] | None = None
    list_by: str = ""
    rows_max: int = 20
    when_empty: str = "None yet."

    def context(self, obj: models.Model) -> dict[str, object]:
        found = list(self.rows(obj)[: self.rows_max + 1])
        table = [[show(row) for show in self.columns.values()] for row in found[: self.rows_max]]
        return {
            "title": self.title,
            "headers": [
                {"title": title, "is_figure": any(isinstance(cell, Figure) for cell in cells)}
                for title, cells in zip(self.columns, zip(*table, strict=True), strict=bool(table))
            ],
            "rows": [_cells(row) for row in table],
            "more_url": self._list_url(obj) if len(found) > self.rows_max else "",
            "rows_max": self.rows_max,
            "when_empty": self.when_empty,
        }

    def _list_url(self, obj: models.Model) -> str:
        if self.list_of is None:
            return ""
        options = self.list_of._meta
        url = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
        return f"{url}?{self.list_by}={obj.pk}"


def _cells(row: Sequence[object]) -> SafeString:
    shown = ((display_for_value(cell, NOTHING),) for cell in row)
    return format_html_join("", "<td>{}</td>", shown)


# Buttons that ask before they act


class ActionForm(WithoutCards, Typed):
    """What a page action asks for, about one object.

    The key tells a form that is sent twice from one that is filled in twice.
    """

    key = forms.CharField(max_length=20, widget=forms.HiddenInput)

    def __init__(self, obj: Any, *args: Any, **options: Any) -> None:
        self.obj = obj
        options["initial"] = {"key": secrets.token_hex(6), **options.get("initial", {})}
        super().__init__(*args, **options)
        self.ask()
        for asked in self.fields.values():
            asked.widget.attrs["class"] = " ".join(_classes(asked.widget))

    def ask(self) -> None:
        """Add the fields that depend on the object."""

    def clean_amount(self) -> Decimal | None:
        """Amounts are typed in major units: more decimals than the currency has are a mistake."""
        amount = self.cleaned_data["amount"]
        if amount is None:
            return None
        currency = self.cleaned_data.get("currency") or getattr(self.obj, "currency", "")
        if not currency:
            return amount  # The currency is asked for and wrong, and that is said.
        try:
            self.cleaned_data["amount_minor"] = exact_minor(amount, currency)
        except BillingError as error:
            raise ValidationError(error.message, code=error.code) from error
        return amount


class ConfirmedForm(ActionForm):
    """A form that asks again what is unusual: whoever means it ticks a box and sends it once more.

    The action is given ``is_confirmed``, and refuses with one of :data:`ASKED_AGAIN` without it.
    """

    ASKED_AGAIN = frozenset({"unusual_amount", "credits_everything"})

    is_confirmed = forms.BooleanField(required=False, label="Yes, it is meant so")

    def __init__(self, obj: Any, *args: Any, **options: Any) -> None:
        super().__init__(obj, *args, **options)
        if "is_confirmed" not in self.data:
            self.fields["is_confirmed"].widget = forms.HiddenInput()

    def ask_again(self) -> None:
        """Show the box, unticked: a tick is for the sum that was shown."""
        self.fields["is_confirmed"].widget = forms.CheckboxInput(
            attrs={"class": " ".join(SWITCH_CLASSES)}
        )
        data = cast(QueryDict, self.data).copy()
        data.pop("is_confirmed", None)
        self.data = data


def _classes(widget: forms.Widget) -> Sequence[str]:
    if isinstance(widget, forms.CheckboxInput):
        return SWITCH_CLASSES
    if isinstance(widget, forms.CheckboxSelectMultiple):
        return CHECKBOX_CLASSES
    if isinstance(widget, forms.Select):
        return SELECT_CLASSES
    return TEXTAREA_CLASSES if isinstance(widget, forms.Textarea) else INPUT_CLASSES


def date_field(**options: Any) -> forms.DateField:
    """A day, picked with the browser's own calendar."""
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    return forms.DateField(widget=widget, validators=BOUNDS_OF_DAYS, **options)


def currency_choices() -> list[tuple[str, str]]:
    return [(code, code) for code in sorted(EXPONENTS)]


class PageAction:
    """A button on an object's page: asks on a page of its own, then does it and says what it did.

    `run` calls a function of some `actions.py` in the transaction that also leaves the log entry.
    Whether the button is offered is only a courtesy: the function is what refuses.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    explanation: ClassVar[str]
    permission: ClassVar[str]
    icon: ClassVar[str] = ""
    variant: ClassVar[ActionVariant] = ActionVariant.DEFAULT
    form_class: ClassVar[type[ActionForm]] = ActionForm
    is_for_many: ClassVar[bool] = False
    # Whether the object is gone afterwards, so that its list comes back rather than its page.
    removes: ClassVar[bool] = False

    @property
    def button(self) -> str:
        """The colour of the button that does it, in unfold's words."""
        return "danger" if self.variant is ActionVariant.DANGER else "primary"

    def is_offered(self, obj: Any) -> bool:
        return True

    def run(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> str:
        """Do it and say what was done; a :class:`Told` keeps a part of it from the log."""
        raise NotImplementedError


# What time it is for a seller; hung on by the app that knows sellers and their test clocks.
now_of_sellers: list[Callable[[Any], datetime | None]] = []


class Told(str):
    """What a page action has done, with what is shown this once and written nowhere."""

    shown: str

    def __new__(cls, done: str, *, shown: str) -> "Told":
        told = super().__new__(cls, done)
        told.shown = shown
        return told


@dataclass
class Outcome:
    """What became of an action on many objects."""

    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def today_of(obj: Any) -> date:
    """Today where the object's seller keeps its calendar, by its own clock where it has one."""
    seller = getattr(obj, "seller", obj)
    now = now_of_sellers[0](seller) if now_of_sellers else None
    time_zone = getattr(obj, "time_zone", None) or seller.time_zone
    return clock.local_day(now or clock.now(), time_zone)


def button(
    title: str, icon: str, url: str, variant: ActionVariant = ActionVariant.DEFAULT
) -> dict[str, Any]:
    """A button as unfold's templates take it."""
    return {"title": title, "icon": icon, "path": url, "variant": variant, "attrs": {}}


def refusal(error: BillingError | DatabaseError) -> str:
    """Why something was not done, in words for the operator."""
    if isinstance(error, BillingError):
        return error.message
    if isinstance(error, ProtectedError):
        return "Nothing was deleted: other records depend on this one."
    return f"Nothing was changed. {in_words(guard_of(error))}"


# Lists of big tables


class CappedPaginator(Paginator):
    """Counts no further than anybody pages: counting millions of rows takes longer than a list."""

    COUNT_MAX = 10_000

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet, self.object_list)
        return rows.order_by()[: self.COUNT_MAX].count()


class DeskList(ChangeList):
    """A list that reads what it shows; of more rows than are counted it sorts the newest alone.

    The keys are sorted first: wide rows, and what they join, are read for one page only. All the
    keys are asked for: for a few PostgreSQL would walk a joined table in the order of its index.
    """

    SORTED_MAX = 1_000
    sorts_newest = 0

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        found = super().get_queryset(request, exclude_parameters)
        if isinstance(self.list_select_related, tuple):
            found = found.select_related(None).select_related(*self.list_select_related)
        if not self._is_capped:
            return found
        newest = found.order_by("-pk").values_list("pk", flat=True)
        if not newest[CappedPaginator.COUNT_MAX :][:1]:
            return found
        self.sorts_newest = self.SORTED_MAX
        return found.filter(pk__gte=newest[self.SORTED_MAX - 1])

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # Else it is added in each row anew, after finding out by its address what page it leads to.
        self._asked = f"?{self.preserved_filters}" if self.preserved_filters else ""
        self.preserved_filters = ""
        if self._is_capped:
            keys = list(self.queryset.values_list("pk", flat=True))
            if self.multi_page and not (self.show_all and self.can_show_all):
                first = (self.page_num - 1) * self.list_per_page
                keys = keys[first : first + self.list_per_page]
            self.result_list = self.queryset.filter(pk__in=keys)

    def url_for_result(self, result: models.Model) -> str:
        """With what the list was asked for, so that one comes back to it from the row's page."""
        return f"{address_of(result)}{self._asked}"

    @property
    def _is_capped(self) -> bool:
        is_big = issubclass(self.model_admin.paginator, CappedPaginator)
        return is_big and bool(self.params.get("o"))


def _unpadded(contents: str) -> str:
    """A decimal as the page writes it, without the zeros that its column pads it with."""
    is_padded = "." in contents or "," in contents
    return contents.rstrip("0").rstrip(".,") if is_padded else contents


class PlainDecimalField(forms.DecimalField):
    def prepare_value(self, value: Any) -> Any:
        return trimmed(value) if isinstance(value, Decimal) else value


class CheckedForm(WithoutCards, TypedModelForm):
    """A form whose row is also checked by what the engine demands of it."""

    checks: Sequence[Callable[[Any], object]] = ()

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors:
            draft = construct_instance(self, copy(self.instance))
            for check in self.checks:
                try:
                    check(draft)
                except BillingError as error:
                    self.add_error(None, error.message)
        return cleaned


class PickedSelect(AutocompleteSelect):
    """What is picked from a search; a form that comes back shows it where it can be a row."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        key = self.choices.queryset.model._meta.pk
        return super().optgroups(name, [each for each in value if _is_key(key, each)], attrs)


def _is_key(key: models.Field, value: Any) -> bool:
    try:
        key.get_prep_value(value)
    except (TypeError, ValueError):
        return not value
    return True


class Picking:
    """An admin page, or rows within one, whose fields with a search take whatever is sent."""

    def formfield_for_foreignkey(
        self: Any, db_field: models.ForeignKey, request: HttpRequest, **options: Any
    ) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            using = options.get("using")
            options["widget"] = PickedSelect(db_field, self.admin_site, using=using)
        return super().formfield_for_foreignkey(db_field, request, **options)  # type: ignore[misc]


class RowsForms(PaginationInlineFormSet):
    """The forms of :class:`Rows`; the empty one, asked for eight times, is made once."""

    @cached_property
    def empty_form(self) -> forms.ModelForm:
        return super().empty_form


class Rows(Picking, TabularInline):
    """Rows within a form, no more of which are made than anybody needs, whatever count is sent."""

    formset = RowsForms
    extra = 0
    max_num = 100

    def get_formset(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        return super().get_formset(request, obj, absolute_max=self.max_num, **options)


# The admin of a model


class Desk(Picking, ModelAdmin):
    """The admin of a model that operators may edit, as far as nothing depends on it.

    `fixed_fields` can be chosen once, when the object is added. A check raises BillingError for a
    row that the database would take and the engine would not.
    """

    fixed_fields: ClassVar[Sequence[str]] = ()
    checks: ClassVar[Sequence[Callable[[Any], object]]] = ()
    panels: ClassVar[Sequence[Panel]] = ()
    page_actions: ClassVar[Sequence[PageAction]] = ()
    formfield_overrides = {models.DecimalField: {"form_class": PlainDecimalField}}
    list_filter_submit = True
    list_per_page = 30
    show_facets = ShowFacets.NEVER  # One more count of the table for each choice of each filter.
    show_full_result_count = False
    warn_unsaved_form = True
    change_form_outer_after_template = "admin/desk/panels.html"
    list_before_template = "admin/desk/newest.html"

    def __init__(self, model: type[models.Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        self.readonly_preprocess_fields = {
            each.name: _unpadded
            for each in model._meta.fields
            if isinstance(each, models.DecimalField)
        }

    @classmethod
    def extend(
        cls,
        *,
        panels: Sequence[Panel] = (),
        page_actions: Sequence[PageAction] = (),
        checks: Sequence[Callable[[Any], object]] = (),
    ) -> None:
        """Add what an app further up the house knows about this page's object."""
        cls.checks = (*cls.checks, *checks)
        cls.panels = (*cls.panels, *panels)
        cls.page_actions = (*cls.page_actions, *page_actions)

    # What may be edited and deleted

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        fixed = self.fixed_fields if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> type[forms.ModelForm]:
        base: type = options.get("form") or self.form
        options["form"] = type("DeskForm", (CheckedForm, base), {"checks": self.checks})
        return super().get_form(request, obj, change=change, **options)

    def formfield_for_dbfield(
        self, db_field: models.Field, request: HttpRequest, **options: Any
    ) -> forms.Field | None:
        asked = super().formfield_for_dbfield(db_field, request, **options)
        if isinstance(asked, forms.DateField):
            asked.validators = [*asked.validators, *BOUNDS_OF_DAYS]
        elif isinstance(db_field, models.BigIntegerField) and isinstance(asked, forms.IntegerField):
            asked.validators = [*asked.validators, *BOUNDS_OF_NUMBERS]
        elif isinstance(asked, forms.DateTimeField | forms.SplitDateTimeField):
            asked.validators = [*asked.validators, check_instant]
        return asked

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
            context["panels"] = [panel.context(obj) for panel in self.panels]
        return super().render_change_form(request, context, *args, **options)

    def _buttons(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """What may be done with the object: a few buttons, the rest behind one more."""
        buttons = self.first_buttons(request, obj)
        for action in sorted(self.page_actions, key=lambda action: RANK.get(action.variant, 1)):
            if request.user.has_perm(action.permission) and action.is_offered(obj):
                args = [quote(obj.pk), action.name]
                url = reverse(f"admin:{self._url_name}_act", args=args)
                buttons.append(button(action.label, action.icon, url, action.variant))
        if len(buttons) <= BUTTONS_MAX:
            return buttons
        more = button("More", "more_horiz", "") | {"items": buttons[BUTTONS_MAX - 1 :]}
        return [*buttons[: BUTTONS_MAX - 1], more]

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
        if form.is_valid():
            try:
                done = self.perform(request, action, obj, form.cleaned_data)
            except OperationalError:
                raise
            except (BillingError, DatabaseError) as error:
                form.add_error(None, refusal(error))
                code = getattr(error, "code", "")
                if isinstance(form, ConfirmedForm) and code in form.ASKED_AGAIN:
                    form.ask_again()
            else:
                messages.success(request, done.shown if isinstance(done, Told) else done)
                page, args = ("changelist", []) if action.removes else ("change", [quote(obj.pk)])
                return HttpResponseRedirect(reverse(f"admin:{self._url_name}_{page}", args=args))
        context = {"action": action, "form": form, "object": obj, "today": today_of(obj)}
        return self._page(request, action, "admin/desk/act.html", context)

    def perform(
        self, request: HttpRequest, action: PageAction, obj: Any, asked: Mapping[str, Any]
    ) -> str:
        """Run the action and log it in one transaction, under the lock of the customer's money."""
        key = asked["key"]
        given = {name: value for name, value in asked.items() if name not in {"key", "amount"}}
        if "amount" in asked:
            given.setdefault("amount_minor", None)
        with transaction.atomic():
            customer = getattr(obj, "customer", obj)
            type(customer)._base_manager.select_for_update().get(pk=customer.pk)
            obj.refresh_from_db()
            if self._was_done(obj, key):
                return "This form was sent twice; it was done once."
            actor = f"user:{request.user.get_username()}"
            done = action.run(obj, as_of=today_of(obj), actor=actor, **given)
            self.log_change(request, obj, f"{done} (form {key})")
        return done

    def _was_done(self, obj: Any, key: str) -> bool:
        of_object = LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(obj, for_concrete_model=False),
            object_id=obj.pk,
        )
        return of_object.filter(change_message__endswith=f"(form {key})").exists()

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

    # Finding rows in a list

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """By what is exactly that, else by words; see :mod:`billing.searching`."""
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
        return format_html(_box(), obj.pk)

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
        """Ask once, then run the action on each: one that is refused does not stop the others."""
        chosen = list(queryset[: BULK_MAX + 1])
        if len(chosen) > BULK_MAX:
            messages.error(request, f"Choose at most {BULK_MAX} at a time.")
            return None
        if "confirmed" not in request.POST:
            return self._page(request, action, "admin/desk/act_on_many.html", {"objects": chosen})
        outcome = Outcome()
        for obj in chosen:
            try:
                asked = {"key": secrets.token_hex(6)}
                outcome.done.append(f"{obj}: {self.perform(request, action, obj, asked)}")
            except OperationalError:
                raise
            except (BillingError, DatabaseError) as error:
                outcome.refused.append(f"{obj}: {refusal(error)}")
        if outcome.done:
            messages.success(request, f"{action.label}: {len(outcome.done)} of {len(chosen)} done.")
        for reason in outcome.refused:
            messages.error(request, reason)
        return None


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
