"""The API's document, and the page that shows it. Both are for everybody: they hold no secret."""

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

from billing.api.answers import LANGUAGE

# Swagger UI draws its icons from data addresses, and asks this site alone for anything.
PAGE_CSP: dict[str, list[str]] = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "connect-src": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}


@cache
def written() -> bytes:
    """The OpenAPI document. It depends on the code alone, so a process makes it once.

    It is in English whatever the browser of its first reader wants, as the API's answers are.
    """
    with translation.override(LANGUAGE):
        document = SchemaGenerator().get_schema(request=None, public=True)
        return bytes(OpenApiJsonRenderer().render(document, renderer_context={}))


@require_GET
def openapi(request: HttpRequest) -> HttpResponse:
    return HttpResponse(written(), content_type="application/json")


@require_GET
@csp_override(PAGE_CSP)
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "api/docs.html")
