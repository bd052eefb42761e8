"""What operators type and see on the pages of coupons and sellers."""

import io
import re
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from billing.base.guard_words import GUARD_WORDS
from catalog.models import Coupon
from customers.models import Seller
from tests.admin.shown import url
from tests.admin.test_refusals import errors_of, sent_by
from tests.factories import CouponFactory, SellerFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("currency", "typed", "minor"),
    [("SEK", "49.50", 4950), ("JPY", "500", 500), ("KWD", "1", 1000)],
)
def test_the_amount_of_a_coupon_is_typed_in_major_units_and_shown_so_again(
    anna: Client, currency: str, typed: str, minor: int
) -> None:
    coupon = CouponFactory()
    address = url(Coupon, "change", coupon.pk)
    sent = {"percent_off": "", "amount_off_minor": typed, "currency": currency}
    assert sent_by(anna, address, **sent).status_code == 302
    coupon.refresh_from_db()
    assert (coupon.amount_off_minor, coupon.currency) == (minor, currency)
    shown = anna.get(address).context["adminform"].form["amount_off_minor"].value()
    assert Decimal(shown) == Decimal(typed)
    # A second save changes nothing of it.
    assert sent_by(anna, address, name="Renamed").status_code == 302
    coupon.refresh_from_db()
    assert (coupon.amount_off_minor, coupon.name) == (minor, "Renamed")


@pytest.mark.parametrize(
    ("sent", "field", "reason"),
    [
        ({"amount_off_minor": "1.005", "currency": "SEK"}, "amount_off_minor", "decimals of SEK"),
        ({"amount_off_minor": "1.5", "currency": "JPY"}, "amount_off_minor", "decimals of JPY"),
        ({"amount_off_minor": "50", "currency": ""}, "currency", "Choose the currency"),
        ({"amount_off_minor": "9" * 15, "currency": "SEK"}, "amount_off_minor", "can count"),
        ({"amount_off_minor": "-5", "currency": "SEK"}, "__all__", "an amount above 0"),
    ],
)
def test_an_amount_that_the_currency_cannot_pay_is_refused(
    anna: Client, sent: dict[str, Any], field: str, reason: str
) -> None:
    coupon = CouponFactory()
    answer = sent_by(anna, url(Coupon, "change", coupon.pk), percent_off="", **sent)
    assert reason in " ".join(errors_of(answer)[field])
    coupon.refresh_from_db()
    assert coupon.amount_off_minor is None


def test_a_coupon_with_percent_and_amount_is_refused_on_its_page(anna: Client) -> None:
    address = url(Coupon, "change", CouponFactory().pk)
    answer = sent_by(anna, address, amount_off_minor="50", currency="SEK")
    assert errors_of(answer) == {"__all__": [GUARD_WORDS["coupon_is_percent_or_amount"]]}


def test_the_logo_on_the_page_of_a_seller_can_be_seen(
    anna: Client, settings: Any, tmp_path: Any
) -> None:
    settings.MEDIA_ROOT = tmp_path
    picture = io.BytesIO()
    Image.new("RGB", (40, 20), "#336699").save(picture, "PNG")
    seller = SellerFactory(logo=SimpleUploadedFile("logo.png", picture.getvalue()))
    page = anna.get(url(Seller, "change", seller.pk)).content.decode()
    (address,) = re.findall(r'<img src="([^"]*)" alt="Image preview"', page)
    shown = anna.get(address)
    assert (shown.status_code, shown["Content-Type"]) == (200, "image/png")
    linked = re.findall(r'<a href="(/portal/logo/[^"]*)"', page)
    assert linked and {*linked} == {address}
