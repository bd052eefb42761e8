"""The customers' door, under ``/portal/``; and ``/pay/``, which ``pay_urls`` has."""

from django.urls import URLPattern, URLResolver, path
from django.views.i18n import set_language

from portal.views import brand

app_name = "portal"
urlpatterns: list[URLPattern | URLResolver] = [
    path("language/", set_language, name="language"),
    path("theme/<slug:seller_id>-<slug:digest>.css", brand.theme, name="theme"),
    path("logo/<slug:seller_id>-<slug:digest>.png", brand.logo, name="logo"),
]
