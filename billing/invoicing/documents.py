"""A finalized document in words: every figure, date and reason written out in its language.

``document_in_words`` reads the document's own rows and snapshots, never the seller or customer of
today, and returns strings and lists alone. Templates lay them out and decide nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Any

from django.utils import translation
from django.utils.translation import pgettext

from billing.engine.supply import Reason
from billing.invoicing import abroad, hooks, qr
from billing.invoicing.models import Invoice, InvoiceLine, InvoiceTax
from billing.invoicing.sheets import head, sheet
from billing.invoicing.writing import NO_BREAK, Writer, in_fours

_CHARGES = (InvoiceLine.Kind.RECURRING, InvoiceLine.Kind.USAGE, InvoiceLine.Kind.MINIMUM)
# What the totals say instead of the table of lines.
_SUMMED_UP = (InvoiceLine.Kind.DISCOUNT, InvoiceLine.Kind.ROUNDING)


def document_in_words(invoice: Invoice, language: str = "") -> dict[str, Any]:
    """Everything that a document shows, in three queries (lines, taxes, letterhead).

    Amounts are written with the currency's decimals, dates in full, both in ``language`` or else
    ``invoice.language``, which must be active (:func:`in_its_language`) since headings are
    translated too.
    """
    write = Writer(language or invoice.language, invoice.currency)
    lines = list(invoice.lines.select_related("corrects__invoice").order_by("position"))
    taxes = list(invoice.taxes.order_by("id"))
    shown = [line for line in lines if line.kind not in _SUMMED_UP]
    carried = list(accumulate((line.amount_minor for line in shown), initial=0))
    return {
        **sheet(invoice.letterhead.content, invoice.bill_to, write),
        "head": _head(invoice, lines, write),
        "stamp": _stamp(invoice),
        "facts": _facts(invoice, lines, write),
        "is_credit_note": invoice.kind == Invoice.Kind.CREDIT_NOTE,
        "lines": [
            _line(line, write) | _carried(before, after, write)
            for line, (before, after) in zip(shown, pairwise(carried), strict=True)
        ],
        "carried": _carried(carried[-1], 0, write),
        "taxes": [
            {
                "category": _tax_in_words(tax, write),
                "percent": write.percent(tax.percent),
                "net": write.amount(tax.net_minor),
                "tax": write.amount(tax.tax_minor),
            }
            for tax in taxes
        ],
        "notes": _notes(taxes, invoice.bill_to.get("supply", {})),
        "totals": _totals(invoice, lines, write),
        "payment": _payment(invoice, write),
        "currency": invoice.currency,
    }


def in_its_language(invoice: Invoice) -> Any:
    """A context in which headings come out in the document's language."""
    return translation.override(invoice.language)


def _head(invoice: Invoice, lines: Sequence[InvoiceLine], write: Writer) -> dict[str, Any]:
    number = invoice.number or pgettext("document", "Draft")
    amount = write.money(invoice.left_minor)
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        name, label = pgettext("document", "Credit note"), pgettext("document", "In your favour")
        corrected = _corrected(lines, write)
        note = pgettext("document", "Corrects invoice %(invoices)s") % {"invoices": corrected}
        return head(name, number, label, amount, note if corrected else "")
    name, label = pgettext("document", "Invoice"), pgettext("document", "To pay")
    return head(name, number, label, amount, _when(invoice, write))


def _when(invoice: Invoice, write: Writer) -> str:
    """Beneath the figure: by when it is to be paid, or why it need not be."""
    if invoice.status == Invoice.Status.VOID:
        return pgettext("document", "This invoice is void")
    if invoice.status == Invoice.Status.PAID and invoice.paid_minor and invoice.closed_on:
        return pgettext("document", "Paid on %(day)s") % {"day": write.day(invoice.closed_on)}
    if not invoice.left_minor:
        return ""
    if _is_charged(invoice):
        return pgettext("document", "Taken from your card")
    return pgettext("document", "by %(due_on)s") % {"due_on": write.day(invoice.due_on)}


def _is_charged(invoice: Invoice) -> bool:
    """Whether it may say that its reader need not do anything: where a card will be charged."""
    return bool(invoice.bill_to.get("auto")) and all(
        promises(invoice) for promises in hooks.charge_promises
    )


def _stamp(invoice: Invoice) -> str:
    """Across every page of what must not be paid."""
    if invoice.status == Invoice.Status.DRAFT:
        return pgettext("document", "Draft")
    if invoice.status == Invoice.Status.VOID:
        return pgettext("document", "Void")
    return ""


def _facts(invoice: Invoice, lines: Sequence[InvoiceLine], write: Writer) -> list[tuple[str, str]]:
    """Beneath the figure: label and value."""
    # A number that decided on the tax stands there, though the customer have another one by now.
    buyer = invoice.bill_to | _number_in(invoice.bill_to.get("supply", {}))
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
        (pgettext("document", "Your reference"), "buyer_reference"),
        (pgettext("document", "Customer number"), "external_id"),
        (pgettext("document", "Your VAT number"), "vat"),
        (pgettext("document", "Your organisation number"), "org"),
    ):
        if buyer.get(key):
            facts.append((label, str(buyer[key])))
    if not is_invoice and invoice.reason:
        facts.append((pgettext("document", "Reason"), invoice.reason))
    return facts


def _number_in(supply: Mapping[str, Any]) -> dict[str, str]:
    return {"vat": supply["vat"]} if "vat" in supply else {}


def _carried(before_minor: int, after_minor: int, write: Writer) -> dict[str, str]:
    """The sums of the lines above and including this one, for where a page happens to break."""
    brought, carried = (
        pgettext("document", "Brought forward"),
        pgettext("document", "Carried forward"),
    )
    return {
        "before": f"{brought} {write.amount(before_minor)}" if before_minor else "",
        "after": f"{carried} {write.amount(after_minor)}" if after_minor else "",
    }


def explained(line: InvoiceLine, write: Writer) -> str:
    """Of which days a line is, and why its amount is what it is; empty where all is said."""
    return " · ".join(filter(None, (_period(line, write), *_reasons(line, write))))


def _line(line: InvoiceLine, write: Writer) -> dict[str, Any]:
    return {
        "position": line.position,
        "description": line.description,
        "explained": explained(line, write),
        "quantity": "" if line.quantity is None else write.quantity(line.quantity, line.unit),
        "unit_price": "" if line.unit_amount is None else write.unit_price(line.unit_amount),
        "vat": " + ".join(write.percent(Decimal(rate["rate"])) for rate in line.tax),
        "amount": write.amount(line.amount_minor),
        "corrects": _corrects(line),
    }


def _period(line: InvoiceLine, write: Writer) -> str:
    if line.starts_on and line.ends_on:
        return write.period(line.starts_on, line.ends_on)
    return ""


def _corrects(line: InvoiceLine) -> str:
    if line.corrects is None:
        return ""
    return pgettext("document", "Corrects invoice %(number)s, line %(position)s") % {
        "number": line.corrects.invoice.number,
        "position": line.corrects.position,
    }


def _reasons(line: InvoiceLine, write: Writer) -> Iterable[str]:
    """Why the amount is what it is, in the order in which one asks."""
    # Usage costs what it costs however short the part; only its flat amounts follow the days.
    tiers = line.tiers or []
    has_flat = any(Decimal(tier["flat_amount"]) for tier in tiers)
    follows_days = line.kind != InvoiceLine.Kind.USAGE or has_flat
    if line.days and line.of_days and line.days < line.of_days and follows_days:
        yield _days(line)
    if len(tiers) > 1 or has_flat:
        yield " + ".join(term for tier in tiers for term in _terms(tier, line.unit, write))
    if line.discount_minor:
        off = write.money(-line.discount_minor)
        yield pgettext("document", "Discount %(amount)s") % {"amount": off}


def _days(line: InvoiceLine) -> str:
    days = {"days": line.days, "of_days": line.of_days}
    if line.kind == InvoiceLine.Kind.CREDIT:
        said = pgettext("document", "%(days)s of %(of_days)s days credited") % days
    else:
        said = pgettext("document", "%(days)s of %(of_days)s days") % days
    return said.replace(" ", NO_BREAK)


def _terms(tier: dict[str, Any], unit: str, write: Writer) -> Iterable[str]:
    quantity, flat = Decimal(tier["quantity"]), Decimal(tier["flat_amount"])
    if quantity:
        yield (
            f"{write.quantity(quantity, unit)}{NO_BREAK}×{NO_BREAK}"
            f"{write.unit_price(Decimal(tier['unit_amount']))}"
        )
    if flat:
        yield write.unit_price(flat)


def _corrected(lines: Iterable[InvoiceLine], write: Writer) -> str:
    """The invoices that a document corrects, each once with its day (EN 16931 BT-25, BT-26)."""
    invoices = {line.corrects.invoice_id: line.corrects.invoice for line in lines if line.corrects}
    return ", ".join(f"{one.number} ({write.day(one.issued_on)})" for one in invoices.values())


def _notes(taxes: Iterable[InvoiceTax], supply: Mapping[str, Any]) -> list[str]:
    """Why there is no VAT, in the words that the directive asks for, each once (BT-120)."""
    outside = (
        pgettext(
            "document", "Outside the scope of EU VAT, Articles 58 and 59 Directive 2006/112/EC."
        )
        if Reason.CONSUMER_OUTSIDE_EU in supply.get("reasons", ())
        else pgettext("document", "Outside the scope of EU VAT, Article 44 Directive 2006/112/EC.")
    )
    said = {
        "AE": pgettext("document", "Reverse charge, Article 196 Directive 2006/112/EC."),
        "K": pgettext("document", "Intra-community supply, Article 138 Directive 2006/112/EC."),
        "G": pgettext("document", "Export, Article 146 Directive 2006/112/EC."),
        "O": outside,
    }
    return [said[code] for code in dict.fromkeys(tax.category for tax in taxes) if code in said]


def _tax_in_words(tax: InvoiceTax, write: Writer) -> str:
    """What a tax is called; one of another country by that country's name."""
    country = abroad.country_of(tax.name)
    if country:
        return pgettext("document", "VAT, %(country)s") % {"country": write.country(country)}
    return tax.name or _category(tax.category)


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
    spared_minor = invoice.subtotal_minor - invoice.discount_minor - invoice.net_minor
    if spared_minor and not invoice.tax_minor:
        rows.append((pgettext("document", "VAT that is not charged"), write.amount(-spared_minor)))
    rows.append((pgettext("document", "Total excluding VAT"), write.amount(invoice.net_minor)))
    rows.append((pgettext("document", "VAT"), write.amount(invoice.tax_minor)))
    if invoice.rounding_minor:
        rows.append((pgettext("document", "Rounding"), write.amount(invoice.rounding_minor)))
    less = [
        (
            pgettext("document", "Paid from your balance"),
            invoice.credit_applied_minor + invoice.from_balance_minor,
        ),
        (pgettext("document", "Paid"), invoice.paid_minor),
        (pgettext("document", "Credited"), invoice.by_notes_minor),
        (pgettext("document", "Rounded off"), invoice.rounded_off_minor),
    ]
    if any(minor for _, minor in less):
        rows.append((pgettext("document", "Total"), write.amount(invoice.total_minor)))
    rows += [(label, write.amount(-minor)) for label, minor in less if minor]
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
    """How to pay: ``rows`` of key, label and value with a QR code; or who need not, and why."""
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        return {"sentence": _where_credit_goes(invoice)}
    if invoice.status == Invoice.Status.VOID:
        return {"sentence": pgettext("document", "This invoice is void. Do not pay it.")}
    if invoice.status == Invoice.Status.DRAFT:
        return {"sentence": pgettext("document", "This is a draft. Do not pay it.")}
    if not invoice.left_minor:
        return {"sentence": pgettext("document", "There is nothing to pay.")}
    if _is_charged(invoice):
        sentence = pgettext(
            "document",
            "We will take %(amount)s from your saved card. You do not need to do anything.",
        )
        return {
            "title": pgettext("document", "Taken from your card"),
            "sentence": sentence % {"amount": write.money(invoice.left_minor)},
        }
    return _transfer(invoice, write)


def _transfer(invoice: Invoice, write: Writer) -> dict[str, Any]:
    """To which account, how much, by when and under which reference."""
    seller = invoice.letterhead.content
    accounts = accounts_of(seller, invoice.currency)
    what = [
        ("reference", pgettext("document", "OCR reference"), in_fours(invoice.reference)),
        ("amount", pgettext("document", "To pay"), write.money(invoice.left_minor)),
        ("date", pgettext("document", "Due date"), write.day(invoice.due_on)),
    ]
    whose = [
        ("account", pgettext("document", "Bankgiro"), accounts.get("bankgiro", "")),
        ("account", pgettext("document", "Plusgiro"), accounts.get("plusgiro", "")),
        ("payee", pgettext("document", "Payee"), accounts.get("payee", "")),
    ]
    bank = [
        ("iban", pgettext("document", "IBAN"), in_fours(accounts.get("iban", ""))),
        ("bic", pgettext("document", "BIC"), accounts.get("bic", "")),
    ]
    ask = ""
    if not accounts:
        ask = pgettext(
            "document", "Pay with the link in our email, or write to us and we will tell you how."
        )
    rows = ([cell for cell in row if cell[2]] for row in (what, whose, bank))
    demand = qr.Demand(
        seller,
        invoice.currency,
        invoice.left_minor,
        invoice.reference,
        invoice.issued_on,
        invoice.due_on,
    )
    late = pgettext(
        "document", "We charge interest on late payment under the Swedish Interest Act (1975:635)."
    )
    return {
        "title": pgettext("document", "How to pay"),
        "sentence": ask,
        "rows": [row for row in rows if row],
        "qr": qr.picture_of(qr.payload_of(demand)),
        # Without these words interest could only be asked for after a reminder (räntelagen 4 §).
        "late": late if seller.get("country") == "SE" else "",
    }


def accounts_of(letterhead: Mapping[str, Any], currency: str) -> dict[str, str]:
    """To what an invoice in a currency can be paid, without what there is not.

    ``bankgiro`` and ``plusgiro`` take kronor alone; beside ``iban`` and its ``bic`` stands the
    ``payee``, whose account it is.
    """
    named = ("bankgiro", "plusgiro") if currency == "SEK" else ()
    found = {name: str(letterhead.get(name) or "") for name in named}
    if letterhead.get("iban"):
        found["payee"] = str(letterhead.get("legal_name") or letterhead.get("name") or "")
        found |= {name: str(letterhead.get(name) or "") for name in ("iban", "bic")}
    return {name: account for name, account in found.items() if account}


def _where_credit_goes(invoice: Invoice) -> str:
    if invoice.credit_to == Invoice.CreditTo.BALANCE:
        return pgettext(
            "document",
            "The amount first reduces what is unpaid on the corrected invoice. The rest goes "
            "towards your other open invoices, or is added to your balance for the next one.",
        )
    if invoice.credit_to == Invoice.CreditTo.REFUND:
        return pgettext(
            "document",
            "The amount first reduces what is unpaid on the corrected invoice. We refund the "
            "rest to you.",
        )
    return pgettext("document", "The amount reduces what is unpaid on the corrected invoice.")
