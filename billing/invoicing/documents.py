"""A finalized document in words: every figure, date and reason written out in its language.

``document_in_words`` reads the document's own rows and snapshots, never the seller or customer of
today, and returns strings and lists alone. Templates lay them out and decide nothing.
"""

import copy
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import NumberPattern
from django.utils import translation
from django.utils.translation import pgettext

from billing.engine.money import exponent, to_major
from billing.invoicing.models import Invoice, InvoiceLine
from billing.invoicing.snapshots import LOGO_PREFIX

INK = "#14171f"
# English dates and figures as Europe writes them: 3 March 2026, SEK 1,234.50.
_LOCALES = {"sv": "sv_SE", "en": "en_GB"}
_NO_BREAK = "\N{NO-BREAK SPACE}"
# In English Babel writes a hyphen, which is half as wide and easily overlooked.
_MINUS = "\N{MINUS SIGN}"
_LETTER_BESIDE_FIGURE = re.compile(r"(?<=[^\W\d_])(?=\d)")
_CHARGES = (InvoiceLine.Kind.RECURRING, InvoiceLine.Kind.USAGE, InvoiceLine.Kind.MINIMUM)
# What the totals say instead of the table of lines.
_SUMMED_UP = (InvoiceLine.Kind.DISCOUNT, InvoiceLine.Kind.ROUNDING)


def document_in_words(invoice: Invoice) -> dict[str, Any]:
    """Everything that a document shows, in three queries (lines, taxes, letterhead).

    Amounts are written with the currency's decimals, dates in full, both in ``invoice.language``,
    which must be active (:func:`in_its_language`) since headings are translated too.
    """
    write = Writer(invoice.language, invoice.currency)
    lines = list(invoice.lines.select_related("corrects__invoice").order_by("position"))
    seller, buyer = invoice.letterhead.content, invoice.bill_to
    return {
        "language": invoice.language,
        "is_credit_note": invoice.kind == Invoice.Kind.CREDIT_NOTE,
        "number": invoice.number or pgettext("document", "Draft"),
        "seller": _seller(seller),
        "buyer": {
            "name": buyer.get("name", ""),
            "address": _address(buyer, write, is_abroad=_is_abroad(seller, buyer)),
        },
        "facts": _in_rows(_facts(invoice, lines, write)),
        "corrected": _corrected_numbers(lines),
        "lines": [_line(line, write) for line in lines if line.kind not in _SUMMED_UP],
        "taxes": [
            {
                "category": tax.name or _category(tax.category),
                "percent": write.percent(tax.percent),
                "net": write.amount(tax.net_minor),
                "tax": write.amount(tax.tax_minor),
            }
            for tax in invoice.taxes.order_by("id")
        ],
        "totals": _totals(invoice, lines, write),
        "due": write.money(invoice.amount_due_minor),
        "due_on": write.day(invoice.due_on),
        "is_due": invoice.amount_due_minor > 0,
        "payment": _payment(invoice, write),
        "currency": invoice.currency,
    }


def in_its_language(invoice: Invoice) -> Any:
    """A context in which headings come out in the document's language."""
    return translation.override(invoice.language)


class Writer:
    """Writes figures and dates in one language and one currency."""

    def __init__(self, language: str, currency: str):
        self.locale = _locale(language)
        self.currency, self.decimals = currency, exponent(currency)

    def money(self, minor: int) -> str:
        """Minor units with the currency: ``1 234,50 kr``, ``SEK 1,234.50``."""
        pattern = _money_pattern(self.locale, self.decimals)
        major = to_major(minor, self.currency)
        written = pattern.apply(major, self.locale, self.currency, currency_digits=False)
        return _LETTER_BESIDE_FIGURE.sub(_NO_BREAK, written).replace("-", _MINUS)

    def amount(self, minor: int) -> str:
        """Minor units without the currency, which stands in the head of the column."""
        return self.number(to_major(minor, self.currency), self.decimals)

    def unit_price(self, amount: Decimal) -> str:
        """Major units with at least the currency's decimals, and all that a unit price has."""
        return self.number(amount, self.decimals)

    def number(self, value: Decimal, decimals: int = 0) -> str:
        """A number with so many decimals or more, never rounded."""
        pattern = _number_pattern(self.locale, decimals)
        written = pattern.apply(value, self.locale, decimal_quantization=False)
        return written.replace("-", _MINUS)

    def percent(self, value: Decimal) -> str:
        """``25 %`` in Swedish, ``25%`` in English."""
        space = _NO_BREAK if self.locale.language == "sv" else ""
        return f"{self.number(value)}{space}%"

    def day(self, on: date) -> str:
        """``3 mars 2026``, which stays on one line."""
        return self._date(on, "d MMMM y")

    def period(self, start: date, end: date) -> str:
        """The days of ``[start, end)`` with the last day included: ``1–31 mars 2026``."""
        last = end - timedelta(days=1)
        if last <= start:
            return self.day(start)
        if (start.year, start.month) == (last.year, last.month):
            return f"{start.day}–{self.day(last)}"
        start_pattern = "d MMMM" if start.year == last.year else "d MMMM y"
        return f"{self._date(start, start_pattern)}{_NO_BREAK}–{_NO_BREAK}{self.day(last)}"

    def _date(self, on: date, pattern: str) -> str:
        return format_date(on, pattern, locale=self.locale).replace(" ", _NO_BREAK)

    def country(self, code: str) -> str:
        return self.locale.territories.get(code, code)


@lru_cache
def _locale(language: str) -> Locale:
    return Locale.parse(_LOCALES.get(language, "en_GB"))


@lru_cache
def _money_pattern(locale: Locale, decimals: int) -> NumberPattern:
    # CLDR's own decimals are those of shop counters, not ISO 4217's that the books have.
    pattern = copy.copy(locale.currency_formats["standard"])
    pattern.frac_prec = (decimals, decimals)
    return pattern


@lru_cache
def _number_pattern(locale: Locale, decimals: int) -> NumberPattern:
    pattern = copy.copy(locale.decimal_formats[None])
    pattern.frac_prec = (decimals, decimals)
    return pattern


def _seller(content: dict[str, Any]) -> dict[str, Any]:
    """The letterhead for the page, with what could do more than be read taken out."""
    logo, accent = str(content.get("logo", "")), str(content.get("accent", ""))
    return {
        **content,
        "legal_name": content.get("legal_name") or content.get("name", ""),
        "address": _address(content),
        "logo": logo if logo.startswith(LOGO_PREFIX) else "",
        "accent": accent if re.fullmatch("#[0-9a-fA-F]{6}", accent) else INK,
    }


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


def _facts(invoice: Invoice, lines: Sequence[InvoiceLine], write: Writer) -> list[tuple[str, str]]:
    """What stands in the strip above the lines: label and value."""
    buyer = invoice.bill_to
    is_invoice = invoice.kind == Invoice.Kind.INVOICE
    facts = [
        (
            pgettext("document", "Invoice date") if is_invoice else pgettext("document", "Date"),
            write.day(invoice.issued_on),
        )
    ]
    if is_invoice:
        facts.append((pgettext("document", "Due date"), write.day(invoice.due_on)))
    spans = [
        (line.starts_on, line.ends_on)
        for line in lines
        if line.kind in _CHARGES and line.starts_on and line.ends_on
    ]
    if spans:
        period = write.period(min(start for start, _ in spans), max(end for _, end in spans))
        facts.append((pgettext("document", "Period"), period))
    if is_invoice and invoice.reference:
        facts.append((pgettext("document", "OCR reference"), in_fours(invoice.reference)))
    for label, key in (
        (pgettext("document", "Customer number"), "external_id"),
        (pgettext("document", "Your VAT number"), "vat"),
        (pgettext("document", "Your organisation number"), "org"),
    ):
        if buyer.get(key):
            facts.append((label, str(buyer[key])))
    return facts


def _in_rows(facts: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Five facts in the first row of the strip, where dates are narrow; the others beneath."""
    return [row for row in (facts[:5], facts[5:]) if row]


def _line(line: InvoiceLine, write: Writer) -> dict[str, Any]:
    period = ""
    if line.starts_on and line.ends_on:
        period = write.period(line.starts_on, line.ends_on)
    return {
        "position": line.position,
        "description": line.description,
        "period": period,
        "quantity": "" if line.quantity is None else write.number(line.quantity),
        "unit_price": "" if line.unit_amount is None else write.unit_price(line.unit_amount),
        "vat": " + ".join(write.percent(Decimal(rate["rate"])) for rate in line.tax),
        "amount": write.amount(line.amount_minor),
        "reasons": list(_reasons(line, write)),
    }


def _reasons(line: InvoiceLine, write: Writer) -> Iterable[str]:
    """Why the amount is what it is, in the order in which one asks."""
    if line.corrects is not None:
        yield pgettext("document", "Corrects invoice %(number)s, line %(position)s") % {
            "number": line.corrects.invoice.number,
            "position": line.corrects.position,
        }
    tiers = line.tiers or []
    if len(tiers) > 1 or any(Decimal(tier["flat_amount"]) for tier in tiers):
        yield " + ".join(term for tier in tiers for term in _terms(tier, write))
    # Usage costs what it costs however short the part; only its flat amounts follow the days.
    follows_days = line.kind != InvoiceLine.Kind.USAGE or any(
        Decimal(tier["flat_amount"]) for tier in tiers
    )
    if line.days and line.of_days and line.days < line.of_days and follows_days:
        yield pgettext("document", "%(days)s of %(of_days)s days") % {
            "days": line.days,
            "of_days": line.of_days,
        }
    if line.discount_minor:
        off = write.money(-line.discount_minor)
        yield pgettext("document", "Discount %(amount)s") % {"amount": off}


def _terms(tier: dict[str, Any], write: Writer) -> Iterable[str]:
    quantity, flat = Decimal(tier["quantity"]), Decimal(tier["flat_amount"])
    if quantity:
        yield (
            f"{write.number(quantity)}{_NO_BREAK}×{_NO_BREAK}"
            f"{write.unit_price(Decimal(tier['unit_amount']))}"
        )
    if flat:
        yield write.unit_price(flat)


def _corrected_numbers(lines: Iterable[InvoiceLine]) -> str:
    """The invoices that a document corrects, each once (EN 16931 BT-25)."""
    numbers = {str(line.corrects.invoice.number): None for line in lines if line.corrects}
    return ", ".join(numbers)


def _category(code: str) -> str:
    """An EN 16931 VAT category in words; a code that is not known stands as it is."""
    return {
        "S": pgettext("document", "VAT"),
        "Z": pgettext("document", "Zero rate"),
        "E": pgettext("document", "Exempt from VAT"),
        "AE": pgettext("document", "Reverse charge"),
        "K": pgettext("document", "Intra-community supply"),
        "G": pgettext("document", "Export"),
        "O": pgettext("document", "Outside the scope of VAT"),
    }.get(code, code)


def _totals(invoice: Invoice, lines: Sequence[InvoiceLine], write: Writer) -> list[tuple[str, str]]:
    """From the sum of the lines to the total: label and amount, without rows that say nothing."""
    rows = []
    if invoice.subtotal_minor != invoice.net_minor:
        is_inclusive = any(rate.get("inclusive") for line in lines for rate in line.tax)
        label = (
            pgettext("document", "Subtotal including VAT")
            if is_inclusive
            else pgettext("document", "Subtotal")
        )
        rows.append((label, write.amount(invoice.subtotal_minor)))
    rows += _discounts(invoice, lines, write)
    rows.append((pgettext("document", "Total excluding VAT"), write.amount(invoice.net_minor)))
    rows.append((pgettext("document", "VAT"), write.amount(invoice.tax_minor)))
    if invoice.rounding_minor:
        rows.append((pgettext("document", "Rounding"), write.amount(invoice.rounding_minor)))
    if invoice.credit_applied_minor:
        rows.append((pgettext("document", "Total"), write.amount(invoice.total_minor)))
        taken = write.amount(-invoice.credit_applied_minor)
        rows.append((pgettext("document", "Paid from your balance"), taken))
    return rows


def _discounts(
    invoice: Invoice, lines: Sequence[InvoiceLine], write: Writer
) -> list[tuple[str, str]]:
    """The document's discount, by name where lines of that kind say whose it was."""
    if not invoice.discount_minor:
        return []
    named = [line for line in lines if line.kind == InvoiceLine.Kind.DISCOUNT]
    if sum(abs(line.amount_minor) for line in named) == abs(invoice.discount_minor):
        sign = -1 if invoice.discount_minor > 0 else 1
        return [(line.description, write.amount(sign * abs(line.amount_minor))) for line in named]
    return [(pgettext("document", "Discount"), write.amount(-invoice.discount_minor))]


def _payment(invoice: Invoice, write: Writer) -> dict[str, Any]:
    """How to pay: ``rows`` of key, label and value; or ``sentence``, which tells who need not."""
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        return {"sentence": _where_credit_goes(invoice)}
    if not invoice.amount_due_minor:
        return {"sentence": pgettext("document", "There is nothing to pay.")}
    amount = write.money(invoice.amount_due_minor)
    if invoice.bill_to.get("auto"):
        sentence = pgettext(
            "document",
            "We take %(amount)s from your saved payment method. You do not need to do anything.",
        )
        return {"sentence": sentence % {"amount": amount}}
    seller = invoice.letterhead.content
    to = [
        ("account", pgettext("document", "Bankgiro"), seller.get("bankgiro", "")),
        ("account", pgettext("document", "Plusgiro"), seller.get("plusgiro", "")),
        ("iban", pgettext("document", "IBAN"), in_fours(seller.get("iban", ""))),
        ("account", pgettext("document", "BIC"), seller.get("bic", "")),
    ]
    what = [
        ("reference", pgettext("document", "OCR reference"), in_fours(invoice.reference)),
        ("amount", pgettext("document", "To pay"), amount),
        ("date", pgettext("document", "Due date"), write.day(invoice.due_on)),
    ]
    rows = (
        [(key, label, value.replace(" ", _NO_BREAK)) for key, label, value in row if value]
        for row in (to, what)
    )
    return {"rows": [row for row in rows if row]}


def _where_credit_goes(invoice: Invoice) -> str:
    if invoice.credit_to == Invoice.CreditTo.BALANCE:
        return pgettext(
            "document",
            "The amount first lowers what is unpaid on the corrected invoice. The rest is kept on "
            "your balance and pays your next invoice.",
        )
    if invoice.credit_to == Invoice.CreditTo.REFUND:
        return pgettext(
            "document",
            "The amount first lowers what is unpaid on the corrected invoice. We pay the rest back "
            "to you.",
        )
    return pgettext("document", "The amount lowers what is unpaid on the corrected invoice.")


def in_fours(characters: str) -> str:
    """Groups of four, as one reads a long number: ``1001 69``."""
    plain = re.sub(r"\s", "", characters)
    return _NO_BREAK.join(plain[at : at + 4] for at in range(0, len(plain), 4))
