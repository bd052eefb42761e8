"""Stated tax, as operators type it: rates, no tax at all, or nothing, so that the table decides."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import pgettext_lazy

from billing.desk.typed_rows import Row, RowsField, TypedRows
from billing.tax.rates import InvalidTax, json_of, treatment_of

STANDARD = "S"
CATEGORIES = [
    (STANDARD, pgettext_lazy("document", "VAT")),
    ("Z", pgettext_lazy("document", "Zero rate")),
    ("E", pgettext_lazy("document", "Exempt from VAT")),
    ("AE", pgettext_lazy("document", "Reverse charge")),
    ("K", pgettext_lazy("document", "Intra-community supply")),
    ("G", pgettext_lazy("document", "Export")),
    ("O", pgettext_lazy("document", "Outside the scope of VAT")),
]


class RateRow(Row):
    category = forms.ChoiceField(
        label=pgettext_lazy("desk", "Category"),
        choices=CATEGORIES,
        initial=STANDARD,
        required=False,
    )
    rate = forms.DecimalField(
        label=pgettext_lazy("desk", "Percent"), min_value=0, max_value=100, decimal_places=4
    )
    inclusive = forms.BooleanField(
        label=pgettext_lazy("desk", "Included in the price"), required=False
    )
    name = forms.CharField(
        label=pgettext_lazy("desk", "Name on documents"), max_length=100, required=False
    )
    relief = forms.DecimalField(
        label=pgettext_lazy("desk", "Percent taken out of the price"),
        min_value=0,
        max_value=100,
        decimal_places=4,
        required=False,
    )


class TaxField(RowsField):
    """``[{category, rate, inclusive, name, relief}]``; an empty list is no tax, null the rate
    table's.
    """

    row = RateRow
    none_label = pgettext_lazy("desk", "No tax at all")
    said = pgettext_lazy(
        "desk", "In place of the rates in the rate table, which apply where all rows are empty."
    )

    def cells_of(self, kept: Any) -> TypedRows:
        rows = TypedRows(
            {
                "category": STANDARD,
                **{name: rate.get(name) for name in self.row.columns() if name in rate},
            }
            for rate in (kept if isinstance(kept, list) else ())
            if isinstance(rate, Mapping)
        )
        rows.is_none = kept == []
        return rows

    def kept_of(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        stated = [
            {
                "category": row["category"] or STANDARD,
                "rate": f"{row['rate']:f}",
                "inclusive": row["inclusive"],
                "name": row["name"],
                "relief": f"{row['relief'] or 0:f}",
            }
            for row in rows
        ]
        try:
            return json_of(treatment_of(stated))
        except InvalidTax as error:
            raise ValidationError(error.message) from error

    def as_typed(self, kept: Any) -> Any:
        try:
            return kept and json_of(treatment_of(kept))
        except InvalidTax as error:
            raise ValueError(error.message) from error
