"""How a seller looks on its customers' pages: its logo, and its colour where text can be read."""

import base64
import hashlib
from typing import Final

from django.urls import reverse

from billing.invoicing.sheets import CONTRAST_MIN, luminance
from billing.invoicing.snapshots import LOGO_PREFIX, letterhead_of
from customers.models import Seller

type Rgb = tuple[int, int, int]

# The grounds of portal.css on which an accent is hardest to read, and the text on the accent.
LIGHT_GROUND: Final = "#f6f7f9"
DARK_GROUND: Final = "#1d222b"
LIGHT_INK, DARK_INK = "#14171f", "#e9ecf1"
# Channels closer to each other than this are a grey, which is no colour to recognize.
GREY_SPREAD_MAX: Final = 24
STEPS: Final = 50


def accents_of(color: str) -> tuple[str, str]:
    """A seller's colour on light and on dark grounds, where its text has a contrast of 4.5:1.

    It is mixed with black, or white, only as far as that takes. Greys become the ink, and so does
    what is no colour such as ``#1d5fbf``.
    """
    try:
        rgb = _rgb(color)
    except ValueError:
        return LIGHT_INK, DARK_INK
    if max(rgb) - min(rgb) < GREY_SPREAD_MAX:
        return LIGHT_INK, DARK_INK
    return _readable(rgb, LIGHT_GROUND, (0, 0, 0)), _readable(rgb, DARK_GROUND, (255, 255, 255))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21, as WCAG defines it."""
    light, dark = sorted((luminance(_rgb(one)), luminance(_rgb(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def theme_of(seller: Seller | None) -> str:
    """The style sheet with a seller's colours; of nobody's, the ink's."""
    light, dark = accents_of(seller.accent_color if seller else "")
    return f":root {{ --accent: light-dark({light}, {dark}); }}\n"


def theme_url(seller: Seller) -> str:
    """Where the style sheet is; another address once the colour is another."""
    return reverse("portal:theme", args=[seller.public_id, digest(theme_of(seller))])


def logo_url(seller: Seller) -> str:
    """Where the logo is, empty without one; another address once the file is another."""
    if not seller.logo:
        return ""
    return reverse("portal:logo", args=[seller.public_id, digest(str(seller.logo.name))])


def logo_of(seller: Seller) -> bytes | None:
    """The logo as PNG, encoded anew, so that no more than its pixels is served."""
    encoded = letterhead_of(seller).get("logo", "")
    return base64.b64decode(encoded.removeprefix(LOGO_PREFIX)) if encoded else None


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _readable(rgb: Rgb, ground: str, towards: Rgb) -> str:
    for step in range(STEPS + 1):
        mixed = _hex(
            tuple(
                (a * (STEPS - step) + b * step) // STEPS for a, b in zip(rgb, towards, strict=True)
            )
        )
        if contrast(mixed, ground) >= CONTRAST_MIN:
            return mixed
    raise AssertionError("black and white can be read on every ground")


def _rgb(color: str) -> Rgb:
    if len(color) != 7 or not color.startswith("#"):
        raise ValueError(f"{color!r} is no colour such as #1d5fbf.")
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _hex(rgb: tuple[int, ...]) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in rgb)
