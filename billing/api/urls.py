"""The shops' door, under ``/api/v1/``: the addresses that the resources say are theirs."""

from django.urls import URLPattern, URLResolver, path, re_path, register_converter
from django.urls.converters import StringConverter

from billing.api import resources  # noqa: F401 -- with it stand their endpoints.
from billing.api.views import ENDPOINTS, Endpoint, NoSuchAddress


class KeyConverter(StringConverter):
    """Our id, or ``external:`` and the shop's own, in which there may be a slash."""

    regex = "external:.+|[^/]+"


def _from_the_narrowest(endpoint: type[Endpoint]) -> tuple[int, list[bool]]:
    """What is done with one object comes before the object: an id of the shop's may have a slash.

    And a word of ours before an id that may be any.
    """
    parts = endpoint.address.split("/")
    return -len(parts), [part.startswith("<") for part in parts]


register_converter(KeyConverter, "key")
app_name = "api"
urlpatterns: list[URLPattern | URLResolver] = [
    *(
        path(endpoint.address, endpoint.as_view())
        for endpoint in sorted(ENDPOINTS, key=_from_the_narrowest)
    ),
    # Last, and without a redirect to an address with a slash.
    re_path("", NoSuchAddress.as_view()),
]
