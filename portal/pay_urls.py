"""Pages that a link alone opens, under ``/pay/``: a checkout, and an invoice to pay."""

from django.urls import URLPattern, URLResolver

app_name = "pay"
urlpatterns: list[URLPattern | URLResolver] = []
