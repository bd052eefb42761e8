"""The desk's labels in the language of the page.

Models and their admin are labelled in English where they are written. Once all apps are ready, each
label is put behind a translation that is looked up whenever it is shown. The English is the
``msgid``. The context is "desk"; where a word means something of its own on one model, it is "desk"
and the name of that model, and on a button "desk button": an invoice's "reference" is its own, and
to "Void" is not to be "Void".
"""

from collections.abc import Iterator
from functools import lru_cache
from inspect import getattr_static
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.forms import Field
from django.forms.utils import pretty_name
from django.utils.choices import CallableChoiceIterator
from django.utils.functional import Promise, lazy
from django.utils.translation import get_language, pgettext
from django_countries.fields import CountryField

CONTEXT, BUTTON = "desk", "button"


def translate_labels() -> None:
    """Put every label of models and of their admin behind its translation.

    Called once, when all apps are ready and what extends the pages of others has done so. What a
    migration keeps of a model stays as it was.
    """
    for app in apps.get_app_configs():
        app.verbose_name = in_words(app.verbose_name)
    for model in apps.get_models():
        _translate_model(model)
    for page in admin.site._registry.values():
        _translate_page(page)


def in_words(label: Any, of: str = "") -> Any:
    """A label in the language that is active when it is shown; ``of`` says whose it is."""
    return _lazily(label, of) if label else label


def _translated(label: Any, of: str) -> str:
    return _in_language(get_language(), str(label), of)


# A page of many rows shows the same few labels hundreds of times.
@lru_cache(maxsize=8192)
def _in_language(language: str | None, english: str, of: str) -> str:
    """The label in the language that is active, which is named to be told from the others."""
    own = pgettext(f"{CONTEXT} {of}", english) if of else english
    return own if own != english else pgettext(CONTEXT, english)


_lazily = lazy(_translated, str)


class TranslatedChoices(CallableChoiceIterator):
    """Choices that are asked for late, each with its label in the language of the page."""

    def __init__(self, asked: CallableChoiceIterator, of: str) -> None:
        super().__init__(asked.func)
        self.of = of

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        for value, label in super().__iter__():
            yield value, in_words(label, self.of)


def name_of(model: type[models.Model]) -> str:
    """What a model is called in a context; a proxy has the labels of what it stands for."""
    return str((model._meta.concrete_model or model)._meta.model_name)


def _translate_model(model: type[models.Model]) -> None:
    options, of = model._meta, name_of(model)
    options.verbose_name = in_words(options.verbose_name, of)
    options.verbose_name_plural = in_words(options.verbose_name_plural, of)
    for field in (*options.local_fields, *options.local_many_to_many):
        field.verbose_name = in_words(field.verbose_name, of)
        field.help_text = in_words(field.help_text, of)
        # Countries have a catalog of their own.
        if field.choices is not None and not isinstance(field, CountryField):
            field.choices = _choices_in_words(field.choices, of)


def _choices_in_words(choices: Any, of: str) -> Any:
    if isinstance(choices, CallableChoiceIterator):
        return TranslatedChoices(choices, of)
    return [(value, in_words(label, of)) for value, label in choices]


def _translate_page(page: Any) -> None:
    of = name_of(page.model)
    page.search_help_text = in_words(page.search_help_text, of)
    if page.fieldsets:
        page.fieldsets = tuple((in_words(title, of), options) for title, options in page.fieldsets)
    for column in _columns(page):
        if not isinstance(getattr(column, "short_description", ""), Promise):
            column.short_description = in_words(_title_of(column), of)
    for action in getattr(page, "page_actions", ()):
        if not isinstance(action.label, Promise):
            type(action).label = in_words(action.label, BUTTON)
    for form in (page.form, getattr(page, "add_form", None)):
        _translate_form(form, of)


def _columns(page: ModelAdmin) -> Iterator[Any]:
    """What a page shows in its list and its form that is no field: functions, of it or its model.

    All that is labelled as one is, because what is shown may depend on the request.
    """
    labelled = {name for name in dir(type(page)) if _has_title(type(page), name)}
    named = {name for name in (*page.list_display, *page.readonly_fields) if isinstance(name, str)}
    for name in sorted(labelled | named):
        if name == "__str__" or _is_field(page.model, name):
            continue
        shown = getattr_static(type(page), name, None) or getattr_static(page.model, name, None)
        column = shown.fget if isinstance(shown, property) else shown
        if callable(column):
            yield column


def _has_title(page: type, name: str) -> bool:
    return hasattr(getattr_static(page, name, None), "short_description")


def _is_field(model: type[models.Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def _title_of(column: Any) -> Any:
    return getattr(column, "short_description", "") or pretty_name(column.__name__)


def _translate_form(form: Any, of: str) -> None:
    """What a form says of the fields that it has of its own."""
    fields: dict[str, Field] = getattr(form, "declared_fields", {})
    for name, field in fields.items():
        if not isinstance(field.label, Promise):
            field.label = in_words(field.label or pretty_name(name), of)
        if not isinstance(field.help_text, Promise):
            field.help_text = in_words(field.help_text, of)
