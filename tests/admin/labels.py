"""Every label that the desk shows, as its pages find them in the language that is active."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.utils import flatten_fieldsets, help_text_for_field, label_for_field
from django.db.models import Model
from django.forms import ChoiceField, Field
from django.forms.models import ModelChoiceField
from django.http import HttpRequest
from django_countries.fields import CountryField
from pghistory.core import event_models
from pghistory.models import Event

from billing.desk.labels import in_words
from billing.front_page.menu import MENU, TODAY

OURS = ("billing.", "catalog.", "customers.", "dunning.")

# Where a label stands, and its words.
type Label = tuple[str, str]


def labels(request: HttpRequest, rows: dict[type[Model], Any]) -> dict[str, str]:
    """All labels by where they stand; none that is empty or has no letter in it."""
    found = [*_of_menu(), *_of_models()]
    for model, page in admin.site._registry.items():
        found += [(f"{model._meta.label}: {at}", text) for at, text in _of_page(page, request)]
        row = rows[model]
        found += [(f"{model._meta.label}: {at}", text) for at, text in _of_form(page, request, row)]
    return {at: text for at, text in found if any(map(str.isalpha, text))}


def _of_menu() -> Iterator[Label]:
    yield "menu: Today", str(in_words(TODAY[0]))
    for title, entries in MENU:
        yield f"menu: {title}", str(in_words(title))
        for entry in entries:
            yield f"menu: {title}, {entry[0]}", str(in_words(entry[0]))


def _of_models() -> Iterator[Label]:
    """What stands beside pages: choices, which panels show, and the fields that history keeps."""
    for model in apps.get_models():
        if not model.__module__.startswith(OURS) or issubclass(model, Event):
            continue
        for field in model._meta.local_fields:
            if any(event_models(tracks_model=model)):
                yield f"{model._meta.label}.{field.name}", str(field.verbose_name)
            if not isinstance(field, CountryField):
                for value, label in field.flatchoices:
                    yield f"{model._meta.label}.{field.name}: {value}", str(label)


def _of_page(page: ModelAdmin, request: HttpRequest) -> Iterator[Label]:
    yield "app", str(page.opts.app_config.verbose_name)
    yield "one", str(page.opts.verbose_name)
    yield "many", str(page.opts.verbose_name_plural)
    yield "search", str(page.search_help_text or "")
    yield from _columns(page, page.get_list_display(request))
    listed = page.get_changelist_instance(request)
    for number, each in enumerate(listed.filter_specs):
        yield f"filter {number}", str(each.title)
        if isinstance(each, SimpleListFilter):
            yield from (
                (f"filter {number}, {value}", str(label)) for value, label in each.lookup_choices
            )
    for action in getattr(page, "page_actions", ()):
        yield f"button {action.name}", str(action.label)
    for name, words in page.get_action_choices(request, default_choices=[]):
        yield f"action {name}", str(words)


def _columns(page: ModelAdmin, names: Any) -> Iterator[Label]:
    for number, name in enumerate(names):
        if name != "action_checkbox":
            yield f"column {number}", str(label_for_field(name, page.model, page))


def _of_form(page: ModelAdmin, request: HttpRequest, row: Any) -> Iterator[Label]:
    forms = [row, None] if page.has_add_permission(request) else [row]
    for obj in forms:
        kind = "page" if obj is not None else "page to add"
        fieldsets = page.get_fieldsets(request, obj)
        for number, (title, _) in enumerate(fieldsets):
            yield f"{kind}, fieldset {number}", str(title or "")
        form = page.get_form(request, obj, change=obj is not None)
        yield from _fields(kind, form.base_fields)
        for name in flatten_fieldsets(fieldsets):
            if name not in form.base_fields:
                yield f"{kind}, {_named(name)}", str(label_for_field(name, page.model, page))
                yield f"{kind}, help of {_named(name)}", _help(name, page)
        for inline in page.get_inline_instances(request, obj):
            part = inline.opts.label
            yield f"{kind}, {part}", str(inline.verbose_name)
            yield f"{kind}, all {part}", str(inline.verbose_name_plural)
            yield from _fields(f"{kind}, {part}", inline.get_formset(request, obj).form.base_fields)


def _fields(where: str, fields: dict[str, Field]) -> Iterator[Label]:
    for name, field in fields.items():
        yield f"{where}, {name}", str(field.label or name)
        yield f"{where}, help of {name}", str(field.help_text or "")
        if name == "country" or isinstance(field, ModelChoiceField):
            continue  # What rows and countries are called is no label.
        if isinstance(field, ChoiceField):
            choices: Any = field.choices
            for value, label in choices:
                yield f"{where}, {name}: {value}", str(label)


def _named(name: Any) -> str:
    return str(getattr(name, "__name__", name))


def _help(name: Any, page: ModelAdmin) -> str:
    return str(help_text_for_field(_named(name), page.model))
