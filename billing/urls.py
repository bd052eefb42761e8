"""The addresses of the house."""

from django.contrib import admin
from django.urls import path

from billing.jobs.views import healthz

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", healthz),
]
