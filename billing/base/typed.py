"""What people type into forms, the same at every door: no control characters, days within bounds,
and refusals that name no guard of the database.
"""

import re
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import DatabaseError
from django.utils.translation import pgettext_lazy

from billing.engine.bounds import FIRST_DAY, LAST_DAY, MINOR_MAX, NO_TEXT

BOUNDS_OF_DAYS = (MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY))
# Whole numbers whose columns hold more: amounts, and the numbers of documents.
BOUNDS_OF_NUMBERS = (MinValueValidator(-MINOR_MAX), MaxValueValidator(MINOR_MAX))


def check_instant(value: datetime) -> None:
    """The same bounds for a day with its time."""
    for check in BOUNDS_OF_DAYS:
        check(value.date())


UNREADABLE = pgettext_lazy("portal", "There is a character here that cannot be read. Type it anew.")
# Django's words where a constraint has none of its own.
_VIOLATED = re.compile(r"“(\w+)”")
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
            if found := _VIOLATED.search(str(error.message)):
                error.message = in_words(found[1])
        super()._update_errors(errors)  # type: ignore[misc]


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
    """A guard's name as a person reads it: names of guards are sentences."""
    return f"This cannot be: {guard.replace('_', ' ')}."
