"""A resource says by itself where it is found and what is shown of it."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from django.urls import resolve

from billing.api import resources
from billing.api.reading import SHOWN
from billing.api.urls import urlpatterns
from billing.api.views import ENDPOINTS, Endpoint


def _below(endpoint: type[Endpoint]) -> Iterator[type[Endpoint]]:
    for each in endpoint.__subclasses__():
        yield each
        yield from _below(each)


def test_whatever_says_its_scopes_has_an_address_of_its_own() -> None:
    named = [each for each in _below(Endpoint) if "scopes" in each.__dict__]
    assert len(named) > 40
    assert [each for each in named if each not in ENDPOINTS] == []


def test_no_address_is_told_of_twice() -> None:
    addresses = [endpoint.address for endpoint in ENDPOINTS]
    assert len(set(addresses)) == len(addresses) == len(urlpatterns) - 1


def test_every_module_of_the_folder_is_found_by_itself() -> None:
    loaded = {endpoint.__module__ for endpoint in ENDPOINTS}
    names = [f"{resources.__name__}.{each.name}" for each in iter_modules(resources.__path__)]
    silent = {name for name in names if name not in loaded}
    assert silent == {"billing.api.resources.documents"}
    assert import_module("billing.api.resources.documents").DocumentDetail is SHOWN["inv"][0]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("subscriptions/preview", "PreviewStart"),
        ("subscriptions/sub_1", "OneSubscription"),
        ("subscriptions/external:shop/7", "OneSubscription"),
        ("subscriptions/external:shop/7/change", "ChangeSubscription"),
        ("subscriptions/sub_1/change/preview", "PreviewChange"),
        ("usage/batch", "UsageBatch"),
        ("usage/rec_1", "OneRecord"),
        ("customers/external:a/b/c", "OneCustomer"),
        ("customers/", "NoSuchAddress"),
    ],
)
def test_the_narrowest_address_answers(path: str, name: str) -> None:
    view: Any = resolve(f"/api/v1/{path}").func
    assert view.view_class.__name__ == name
