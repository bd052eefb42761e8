import re

import pytest
from django.test import Client

from portal.brand import accents_of, contrast, theme_url
from portal.views.brand import FOR_A_YEAR
from tests.factories import SellerFactory

PALE_YELLOW, PURE_BLUE = "#ffee88", "#0000ff"
LIGHT_GROUNDS = ("#ffffff", "#f6f7f9")
DARK_GROUNDS = ("#0f1217", "#171b22")


@pytest.mark.parametrize(
    "color", [PALE_YELLOW, PURE_BLUE, "#a34a24", "#00ff00", "#ff0000", "#7f7f7f", "#14171f", "red"]
)
def test_a_sellers_colour_can_be_read_on_every_ground(color: str) -> None:
    light, dark = accents_of(color)
    assert all(contrast(light, ground) >= 4.5 for ground in LIGHT_GROUNDS)
    assert all(contrast(dark, ground) >= 4.5 for ground in DARK_GROUNDS)
    assert contrast(light, "#ffffff") >= 4.5
    assert contrast(dark, "#0f1217") >= 4.5


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    assert accents_of("#1d5fbf")[0] == "#1d5fbf"


@pytest.mark.django_db
def test_the_colours_come_as_a_style_sheet_that_browsers_keep(client: Client) -> None:
    seller = SellerFactory(accent_color="#a34a24")
    old = client.get(f"/portal/theme/{seller.public_id}-0123456789ab.css")
    assert old.headers["Cache-Control"] == "public, max-age=60"
    assert re.fullmatch(
        rb":root \{ --accent: light-dark\(#a34a24, #[0-9a-f]{6}\); \}\n", old.content
    )
    assert old.headers["Content-Type"] == "text/css; charset=utf-8"
    assert client.get("/portal/theme/sel_nobody-0123456789ab.css").status_code == 404

    assert client.get(theme_url(seller)).headers["Cache-Control"] == FOR_A_YEAR
    seller.accent_color = "#1d5fbf"
    assert theme_url(seller) != old.request["PATH_INFO"]


@pytest.mark.django_db
def test_a_seller_without_a_logo_has_none(client: Client) -> None:
    seller = SellerFactory()
    assert client.get(f"/portal/logo/{seller.public_id}-0123456789ab.png").status_code == 404
