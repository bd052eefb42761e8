"""The shops' door, under ``/api/v1/``."""

from django.urls import URLPattern, URLResolver, path, re_path

from billing.api.resources import customers
from billing.api.views import NoSuchAddress

app_name = "api"
urlpatterns: list[URLPattern | URLResolver] = [
    path("customers", customers.Customers.as_view()),
    path("customers/<str:customer>", customers.OneCustomer.as_view()),
    # Last, and without a redirect to an address with a slash.
    re_path("", NoSuchAddress.as_view()),
]
