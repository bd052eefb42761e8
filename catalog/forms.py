"""What operators type on the pages of prices and coupons."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Case, F, QuerySet, When
from django.utils.translation import pgettext, pgettext_lazy
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelect2MultipleWidget

from billing.base.typed import row_id
from billing.desk.page_actions import refusal
from billing.desk.typed_rows import Row, RowsField, TypedRows
from billing.engine.bounds import MINOR_MAX
from billing.engine.errors import BillingError
from billing.engine.money import exact_minor, to_major
from catalog.models import Plan, Price

NAMES_MAX = 3
CODES_OFFERED_MAX = 500


def _amount(label: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label, required=False, min_value=0, max_digits=24, decimal_places=10
    )


class TierRow(Row):
    up_to = _amount(pgettext_lazy("desk", "Up to"))
    unit_amount = _amount(pgettext_lazy("desk", "Each unit"))
    flat_amount = _amount(pgettext_lazy("desk", "Flat amount"))
    rate = _amount(pgettext_lazy("desk", "Percent"))


class TiersField(RowsField):
    """``[{up_to, unit_amount, flat_amount, rate}]``, decimals as texts; the last has no end."""

    row = TierRow
    said = pgettext_lazy(
        "desk",
        "What a unit costs, by how many there are. The last row is for all above, and has nothing "
        "under “Up to”.",
    )

    def cells_of(self, kept: Any) -> TypedRows:
        columns = self.row.columns()
        return TypedRows(
            {name: _with_an_amount(tier).get(name) for name in columns}
            for tier in (kept if isinstance(kept, list) else ())
            if isinstance(tier, Mapping)
        )

    def kept_of(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, str | None]]:
        return [
            {"up_to": None, **{name: _text(cell) for name, cell in row.items() if cell is not None}}
            for row in rows
        ]

    def as_typed(self, kept: Any) -> Any:
        try:
            return [
                {
                    "up_to": None,
                    **{
                        name: _text(Decimal(cell))
                        for name, cell in _with_an_amount(tier).items()
                        if cell is not None
                    },
                }
                for tier in kept or ()
            ]
        except (ArithmeticError, AttributeError, TypeError) as error:
            raise ValueError(str(error)) from error


def _with_an_amount(tier: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tier as its row shows it: what is free costs 0, for a row without any amount is no tier."""
    if any(tier.get(name) for name in ("unit_amount", "flat_amount", "rate")):
        return tier
    return {**tier, "unit_amount": "0"}


def _text(amount: Decimal) -> str:
    return f"{amount:f}"


class CodesField(forms.MultipleChoiceField):
    """Codes, chosen by name. Which there are for a row, its page's ``codes`` say."""

    widget = UnfoldAdminSelect2MultipleWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def valid_value(self, value: str) -> bool:
        return True

    def offer(self, names: dict[str, str], chosen: Sequence[str]) -> None:
        """Offer codes by their names, and what is chosen already though it be gone."""
        gone = {code: code for code in chosen if code not in names}
        offered = [*(names | gone).items()]
        offered.sort(key=lambda each: each[1].casefold())
        self.choices = offered


class CouponForm(forms.ModelForm):
    """A coupon whose amount is typed as it is spoken of, such as 50 in SEK, and kept in öre, and
    whose plans and prices are chosen by name.
    """

    amount_off_minor = forms.DecimalField(
        label=pgettext_lazy("desk", "Amount off"),
        required=False,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=pgettext_lazy("desk", "Such as 50 or 49.50, in the currency beside it."),
    )
    plans = CodesField(help_text=pgettext_lazy("desk", "None chosen: all."))
    prices = CodesField(help_text=pgettext_lazy("desk", "None chosen: all."))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        coupon = self.instance
        if coupon.amount_off_minor is not None and coupon.currency:
            amount = to_major(coupon.amount_off_minor, coupon.currency)
            self.initial["amount_off_minor"] = amount
        for name, names_of in (("plans", _names_of_plans), ("prices", _names_of_prices)):
            if name in self.fields:
                field = self.fields[name]
                assert isinstance(field, CodesField)
                field.offer(names_of(self._seller_id()), getattr(coupon, name))

    def _seller_id(self) -> int | None:
        """The coupon's seller, or who was typed or is given to begin with."""
        typed = self.data.get(self.add_prefix("seller"))
        return row_id(str(self.instance.seller_id or typed or self.initial.get("seller")))

    def _post_clean(self) -> None:
        self._keep_in_minor()
        super()._post_clean()  # type: ignore[misc]

    def _keep_in_minor(self) -> None:
        amount = self.cleaned_data.get("amount_off_minor")
        if amount is None or "currency" in self.errors:
            return
        currency = self.cleaned_data.get("currency")
        if not currency:
            self.add_error("currency", pgettext("desk", "Choose the currency of the amount."))
            return
        try:
            minor = exact_minor(amount, currency)
        except BillingError as error:
            self.add_error("amount_off_minor", refusal(error))
            return
        if minor > MINOR_MAX:
            self.add_error(
                "amount_off_minor", pgettext("desk", "This is more than Kvitt can count.")
            )
        else:
            self.cleaned_data["amount_off_minor"] = minor


def _names_of_plans(seller_id: int | None) -> dict[str, str]:
    """The plans of a seller, by code; of all sellers while none is chosen."""
    return _apart(Plan.objects.filter(**_of_seller(seller_id, "seller")), F("name"))


def _names_of_prices(seller_id: int | None) -> dict[str, str]:
    """The same of prices: one code may be that of several plans and currencies."""
    named = Case(When(name="", then=F("plan__name")), default=F("name"))
    return _apart(Price.objects.filter(**_of_seller(seller_id, "plan__seller")), named)


def _of_seller(seller_id: int | None, path: str) -> dict[str, Any]:
    return {path: seller_id} if seller_id else {}


def _apart(rows: QuerySet[Any], name: Any) -> dict[str, str]:
    """``Espresso (espresso-1kg)``: what has a code, and the code, since names may be the same."""
    each = rows.order_by().values("code").annotate(named=ArrayAgg(name, distinct=True))
    first = each.annotate(names=F(f"named__0_{NAMES_MAX}")).order_by("code")
    found = first.values_list("code", "names")[:CODES_OFFERED_MAX]
    return {code: f"{', '.join(names)} ({code})" for code, names in found}
