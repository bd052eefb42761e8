"""The customers' door, under ``/portal/``; and ``/pay/``, which ``pay_urls`` has."""

from django.urls import URLPattern, URLResolver

app_name = "portal"
urlpatterns: list[URLPattern | URLResolver] = []
