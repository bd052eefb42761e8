"""Rows within a form, and choices that are looked up as one types."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect
from django.db import models
from django.http import HttpRequest
from django.utils.choices import BaseChoiceIterator
from django.utils.functional import cached_property
from unfold.admin import TabularInline
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminSelectWidget

from billing.base.typed import TypedModelForm, guard_of_unique, in_words
from billing.desk.quick_forms import QuickSelect


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


class SameChoices(BaseChoiceIterator):
    """Choices that the forms of all rows share: a copy of each label for each row takes long."""

    def __init__(self, choices: Iterable[Any]) -> None:
        self.choices = choices

    def __iter__(self) -> Iterator[Any]:
        yield from self.choices

    def __copy__(self) -> "SameChoices":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "SameChoices":
        return self


class Picking:
    """An admin page, or rows within one, whose choices are written once, and whose fields with a
    search take whatever is sent.
    """

    def formfield_for_choice_field(
        self: Any, db_field: models.Field, request: HttpRequest, **options: Any
    ) -> Any:
        asked = super().formfield_for_choice_field(db_field, request, **options)  # type: ignore[misc]
        if type(asked.widget) is UnfoldAdminSelectWidget:
            asked.widget = QuickSelect(asked.widget.attrs)
        asked.choices = SameChoices(asked.choices)
        return asked

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

    def get_unique_error_message(self, unique_check: Sequence[str]) -> str:
        """What is said of two rows of one form that cannot both be."""
        guard = guard_of_unique(self.model, unique_check)
        return in_words(guard) if guard else super().get_unique_error_message(unique_check)


class Rows(Picking, TabularInline):
    """Rows within a form, no more of which are made than anybody needs, whatever count is sent."""

    form = TypedModelForm
    formset = RowsForms
    extra = 0
    max_num = 100

    def get_formset(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        return super().get_formset(request, obj, absolute_max=self.max_num, **options)
