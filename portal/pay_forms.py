"""What is asked of somebody who orders: how many, a code, and who they are."""

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import translation
from django.utils.translation import pgettext, pgettext_lazy
from django_countries import countries

from billing.base import clock
from billing.base.typed import Typed
from billing.checkout.models import Order
from billing.checkout.offers import countable_prices, find_coupon
from billing.checkout.placing import Choice, Details, check_details
from billing.engine.bounds import UNITS_ORDERED_MAX
from billing.engine.errors import Refused
from billing.invoicing.writing import Writer
from billing.subscriptions.coupons import check_coupon, check_person
from catalog.models import Coupon, Price
from customers.calendar import today_of
from customers.numbers import tidy_vat_number
from portal.limits import has_tried, may_try
from portal.models import Attempt
from portal.terms import each_in_words

CODES_MAX, CODES_WITHIN = 30, timedelta(hours=1)
MISSING = pgettext_lazy("pay", "Fill in this field.")
# Where each field of the details is typed, as browsers know it, and whether every country wants it.
_FIELDS: Mapping[str, tuple[Any, int, str, bool]] = {
    "name": (pgettext_lazy("pay", "Name"), 200, "name", True),
    "company": (pgettext_lazy("pay", "Company"), 200, "organization", False),
    "vat_number": (pgettext_lazy("pay", "VAT number"), 20, "off", False),
    "address_line1": (pgettext_lazy("pay", "Address"), 200, "address-line1", True),
    "address_line2": (
        pgettext_lazy("pay", "Apartment, c/o or similar"),
        200,
        "address-line2",
        False,
    ),
    "postal_code": (pgettext_lazy("pay", "Postal code"), 20, "postal-code", False),
    "city": (pgettext_lazy("pay", "City"), 100, "address-level2", False),
}


# What no country wants of a private person; the others say so when they are left out.
OPTIONAL = frozenset({"coupon", "company", "vat_number", "address_line2"})


def _describes(name: str, *more: str) -> dict[str, str]:
    """What is said of a field stands in places that are always there, though they be empty."""
    return {"aria-describedby": " ".join(f"{name}_{place}" for place in (*more, "said"))}


class OrderForm(Typed):
    """All that an order's page asks for. What only changes the sum may be sent by itself."""

    email = forms.EmailField(
        label=pgettext_lazy("pay", "Email"),
        max_length=254,
        error_messages={
            "required": MISSING,
            "invalid": pgettext_lazy("pay", "Enter an address such as name@example.com."),
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text=pgettext_lazy("pay", "We send receipts and invoices here."),
    )
    country = forms.ChoiceField(
        label=pgettext_lazy("pay", "Country"),
        widget=forms.Select(attrs={"autocomplete": "country", **_describes("country")}),
    )
    coupon = forms.CharField(
        label=pgettext_lazy("pay", "Discount code"),
        max_length=80,
        required=False,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", **_describes("coupon")}
        ),
    )
    consent = forms.BooleanField(
        label=pgettext_lazy("pay", "The box for the terms"),
        error_messages={"required": pgettext_lazy("pay", "Tick the box to order.")},
    )
    seen = forms.CharField(required=False, max_length=64)

    def __init__(
        self, order: Order, data: Any = None, *, is_ordering: bool = False, network: str = ""
    ) -> None:
        super().__init__(data, initial=_known(order), auto_id="%s")
        self.order, self.is_ordering = order, is_ordering
        self.guesses = Guesses(order, network)
        self.found: Coupon | None = None
        self.fields["country"].choices = _countries()  # type: ignore[attr-defined]
        for name, (label, length, autocomplete, is_required) in _FIELDS.items():
            self.fields[name] = forms.CharField(
                label=label,
                max_length=length,
                required=is_required,
                error_messages={"required": MISSING},
                widget=forms.TextInput(attrs={"autocomplete": autocomplete}),
            )
        self.fields["vat_number"].help_text = pgettext(
            "pay", "With the country code, such as SE556012579001."
        )
        self.fields["vat_number"].widget.attrs |= _describes("vat_number", "helptext")
        self.prices = countable_prices(order)
        for number, price in enumerate(self.prices):
            name = f"quantity-{number}"
            self.fields[name] = self._quantity(price)
            self.fields[name].widget.attrs |= _describes(name, "helptext")
        # As they stand on the page, so that what is wrong is told in that order.
        quantities = (f"quantity-{number}" for number in range(len(self.prices)))
        self.order_fields([*quantities, "coupon", "email", *_FIELDS, "country", "consent"])
        self._say_what_is_required()
        if not is_ordering:
            for name in ("email", "consent", *_FIELDS):
                self.fields[name].required = False

    def _say_what_is_required(self) -> None:
        """To all that look at the page, also before anything of it is demanded."""
        for name, field in self.fields.items():
            if field.required:
                field.widget.attrs["aria-required"] = "true"
            field.is_optional = name in OPTIONAL  # type: ignore[attr-defined]

    def _quantity(self, price: Price) -> forms.IntegerField:
        error = pgettext("pay", "Enter a whole number from 1 to %(most)s.") % {
            "most": UNITS_ORDERED_MAX
        }
        offered = self.order.quantities.get(price.code, price.quantity)
        return forms.IntegerField(
            label=price.name or pgettext("pay", "Quantity"),
            min_value=1,
            max_value=UNITS_ORDERED_MAX,
            initial=max(int(Decimal(offered)), 1),
            help_text=each_in_words(price),
            error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), error),
            widget=forms.NumberInput(attrs={"class": "narrow", "inputmode": "numeric"}),
        )

    @property
    def quantity_fields(self) -> list[forms.BoundField]:
        return [self[f"quantity-{number}"] for number in range(len(self.prices))]

    @property
    def reckoned_fields(self) -> list[forms.BoundField]:
        """Those whose faults are told while others are typed: the sum depends on them."""
        return [*self.quantity_fields, self["coupon"], self["country"], self["vat_number"]]

    def refuse_country(self) -> None:
        """Say that nothing of this can be billed where the customer is."""
        self.add_error(
            "country",
            pgettext(
                "pay",
                "We do not sell this to customers in that country yet. Choose another country.",
            ),
        )

    def ask_for_address(self) -> None:
        """Say that an address has to be typed first, where nothing else is said of it."""
        if not self.has_error("email"):
            self.add_error("email", MISSING)

    def refuse(self, refused: Refused) -> bool:
        """Say at its field why the order could not be placed; False where it is about no field."""
        if refused.code.startswith("coupon_"):
            self.found = None
            self.add_error("coupon", _coupon_refusal(refused.code))
            return True
        wrong = refused.details.get("fields")
        if not isinstance(wrong, dict):
            return False
        for name, what in wrong.items():
            self.add_error(name, _WRONG[what])
        return True

    def clean_coupon(self) -> str:
        code: str = self.cleaned_data["coupon"].strip()
        if code:
            if self.guesses.are_spent():
                raise forms.ValidationError(_coupon_refusal("too_many_attempts"))
            try:
                self.found = find_coupon(self.order, code)
            except Refused as refused:
                self.guesses.count()
                raise forms.ValidationError(_coupon_refusal(refused.code)) from refused
        return code

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.found is not None:
            try:
                self._check_person(self.found, cleaned.get("email") or "")
            except Refused as refused:
                self.found = None
                self.add_error("coupon", _coupon_refusal(refused.code))
        for name, wrong in check_details(self.details).items():
            is_said = name in self.errors or (wrong == "missing" and not self.is_ordering)
            if not is_said:
                self.add_error(name, _WRONG[wrong])
        return cleaned

    @property
    def details(self) -> Details:
        """What was typed as far as it can be used; what the page began with where nothing was."""
        known = self.cleaned_data if self.is_bound else self.initial
        typed = {name: known.get(name) or "" for name in ("email", "country", *_FIELDS)}
        return Details(**typed | {"country": typed["country"] or self.initial["country"]})

    @property
    def vat_number(self) -> str:
        """The number that was typed for a business abroad, tidied; empty where there is none."""
        details = self.details
        if not details.vat_number.strip() or details.country == str(self.order.seller.country):
            return ""
        try:
            return tidy_vat_number(details.vat_number, details.country)
        except Refused:
            return ""

    def details_in(self, language: str) -> Details:
        """The details of a customer who reads this language."""
        return replace(self.details, language=language)

    @property
    def choice(self) -> Choice:
        if not self.is_bound:
            return Choice(self._quantities({}), self._offered_coupon())
        return Choice(self._quantities(self.cleaned_data), self.found)

    def _offered_coupon(self) -> Coupon | None:
        """The coupon that the shop has put there; none where it cannot be had any more."""
        order = self.order
        coupon, customer = order.coupon, order.customer
        if coupon is None:
            return None
        try:
            check_coupon(coupon, order.plan, order.currency, as_of=today_of(order.seller))
            if customer is not None:
                self._check_person(coupon, customer.email)
        except Refused:
            return None
        return coupon

    def _check_person(self, coupon: Coupon, email: str) -> None:
        check_person(coupon, self.order.seller_id, email, self.order.customer)

    def _quantities(self, typed: Mapping[str, Any]) -> dict[str, Decimal]:
        """By price code, as typed, or as offered where that is no number."""
        fields = [(f"quantity-{number}", price) for number, price in enumerate(self.prices)]
        return {
            price.code: Decimal(typed.get(name) or self.fields[name].initial)
            for name, price in fields
        }


_WRONG: Mapping[str, Any] = {
    "missing": MISSING,
    "invalid_vat_number": pgettext_lazy(
        "pay", "This is not a VAT number. Check it, or leave the field empty."
    ),
    "card_number": pgettext_lazy(
        "pay",
        "This looks like a card number. You enter your card details on the next page, never here.",
    ),
}


def _countries() -> list[tuple[str, str]]:
    """All countries, in the order of their names in the active language."""
    write = Writer(translation.get_language() or "en", "EUR")
    named = [(code, write.country(code)) for code, _ in countries]
    return sorted(named, key=lambda country: _in_order(country[1]))


def _in_order(name: str) -> str:
    """As dictionaries order it, but for the Swedish letters, which come last."""
    return "".join(_LAST.get(letter, _bare(letter)) for letter in name.lower())


def _bare(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0]


_LAST = {"å": "{", "ä": "|", "ö": "}"}


class Guesses:
    """Codes that are no coupon's, from one network, at one seller's checkouts.

    The page asks again while other fields are typed, so one wrong code may count several times.
    """

    def __init__(self, order: Order, network: str) -> None:
        self.key = f"{order.seller_id}:{network}"
        self.limit: dict[str, Any] = {"times": CODES_MAX, "within": CODES_WITHIN}

    def are_spent(self) -> bool:
        return has_tried(Attempt.Kind.CODE, self.key, **self.limit, now=clock.now())

    def count(self) -> None:
        may_try(Attempt.Kind.CODE, self.key, **self.limit, now=clock.now())


def _coupon_refusal(code: str) -> str:
    return {
        "too_many_attempts": pgettext(
            "pay", "Too many codes have been tried. Wait an hour, or order without one."
        ),
        "coupon_inactive": pgettext("pay", "This code is no longer valid."),
        "coupon_over": pgettext("pay", "This code is no longer valid."),
        "coupon_used_up": pgettext("pay", "This code has been used up."),
        "coupon_of_another_plan": pgettext("pay", "This code does not apply to this order."),
        "coupon_currency": pgettext("pay", "This code is for another currency."),
        "coupon_used": pgettext("pay", "You have already used this code."),
    }.get(code, pgettext("pay", "We do not recognise this code. Check the spelling."))


def _known(order: Order) -> dict[str, Any]:
    """What the page begins with: what the shop has told us of its customer."""
    coupon = order.coupon.code if order.coupon else ""
    customer = order.customer
    if customer is None:
        return {"country": str(order.seller.country), "coupon": coupon}
    names = ("address_line1", "address_line2", "postal_code", "city", "vat_number", "email")
    is_company = customer.is_business
    return {name: getattr(customer, name) for name in names} | {
        "country": str(customer.country),
        "coupon": coupon,
        "company": customer.name if is_company else "",
        "name": customer.metadata.get("contact", "") if is_company else customer.name,
    }
