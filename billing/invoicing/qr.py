"""The square that a bank's app reads from an invoice, so that nobody types an OCR reference.

Euro to an IBAN: the European Payments Council's EPC069-12. Kronor to a bankgiro, plusgiro or IBAN:
UsingQR, which Swedish banks read. For anything else there is no code that an app would understand.
"""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import segno
from stdnum import iban, luhn

from billing.engine.money import major_string

# What EPC069-12 allows, in cents.
_EPC_MAX_MINOR = 99_999_999_999
_EPC_NAME_MAX = 70


@dataclass(frozen=True, slots=True)
class Demand:
    """What is to be paid, by when, under which reference, and the seller's letterhead."""

    seller: dict[str, Any]
    currency: str
    amount_minor: int
    reference: str
    issued_on: date
    due_on: date


def payload_of(demand: Demand) -> str:
    """What the code says; empty where no app would know what to do with it."""
    if demand.amount_minor <= 0:
        return ""
    if demand.currency == "EUR":
        return _epc(demand)
    if demand.currency == "SEK":
        return _using_qr(demand)
    return ""


def picture_of(text: str) -> str:
    """The code as a ``data:`` address of a PNG, without the quiet zone; empty for no text.

    A picture and not a vector: its thousand edges would take a tenth of the time of a page.
    """
    if not text:
        return ""
    code = segno.make_qr(text, error="m", encoding="utf-8", boost_error=False)
    return str(code.png_data_uri(scale=4, border=0))


def _epc(demand: Demand) -> str:
    account = str(demand.seller.get("iban", ""))
    if not iban.is_valid(account) or demand.amount_minor > _EPC_MAX_MINOR:
        return ""
    lines = [
        "BCD",
        "002",
        "1",  # UTF-8
        "SCT",
        _one_line(demand.seller.get("bic", "")),
        _name(demand)[:_EPC_NAME_MAX],
        iban.compact(account),
        f"EUR{major_string(demand.amount_minor, 'EUR')}",
        "",  # A purpose, which nobody reads.
        "",  # A structured reference would have to be of ISO 11649, which an OCR reference is not.
        demand.reference,
    ]
    return "\n".join(lines)


def _using_qr(demand: Demand) -> str:
    account = _swedish_account(demand.seller)
    if account is None or not demand.reference:
        return ""
    means, number = account
    fields = {
        "uqr": "1",
        "tp": "1",  # An invoice.
        "nme": _quoted(_name(demand)),
        "cc": _quoted(demand.seller.get("country", "")),
        "cid": _quoted(demand.seller.get("org", "")),
        "iref": _quoted(demand.reference),
        "idt": _quoted(f"{demand.issued_on:%Y%m%d}"),
        "ddt": _quoted(f"{demand.due_on:%Y%m%d}"),
        "due": major_string(demand.amount_minor, "SEK"),
        "cur": _quoted("SEK"),
        "pt": _quoted(means),
        "acc": _quoted(number),
        "bc": _quoted(demand.seller.get("bic", "") if means == "IBAN" else ""),
    }
    said = [f'"{key}":{value}' for key, value in fields.items() if value != '""']
    return f"{{{','.join(said)}}}"


def _swedish_account(seller: dict[str, Any]) -> tuple[str, str] | None:
    """How the seller is paid in kronor: the first of bankgiro, plusgiro and IBAN that is valid."""
    for means, key, lengths in (("BG", "bankgiro", (7, 8)), ("PG", "plusgiro", range(2, 9))):
        written = str(seller.get(key, ""))
        digits = written.replace("-", "").replace(" ", "")
        if digits.isascii() and digits.isdigit() and len(digits) in lengths:
            if luhn.is_valid(digits):
                return means, written.replace(" ", "")
    account = str(seller.get("iban", ""))
    return ("IBAN", iban.compact(account)) if iban.is_valid(account) else None


def _name(demand: Demand) -> str:
    return _one_line(demand.seller.get("legal_name") or demand.seller.get("name", ""))


def _one_line(text: str) -> str:
    return " ".join(str(text).split())


def _quoted(text: str) -> str:
    return json.dumps(str(text), ensure_ascii=False)
