"""Forms of pages and of their buttons."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.models import construct_instance
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import pgettext, pgettext_lazy
from unfold.widgets import (
    CHECKBOX_CLASSES,
    INPUT_CLASSES,
    SELECT_CLASSES,
    SWITCH_CLASSES,
    TEXTAREA_CLASSES,
)

from billing.base.cards import WithoutCards
from billing.base.typed import (
    BOUNDS_OF_DAYS,
    Typed,
    TypedModelForm,
)
from billing.desk.as_read import AsRead
from billing.desk.figures import as_pages_write, trimmed
from billing.engine.errors import BillingError
from billing.engine.money import EXPONENTS, exact_minor


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

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error(field, error_in_page_language(error))

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


def error_in_page_language(error: Any) -> Any:
    """What a form is to say, with what models and the engine refuse with, which is English."""
    if isinstance(error, str):
        return as_pages_write(error)
    said = error if isinstance(error, ValidationError) else ValidationError(error)
    for each in _each_of(said):
        if isinstance(each.message, str) and not each.params:
            each.message = as_pages_write(each.message)
    return said


def _each_of(error: ValidationError) -> Iterator[ValidationError]:
    if hasattr(error, "error_dict"):
        for errors in error.error_dict.values():
            yield from errors
    else:
        yield from error.error_list


class ConfirmedForm(ActionForm):
    """A form that asks again what is unusual: whoever means it ticks a box and sends it once more.

    The action is given ``is_confirmed``, and refuses with one of :data:`ASKED_AGAIN` without it.
    """

    ASKED_AGAIN = frozenset({"unusual_amount", "credits_everything"})

    is_confirmed = forms.BooleanField(required=False, label=pgettext_lazy("desk", "Yes, I mean it"))

    def __init__(self, obj: Any, *args: Any, **options: Any) -> None:
        super().__init__(obj, *args, **options)
        if not self.data.get("is_confirmed"):
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


class NamedChoice(forms.ModelChoiceField):
    """A row of a table by its name; rows of one name are told apart by code or public id."""

    def __init__(self, queryset: Any, *, named: Callable[[Any], str] = str, **options: Any) -> None:
        self.named = named
        super().__init__(queryset, **options)

    def label_from_instance(self, obj: Any) -> str:
        name = self.named(obj)
        if self._names[name] == 1:
            return name
        return f"{name} ({getattr(obj, 'code', '') or obj.public_id})"

    @cached_property
    def _names(self) -> Counter[str]:
        """How often each name is offered."""
        assert self.queryset is not None
        return Counter(self.named(each) for each in self.queryset.all())


def date_field(**options: Any) -> forms.DateField:
    """A day, picked with the browser's own calendar."""
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    return forms.DateField(widget=widget, validators=BOUNDS_OF_DAYS, **options)


def currency_choices() -> list[tuple[str, str]]:
    return [(code, code) for code in sorted(EXPONENTS)]


class PlainDecimalField(forms.DecimalField):
    def prepare_value(self, value: Any) -> Any:
        return trimmed(value) if isinstance(value, Decimal) else value


# Which codes there are for a row as it is typed.
type Codes = Callable[[Any], Iterable[str]]


class CheckedForm(WithoutCards, AsRead, TypedModelForm):
    """A form whose row is also checked by what the engine demands of it.

    ``codes`` says of a field that holds a code, or several, which there are: one that names nothing
    is refused when it is typed. What stood there before is left alone.
    """

    checks: Sequence[Callable[[Any], object]] = ()
    codes: Mapping[str, Codes] = {}

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error(field, error_in_page_language(error))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors:
            draft = construct_instance(self, copy(self.instance))
            for check in self.checks:
                try:
                    check(draft)
                except BillingError as error:
                    setting = str(error.details.get("setting", "")).partition("[")[0]
                    place = setting if setting in self.fields else None
                    self.add_error(place, error.message)
            for name in self.codes.keys() & {*self.changed_data}:
                self._check_codes(name, draft)
        return cleaned

    def _check_codes(self, name: str, draft: models.Model) -> None:
        typed = getattr(draft, name)
        there_are = sorted(set(self.codes[name](draft)))
        before = self.initial.get(name) if isinstance(typed, list) else None
        unknown = [
            code
            for code in (typed if isinstance(typed, list) else [typed])
            if code not in there_are and code not in (before or ())
        ]
        if unknown and unknown != [""]:
            named = ", ".join(f"“{code}”" for code in unknown)
            said = (
                pgettext("desk", "No such code: %(named)s. There are: %(codes)s.")
                if there_are
                else pgettext("desk", "No such code: %(named)s. There are none yet.")
            )
            self.add_error(name, said % {"named": named, "codes": ", ".join(there_are)})
