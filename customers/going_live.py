"""What a live seller must have before it issues a document that the law knows.

The list follows what an invoice has to say (directive 2006/112/EC, article 226; 17 kap. 24 §
mervärdesskattelagen 2023:200), what a Swedish company has to say on it (28 kap. 5 §
aktiebolagslagen 2005:551), and that it can be paid. F-tax is stated where a seller has it, and is
no condition: who has none may trade. Test sellers need nothing, for no document of theirs counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from billing.engine.errors import BillingError, Refused
from customers import hooks
from customers.addresses import demanded_fields
from customers.numbers import TIDIERS, tidy_numbers

if TYPE_CHECKING:
    from customers.models import Seller

# Registered numbers of Swedish limited companies begin with it.
_LIMITED_COMPANY: Final = "5"


@dataclass(frozen=True, slots=True)
class Missing:
    """A field of the seller that is empty or wrong, and what to do about it, in the language of
    whoever reads it.
    """

    field: str
    what: str | Promise


def missing_to_go_live(seller: "Seller") -> list[Missing]:
    """All that keeps a seller from issuing for real, in the order of its page."""
    wrong = _wrong_numbers(seller)
    empty = [
        each for each in _empty(seller) if each.field not in {number.field for number in wrong}
    ]
    return sorted([*empty, *wrong], key=lambda each: _ORDER.index(each.field))


def refuse_unready(seller: "Seller") -> None:
    """Raise :class:`Refused` ("seller_not_ready") for a live seller that misses something."""
    if not seller.is_live:
        return
    if missing := missing_to_go_live(seller):
        with translation.override("en"):  # As all refusals, for the log and the API.
            listed = " ".join(str(each.what) for each in missing)
        raise Refused(
            f"{seller} issues nothing yet, because it is live and its page under Sellers misses "
            f"something. {listed}",
            code="seller_not_ready",
            missing=[each.field for each in missing],
        )


_ORDER: Final = (
    *("legal_name", "seat", "organisation_number", "vat_number"),
    *("address_line1", "postal_code", "city"),
    *("bankgiro", "plusgiro", "iban", "bic"),
)


def _empty(seller: "Seller") -> Iterator[Missing]:
    if not seller.legal_name.strip():
        yield Missing(
            "legal_name", pgettext_lazy("desk", "Legal name: enter it as it is registered.")
        )
    number, country = seller.organisation_number, str(seller.country)
    if not number.strip() and (country == "SE" or not seller.vat_number.strip()):
        yield Missing(
            "organisation_number",
            pgettext_lazy("desk", "Organisation number: enter the registered one."),
        )
    is_limited = country == "SE" and number.startswith(_LIMITED_COMPANY)
    if is_limited and not seller.seat.strip():
        yield Missing(
            "seat",
            pgettext_lazy("desk", "Seat: a limited company must state its registered office."),
        )
    if charges_vat(seller) and not seller.vat_number.strip():
        yield Missing(
            "vat_number",
            pgettext_lazy("desk", "VAT number: enter it, or tick “No tax at all” under Tax."),
        )
    for name in demanded_fields(country):
        if not getattr(seller, name).strip():
            yield Missing(name, _ADDRESS[name])
    accounts = (seller.bankgiro, seller.plusgiro, seller.iban)
    if not any(each.strip() for each in accounts) and not any(
        is_paid(seller) for is_paid in hooks.can_be_paid
    ):
        first = "bankgiro" if country == "SE" else "iban"
        yield Missing(
            first,
            pgettext_lazy(
                "desk",
                "Paid to: enter a bankgiro, plusgiro or IBAN, or set up a gateway for payments.",
            ),
        )


_ADDRESS: Final = {
    "address_line1": pgettext_lazy(
        "desk", "Address: an invoice must show the seller's full address."
    ),
    "postal_code": pgettext_lazy(
        "desk", "Postal code: an invoice must show the seller's full address."
    ),
    "city": pgettext_lazy("desk", "Town: an invoice must show the seller's full address."),
}


def charges_vat(seller: "Seller") -> bool:
    """Whether the seller charges VAT at home: an empty list of rates, or rates of 0, say no."""
    stated: Any = seller.tax
    if not isinstance(stated, list):
        return True
    rates = [str(rate.get("rate", "0")) for rate in stated if isinstance(rate, dict)]
    return any(rate.strip("0.") for rate in rates)


def _wrong_numbers(seller: "Seller") -> list[Missing]:
    """Numbers from before they were checked; forms and files bring no such ones any more."""
    wrong = []
    for name in TIDIERS:
        try:
            tidy_numbers(seller, [name])
        except BillingError as error:
            wrong.append(Missing(name, error.message))
    return wrong
