"""Documents that no row has, as they would be read if they had been written."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import orjson
from django.db.models import DecimalField, JSONField, Model

from billing.base.sql.bulk import NULL
from billing.invoicing.drafting import DraftDocument
from billing.invoicing.models import Invoice, InvoiceLine, InvoiceTax
from billing.invoicing.rows import LineRow, document_row, extra_lines, line_row, tax_rows
from billing.subscriptions.agreements import Contract
from catalog.models import Price


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A document as objects of its rows, which are not to be saved.

    Its lines have ids below zero, and so has the document where it was never written.
    """

    document: Invoice
    lines: list[InvoiceLine]
    taxes: list[InvoiceTax]


def age_of(document_id: int) -> tuple[bool, int]:
    """In which order documents come: those without a row last, whose ids fall from -1."""
    return document_id < 0, abs(document_id)


def unwritten(
    document_id: int, draft: DraftDocument, as_of: date, line_ids: Iterator[int]
) -> Unwritten:
    """A drafted document as it would be read: its lines with their prices, and its VAT groups."""
    row = document_row(document_id, "", draft, as_of)
    row.sequence, row.number, row.reference = NULL, NULL, ""
    lines: list[LineRow] = []
    prices: dict[int, Price] = {}
    for line, treatment in zip(draft.document.lines, draft.treatments, strict=True):
        lines.append(line_row(next(line_ids), document_id, len(lines) + 1, line, treatment))
        if isinstance(line.context, Contract):
            prices |= {terms.price_id: terms.price for terms in line.context.terms.values()}
        elif isinstance(line.context, InvoiceLine) and line.context.price is not None:
            prices[line.context.price.pk] = line.context.price
    lines += extra_lines(document_id, draft, len(lines), line_ids)
    read = [_read(InvoiceLine, each) for each in lines]
    for each in read:
        each.price = prices[each.price_id] if each.price_id else None
    return Unwritten(
        _read(Invoice, row, issued_on=as_of),
        read,
        [_read(InvoiceTax, each) for each in tax_rows(document_id, draft)],
    )


def _read[Row: Model](model: type[Row], row: Any, **same: Any) -> Row:
    values = {each.name: getattr(row, each.name) for each in fields(row)}
    return model(**{name: _value(model, name, value) for name, value in values.items()}, **same)


def _value(model: type[Model], name: str, value: Any) -> Any:
    """A value that is to be written, as it would be read."""
    field: Any = model._meta.get_field(name)
    if value is None or value == NULL:
        return None
    if isinstance(field, JSONField):
        return orjson.loads(value)
    if isinstance(field, DecimalField):
        places = Decimal(1).scaleb(-field.decimal_places)
        return Decimal(value).quantize(places, ROUND_HALF_UP)
    return field.to_python(value)
