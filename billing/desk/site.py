"""The admin's site: unfold's, which makes nothing for a page that the page does not show."""

from functools import partial
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin import sites
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):
    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """All models by app, put together when somebody looks: our own menu never does."""
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))


class SiteConfig(AppConfig):
    name = "unfold"

    def ready(self) -> None:
        admin.site = sites.site = Site()
