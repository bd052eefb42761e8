"""The admin's site: unfold's, which makes nothing for a page that the page does not show."""

from functools import partial
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin import sites
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class NamesApart(AutocompleteJsonView):
    """What a search for a choice finds: rows of one name are told apart by what else they have."""

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        found = super().serialize_result(obj, to_field_name)
        names = (getattr(obj, name, "") for name in ("code", "email", "public_id"))
        apart = next(filter(None, names), "")
        return found | {"text": f"{found['text']} ({apart})"} if apart else found


class Site(UnfoldAdminSite):
    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        return NamesApart.as_view(admin_site=self)(request)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """All models by app, put together when somebody looks: our own menu never does."""
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))


class SiteConfig(AppConfig):
    name = "unfold"

    def ready(self) -> None:
        admin.site = sites.site = Site()
