"""What people type into forms, the same at every door: no control characters, days within bounds,
and refusals that name no guard of the database.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import DatabaseError, models
from django.utils.translation import pgettext, pgettext_lazy

from billing.base.guard_words import GUARD_WORDS
from billing.engine.bounds import FIRST_DAY, LAST_DAY, MINOR_MAX, NO_TEXT

BOUNDS_OF_DAYS = (MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY))
# Whole numbers whose columns hold more: amounts, and the numbers of documents.
BOUNDS_OF_NUMBERS = (MinValueValidator(-MINOR_MAX), MaxValueValidator(MINOR_MAX))


def check_instant(value: datetime) -> None:
    """The same bounds for a day with its time."""
    for check in BOUNDS_OF_DAYS:
        check(value.date())


UNREADABLE = pgettext_lazy(
    "portal", "This contains a character that we cannot read. Type it again."
)
# A constraint's name within Django's words for it, whatever language those are in.
_NAME = re.compile(r"\w+_\w+")
# Where in PL/pgSQL a trigger has refused, which names no constraint: its function has its name.
_RAISED = re.compile(r"function (?:\w+\.)?pgtrigger_(\w+)_[0-9a-f]+\(")


class Typed(forms.Form):
    """A form whose texts hold no character that no keyboard writes."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        refuse_control_characters(self)
        return cleaned


class TypedModelForm(forms.ModelForm):
    """The same for a row; what a constraint refuses is said in words."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        refuse_control_characters(self)
        return cleaned

    def _update_errors(self, errors: ValidationError) -> None:
        is_by_field = hasattr(errors, "error_dict")
        nested = errors.error_dict.values() if is_by_field else [errors.error_list]
        for error in (each for found in nested for each in found):
            if guard := self._guard_of(error):
                error.message, error.params = in_words(guard), None
        super()._update_errors(errors)  # type: ignore[misc]

    def _guard_of(self, error: ValidationError) -> str:
        """The constraint that has refused; empty where something else has."""
        fields = (error.params or {}).get("unique_check")
        if fields:
            return guard_of_unique(self._meta.model, fields)
        named = set(_NAME.findall(str(error.message)))
        constraints = self._meta.model._meta.constraints
        return next((each.name for each in constraints if each.name in named), "")


# All numbers of so many digits are row ids; of thousands Python reads none.
_DIGITS_OF_A_ROW_ID = 18


def row_id(sent: str) -> int | None:
    """The row id that a browser has sent; None for what can be none."""
    return int(sent) if sent.isdecimal() and len(sent) <= _DIGITS_OF_A_ROW_ID else None


def guard_of_unique(model: type[models.Model], fields: Iterable[str]) -> str:
    """The constraint by which these fields are unique together; empty where there is none."""
    names = tuple(fields)
    same = (each for each in model._meta.constraints if getattr(each, "fields", None) == names)
    return next((each.name for each in same), "")


def refuse_control_characters(form: forms.BaseForm) -> None:
    for name, value in [*form.cleaned_data.items()]:
        texts = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(text, str) and NO_TEXT.search(text) for text in texts):
            form.add_error(name, UNREADABLE)


def guard_of(error: DatabaseError) -> str:
    """What the database refused, without its own words, which tell of other rows."""
    diagnosis = getattr(error.__cause__, "diag", None)
    raised = _RAISED.search(getattr(diagnosis, "context", None) or "")
    named = getattr(diagnosis, "constraint_name", None) or (raised and raised[1])
    return named or "a rule that holds for all records"


def in_words(guard: str) -> str:
    """What a guard says to a person; one that no form meets has its name, which is a sentence."""
    if guard in GUARD_WORDS:
        return pgettext("desk", GUARD_WORDS[guard])
    return pgettext("desk", "This cannot be: %(guard)s.") % {"guard": guard.replace("_", " ")}
