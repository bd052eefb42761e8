"""Every address that the house answers, as its URL patterns say."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import get_resolver

from billing.desk.model_admin import Desk

MODEL_PAGE = re.compile(r"^admin/(?P<app>[a-z_]+)/(?P<model>[a-z]+)/(?P<page>.*)$")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL pattern; ``model`` and ``page`` where it is one of the pages of a model's admin."""

    route: str
    callback: Any
    model: str = ""
    page: str = ""


def addresses() -> list[Address]:
    """All patterns, those of included ones with their prefix."""
    models = {
        f"{each._meta.app_label}.{each._meta.model_name}": each for each in admin.site._registry
    }
    found = []
    for route, callback in _walk(get_resolver().url_patterns, ""):
        match = MODEL_PAGE.match(route)
        name = f"{match['app']}.{match['model']}" if match else ""
        if match and name in models:
            found.append(Address(route, callback, name, match["page"]))
        else:
            found.append(Address(route, callback))
    return found


def _walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _walk(pattern.url_patterns, route)
        else:
            yield route, pattern.callback


def filled(route: str, values: dict[str, str]) -> str:
    """A path that a pattern matches, its parameters by name; raises KeyError for one unknown."""

    def value(match: re.Match[str]) -> str:
        return values[match[1]]

    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", value, route)


def page_actions(model: type[Model]) -> list[str]:
    """The names of what may be done on a model's page."""
    desk = admin.site._registry[model]
    return [action.name for action in desk.page_actions] if isinstance(desk, Desk) else []
