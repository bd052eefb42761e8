"""What all sheets of paper share: the letterhead, the address, the figure that matters."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from billing.invoicing.snapshots import LOGO_PREFIX
from billing.invoicing.writing import Writer, in_fours

INK = "#14171f"
CONTRAST_MIN = 4.5
# A figure with more characters is set smaller, so that it stays on one line.
AMOUNT_LENGTH_MAX = 15


def sheet(letterhead: dict[str, Any], bill_to: dict[str, Any], write: Writer) -> dict[str, Any]:
    """What every sheet of paper shows, of what was kept of its seller and its customer."""
    return {
        "language": write.locale.language,
        "seller": _seller(letterhead),
        "buyer": _buyer(
            bill_to, _address(bill_to, write, is_abroad=_is_abroad(letterhead, bill_to))
        ),
    }


def _buyer(bill_to: dict[str, Any], address: list[str]) -> dict[str, Any]:
    """Name and address, and the size in which all of it fits: none of it may be left out.

    The law wants all of both on the sheet (directive 2006/112/EC article 226(5)). An address that
    is longer than the window of an envelope is set smaller; one that no size fits into it goes on
    below, where the sheet makes room.
    """
    name = str(bill_to.get("name", ""))
    size = next(
        (size for size, (width, most) in _SIZES.items() if _rows([name, *address], width) <= most),
        "smallest",
    )
    return {"name": name, "address": address, "size": size}


# How many letters a row has, and how many rows the window has, in each size.
_SIZES = {"": (40, 6), "small": (50, 8), "smaller": (60, 10)}


def _rows(lines: Sequence[str], width: int) -> int:
    """How many rows some lines take; letters of East Asia are as wide as two."""
    return sum(-(-max(sum(map(_wide, line)), 1) // width) for line in lines)


def _wide(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def head(name: str, number: str, label: str, amount: str, note: str) -> dict[str, Any]:
    """The right of the first page: what this is, and the one figure that matters, with its day."""
    return {
        "name": name,
        "number": number,
        "label": label,
        "amount": amount,
        "is_long": len(amount) > AMOUNT_LENGTH_MAX,
        "note": note,
    }


def _seller(content: dict[str, Any]) -> dict[str, Any]:
    """The letterhead for the page, with what could do more than be read taken out."""
    logo, accent = str(content.get("logo", "")), str(content.get("accent", ""))
    accent = accent if re.fullmatch("#[0-9a-fA-F]{6}", accent) else INK
    return {
        **content,
        "legal_name": content.get("legal_name") or content.get("name", ""),
        "address": _address(content),
        "logo": logo if logo.startswith(LOGO_PREFIX) else "",
        "accent": accent,
        "accent_text": readable(accent),
        "iban": in_fours(str(content.get("iban", ""))),
    }


@lru_cache
def readable(colour: str) -> str:
    """The colour, such as ``#f2c200``, darkened until text in it can be read on white: 4.5 to 1."""
    channels = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    for hundredths in range(100, 0, -2):
        darker = [channel * hundredths // 100 for channel in channels]
        if 1.05 / (luminance(darker) + 0.05) >= CONTRAST_MIN:
            return "#" + "".join(f"{channel:02x}" for channel in darker)
    return INK


def luminance(channels: Sequence[int]) -> float:
    """Relative luminance of sRGB channels, 0 for black and 1 for white (WCAG 2)."""
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in channels)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _address(
    party: dict[str, Any], write: Writer | None = None, *, is_abroad: bool = False
) -> list[str]:
    place = " ".join(filter(None, (party.get("postal_code"), party.get("city"))))
    lines = [party.get("line1"), party.get("line2"), place]
    if write and is_abroad:
        lines.append(write.country(party.get("country", "")))
    return [line for line in lines if line]


def _is_abroad(seller: dict[str, Any], buyer: dict[str, Any]) -> bool:
    return buyer.get("country") != seller.get("country")
