"""How a seller's mail looks: its logo and its colour, as far as they can be seen and read."""

import base64
import io
import re
from functools import lru_cache

from PIL import Image

from billing.invoicing.sheets import CONTRAST_MIN, INK, luminance, readable
from billing.invoicing.snapshots import LOGO_PREFIX, letterhead_of
from customers.models import Seller

# Twice the pixels of the largest logo in a mail.
LOGO_SIZE_MAX = (440, 96)
DARK_PAPER = "#171b22"


def accent_of(seller: Seller) -> dict[str, str]:
    """The seller's colour as a ground for white words, and in the dark for black ones."""
    colour = seller.accent_color
    colour = colour if re.fullmatch("#[0-9a-fA-F]{6}", colour) else INK
    return {"light": readable(colour), "dark": readable_in_the_dark(colour)}


@lru_cache
def readable_in_the_dark(colour: str) -> str:
    """The colour, lightened until it stands out from dark paper: 4.5 to 1."""
    paper = luminance(_channels(DARK_PAPER))
    for hundredths in range(0, 101, 2):
        lighter = [value + (255 - value) * hundredths // 100 for value in _channels(colour)]
        if (luminance(lighter) + 0.05) / (paper + 0.05) >= CONTRAST_MIN:
            return "#" + "".join(f"{value:02x}" for value in lighter)
    return "#ffffff"


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def logo_of(seller: Seller) -> bytes:
    """The logo as a small PNG; empty where there is none that can be read."""
    return _small(letterhead_of(seller).get("logo", ""))


@lru_cache(maxsize=64)
def _small(encoded: str) -> bytes:
    if not encoded.startswith(LOGO_PREFIX):
        return b""
    with Image.open(io.BytesIO(base64.b64decode(encoded[len(LOGO_PREFIX) :]))) as picture:
        picture.thumbnail(LOGO_SIZE_MAX)
        smaller = io.BytesIO()
        picture.save(smaller, "PNG", optimize=True)
    return smaller.getvalue()
