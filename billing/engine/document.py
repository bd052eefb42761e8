"""Making a document of lines: discount, tax, rounding, and the customer's balance."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from billing.engine import discounts, tax
from billing.engine.lines import Line
from billing.engine.money import exponent, round_ratio


@dataclass(slots=True)
class Document:
    """An invoice, or with ``is_credit_note`` what gives money back; no amount is negative then.

    ``subtotal`` is all lines but discount and rounding; ``total = net + tax + rounding``.
    """

    is_credit_note: bool
    lines: list[Line]
    taxes: tuple[tax.TaxGroup, ...]
    subtotal_minor: int
    discount_minor: int
    net_minor: int
    tax_minor: int
    rounding_minor: int
    total_minor: int
    credit_applied_minor: int = 0
    discounted: list[int] = field(default_factory=list)
    kept_discount_minor: int = 0

    @property
    def amount_due_minor(self) -> int:
        return self.total_minor - self.credit_applied_minor


def total_bill(
    lines: Sequence[Line],
    treatments: Sequence[tax.Treatment],
    *,
    currency: str,
    coupons: Sequence[tuple[discounts.Discount, Sequence[int]]] = (),
    rounds_to_whole: bool = False,
    balance_minor: int = 0,
) -> Document:
    """Make a document of lines: discount, then tax, then rounding, then the customer's balance.

    ``treatments`` stand beside the lines; each coupon names the lines it applies to by index.
    ``discounted`` of the answer is what each coupon took off, ``kept_discount_minor`` what was off
    days that are charged once more: those no coupon may name.
    """
    shares = discounts.share([line.amount_minor for line in lines], coupons) if coupons else []
    if shares:
        for line, *parts in zip(lines, *shares, strict=True):
            line.discount_minor = sum(parts)
    kept_discount_minor = 0
    for line in lines:
        if line.recharges is not None:
            line.discount_minor += line.kept_discount_minor
            kept_discount_minor += line.kept_discount_minor
    taxed = tax.tax_document(
        [
            (line.amount_minor - line.discount_minor, treatment)
            for line, treatment in zip(lines, treatments, strict=True)
        ]
    )
    for line, net_minor in zip(lines, taxed.line_nets, strict=True):
        line.net_minor = net_minor
    gross_minor = taxed.gross_minor
    rounding_minor = 0
    if rounds_to_whole:
        unit = 10 ** exponent(currency)
        rounding_minor = round_ratio(gross_minor, unit) * unit - gross_minor
    document = Document(
        is_credit_note=gross_minor + rounding_minor < 0,
        lines=list(lines),
        taxes=taxed.groups,
        subtotal_minor=sum(line.amount_minor for line in lines),
        discount_minor=sum(line.discount_minor for line in lines),
        net_minor=taxed.net_minor,
        tax_minor=taxed.tax_minor,
        rounding_minor=rounding_minor,
        total_minor=gross_minor + rounding_minor,
        discounted=[sum(by_line) for by_line in shares],
        kept_discount_minor=kept_discount_minor,
    )
    if document.is_credit_note:
        return _turned(document)
    document.credit_applied_minor = min(max(balance_minor, 0), document.total_minor)
    return document


def _turned(document: Document) -> Document:
    """The same document seen by who gets the money: every sign the other way."""
    lines = [
        replace(
            line,
            amount_minor=-line.amount_minor,
            discount_minor=-line.discount_minor,
            net_minor=-line.net_minor,
        )
        for line in document.lines
    ]
    return Document(
        is_credit_note=True,
        lines=lines,
        taxes=tuple(
            tax.TaxGroup(
                group.category,
                group.percent,
                group.is_inclusive,
                group.name,
                -group.net_minor,
                -group.tax_minor,
            )
            for group in document.taxes
        ),
        subtotal_minor=-document.subtotal_minor,
        discount_minor=-document.discount_minor,
        net_minor=-document.net_minor,
        tax_minor=-document.tax_minor,
        rounding_minor=-document.rounding_minor,
        total_minor=-document.total_minor,
        discounted=[-amount for amount in document.discounted],
        kept_discount_minor=-document.kept_discount_minor,
    )
