"""A seller's colours and logo, kept by browsers until they have another address."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from customers.models import Seller
from portal import brand

FOR_A_YEAR = "public, max-age=31536000, immutable"
FOR_A_MINUTE = "public, max-age=60"


@require_safe
def theme(request: HttpRequest, seller_id: str, digest: str) -> HttpResponse:
    """The style sheet that sets the accent; 404 for no such seller."""
    content = brand.theme_of(get_object_or_404(Seller, public_id=seller_id))
    return _kept(content.encode(), "text/css; charset=utf-8", digest == brand.digest(content))


@require_safe
def logo(request: HttpRequest, seller_id: str, digest: str) -> HttpResponse:
    """The logo as PNG; 404 for no such seller, and for one without."""
    seller = get_object_or_404(Seller, public_id=seller_id)
    picture = brand.logo_of(seller)
    if picture is None:
        raise Http404
    return _kept(picture, "image/png", digest == brand.digest(str(seller.logo.name)))


def _kept(content: bytes, content_type: str, is_current: bool) -> HttpResponse:
    caching = FOR_A_YEAR if is_current else FOR_A_MINUTE
    return HttpResponse(content, content_type=content_type, headers={"Cache-Control": caching})
