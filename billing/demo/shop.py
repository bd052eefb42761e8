"""The shop that the demo shows: its letterhead, what it sells, and the people who work there."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.core.files.base import ContentFile
from django.db import transaction

from billing.tax.models import TaxRate, TaxRegistration
from billing.usage.models import Meter
from catalog.models import Coupon, Plan, Price, Product
from customers.models import Seller

LOGO = Path(__file__).with_name("logo.png")
# Known to everybody, which is why the demo does not run in production.
PASSWORD = "kvitt-demo"  # noqa: S105
OPERATOR = "demo"

NAME = "Dagbräck Kaffe & Läsning"
# From a range that has not been given out; the bankgiro and IBAN are those of examples.
ORGANISATION_NUMBER = "559990-3175"
LETTERHEAD: dict[str, Any] = {
    "legal_name": "Dagbräck Kaffe & Läsning AB",
    "country": "SE",
    "seat": "Göteborg",
    "currency": "SEK",
    "time_zone": "Europe/Stockholm",
    "language": "sv",
    "vat_number": "SE559990317501",
    "has_f_tax": True,
    "email": "faktura@example.se",
    "phone": "031-390 06 00",
    "website": "https://www.example.se",
    "bankgiro": "5050-1055",
    "iban": "SE4550000000058398257466",
    "bic": "ESSESESS",
    "accent_color": "#b4532a",
    "address_line1": "Gryningsgatan 5",
    "postal_code": "411 18",
    "city": "Göteborg",
}
MAGAZINE_VAT = [{"category": "S", "rate": "6", "inclusive": True}]


@dataclass(frozen=True, slots=True)
class Fee:
    """One price of a plan; ``terms`` are further fields of the price."""

    code: str
    amount: str
    name: str = ""
    terms: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan and its prices: what ``Plan`` and ``Price`` are made of."""

    code: str
    name: str
    product: str
    family: str
    fees: tuple[Fee, ...]
    unit: str = "month"
    currency: str = "SEK"
    is_tax_inclusive: bool = False
    terms: dict[str, Any] = field(default_factory=dict)


def _tiers(*tiers: tuple[str | None, str]) -> list[dict[str, str | None]]:
    return [{"up_to": up_to, "unit_amount": amount, "flat_amount": "0"} for up_to, amount in tiers]


def _beans(code: str, name: str, amount: str, currency: str = "SEK", unit: str = "month") -> Offer:
    family = "bönor" if currency == "SEK" else "beans"
    fees = (Fee("bag", amount),)
    return Offer(code, name, "Kaffebönor", family, fees, unit, currency, is_tax_inclusive=True)


def _magazine(
    code: str, name: str, amount: str, currency: str = "SEK", unit: str = "month", trial: int = 0
) -> Offer:
    # Elsewhere the rate of the customer's country holds, and a price's would come before it.
    tax = MAGAZINE_VAT if currency == "SEK" else None
    return Offer(
        code,
        name,
        "Tidskriften Dagbräck",
        f"tidskrift-{currency}",
        (Fee("issue", amount, terms={"tax": tax}),),
        unit,
        currency,
        is_tax_inclusive=True,
        terms={"trial_days": trial},
    )


def _office(code: str, name: str, amount: str, label: str, currency: str = "SEK") -> Offer:
    seats = Fee("seats", amount, label, {"model": "per_unit", "quantity": Decimal(5)})
    return Offer(code, name, "Kontorskaffe", f"kontor-{currency}", (seats,), currency=currency)


def _machine(code: str, name: str, amount: str, free: str) -> Offer:
    cups = _tiers((free, "0"), ("2000", "1.15"), (None, "0.85"))
    fees = (
        Fee("rent", amount, "Hyra och service"),
        Fee("cups", "0", "Koppar", {"model": "graduated", "meter": "cups", "tiers": cups}),
        Fee("setup", "950.00", "Installation och upplärning", {"billing": "once"}),
    )
    return Offer(code, name, "Kaffemaskiner", "maskin", fees)


def _by_weight(code: str, name: str, currency: str, label: str, *amounts: str) -> Offer:
    tiers = _tiers(("10", amounts[0]), ("40", amounts[1]), (None, amounts[2]))
    kilograms = Fee("kg", "0", label, {"model": "graduated", "meter": "kg", "tiers": tiers})
    return Offer(code, name, "Kaffebönor", f"lösvikt-{currency}", (kilograms,), currency=currency)


OFFERS = (
    _beans("brygg-250", "Bryggkaffe 250 g", "129.00"),
    _beans("brygg-500", "Bryggkaffe 500 g", "229.00"),
    _beans("espresso-1000", "Espresso 1 kg", "389.00"),
    _beans("brygg-ar", "Årskaffe 250 g i månaden", "1390.00", unit="year"),
    _beans("filter-250", "Filter coffee 250 g", "13.90", "EUR"),
    _beans("filter-500", "Filter coffee 500 g", "23.90", "EUR"),
    _beans("espresso-1kg", "Espresso 1 kg", "39.50", "EUR"),
    _magazine("tidskrift", "Tidskriften Dagbräck", "89.00", trial=14),
    _magazine("tidskrift-ar", "Tidskriften Dagbräck, helår", "890.00", unit="year"),
    _magazine("magazine", "Dagbräck Magazine", "9.50", "EUR", trial=14),
    _magazine("magazine-year", "Dagbräck Magazine, one year", "95.00", "EUR", "year"),
    _office("kontor", "Kontorskaffe", "62.00", "Kaffedrickare"),
    _office("kontor-plus", "Kontorskaffe Plus", "94.00", "Kaffedrickare"),
    _office("office", "Office coffee", "6.20", "Coffee drinkers", "EUR"),
    _office("office-plus", "Office coffee Plus", "9.40", "Coffee drinkers", "EUR"),
    _machine("maskin", "Kaffemaskin Lilla", "595.00", "300"),
    _machine("maskin-stor", "Kaffemaskin Stora", "1150.00", "800"),
    _by_weight("losvikt", "Kaffe i lösvikt", "SEK", "Kilogram", "249.00", "219.00", "195.00"),
    _by_weight("by-weight", "Coffee by weight", "EUR", "Kilograms", "24.90", "21.90", "19.50"),
    # Used where the customer is: its tax follows whoever buys it, in any country.
    Offer(
        "barista",
        "Baristaskolan online",
        "Baristaskolan",
        "barista",
        (Fee("course", "12.50"),),
        currency="EUR",
        is_tax_inclusive=True,
    ),
    # Nobody has said which of two reduced rates is on it, so that bills for it are set aside.
    Offer(
        "bokklubb",
        "Bokklubben Gryning",
        "Böcker",
        "bokklubb",
        (Fee("book", "179.00"),),
        is_tax_inclusive=True,
    ),
)
# Name, tax category of the rate table, what it is, and account of the BAS chart.
PRODUCTS = (
    ("Kaffebönor", "food", "goods", "3051"),
    ("Kontorskaffe", "food", "goods", "3052"),
    ("Tidskriften Dagbräck", "magazine", "goods", "3053"),
    ("Böcker", "reduced", "goods", "3054"),
    ("Kaffemaskiner", "standard", "service", "3041"),
    ("Baristaskolan", "standard", "digital", "3041"),
)
# Which of a country's rates is on coffee and on printed magazines: national law, and so chosen.
CHOSEN_PERCENT = {
    "food": {"DE": "7", "DK": "25", "NL": "9", "BE": "6"},
    "magazine": {"SE": "6", "DE": "7", "DK": "25", "NL": "9", "BE": "6"},
}
# Before the story of any demo begins.
REGISTERED_FROM = date(2021, 7, 1)
# What the register of the demo knows, beside the companies of its story: for visitors to try.
VISITORS_NUMBERS = {"DE999990002": "Kranichfeld Architekten GmbH", "FI99999001": "Kurkiniitty Oy"}
COUPONS: tuple[dict[str, Any], ...] = (
    {"code": "VALKOMMEN", "name": "Välkommen: 20 % på första fakturan", "percent_off": Decimal(20)},
    {
        "code": "HOST15",
        "name": "Hösterbjudande: 15 % i tre månader",
        "percent_off": Decimal(15),
        "duration": "repeating",
        "periods": 3,
    },
    {
        "code": "STUDENT",
        "name": "Student: 10 % så länge du läser",
        "percent_off": Decimal(10),
        "duration": "forever",
    },
    {"code": "KLUBB50", "name": "50 kr av", "amount_off_minor": 5000, "currency": "SEK"},
)
METERS = (("cups", "Koppar", ""), ("kg", "Kilogram", "kg"))

# What each role may do, in the words of the permissions: view all of these, and these actions.
SEEN = (
    "customers catalog ledger tax subscriptions usage invoicing payments dunning mail events "
    "outbound"
).split()
ROLES: dict[str, tuple[str, ...]] = {
    "Support": (
        "customers.change_customer",
        "subscriptions.change_subscription",
        "subscriptions.pause_subscription",
        "subscriptions.resume_subscription",
        "subscriptions.cancel_subscription",
        "subscriptions.undo_cancel_subscription",
        "invoicing.add_oneoffitem",
        "mail.send_message",
    ),
    "Bookkeeping": (
        "payments.add_payment",
        "payments.add_refund",
        "invoicing.add_creditnote",
        "invoicing.void_invoice",
        "invoicing.write_off_invoice",
        "dunning.stop_dunningcase",
        "dunning.resume_dunningcase",
        "outbound.press_killswitch",
    ),
    "Auditor": (),
}
# User name, first name, last name and role; the operator may do everything and has none.
STAFF = (
    (OPERATOR, "Vilma", "Gryning", ""),
    ("support", "Sam", "Hjälpsten", "Support"),
    ("bookkeeper", "Berit", "Kassler", "Bookkeeping"),
    ("auditor", "Aron", "Granskog", "Auditor"),
)


def find_shop() -> Seller | None:
    """The demo's seller, where it has been opened: never a live one."""
    return Seller.objects.filter(
        name=NAME, organisation_number=ORGANISATION_NUMBER, is_live=False
    ).first()


@transaction.atomic
def open_shop() -> Seller:
    """Make the seller and all that it sells; the one that is there where it is."""
    if found := find_shop():
        return found
    seller = Seller.objects.create(
        name=NAME, organisation_number=ORGANISATION_NUMBER, is_live=False, **LETTERHEAD
    )
    seller.logo.save("dagbrack.png", ContentFile(LOGO.read_bytes()))
    Meter.objects.bulk_create(
        Meter(seller=seller, code=code, name=name, unit=unit) for code, name, unit in METERS
    )
    products = {
        name: Product.objects.create(
            seller=seller,
            name=name,
            tax_category=category,
            supply=supply,
            revenue_account=account,
        )
        for name, category, supply, account in PRODUCTS
    }
    for offer in OFFERS:
        sell(seller, products[offer.product], offer)
    for coupon in COUPONS:
        Coupon.objects.create(seller=seller, **coupon)
    _register(seller)
    return seller


def _register(seller: Seller) -> None:
    """For VAT at home and for the one-stop shop, with the rates that the shop has chosen abroad."""
    for scheme in (TaxRegistration.Scheme.HOME, TaxRegistration.Scheme.OSS):
        TaxRegistration.objects.create(
            seller=seller,
            scheme=scheme,
            country=seller.country,
            number=seller.vat_number,
            valid_from=REGISTERED_FROM,
        )
    for category, percents in CHOSEN_PERCENT.items():
        for country, percent in percents.items():
            TaxRate.objects.get_or_create(
                country=country,
                category=category,
                is_default=True,
                defaults={"percent": Decimal(percent), "source": "Chosen by the demo's shop"},
            )


def sell(seller: Seller, product: Product, offer: Offer) -> Plan:
    """Make the plan of an offer, with its prices."""
    plan = Plan.objects.create(
        seller=seller,
        product=product,
        code=offer.code,
        name=offer.name,
        family=offer.family,
        interval_unit=offer.unit,
        **offer.terms,
    )
    for position, fee in enumerate(offer.fees):
        terms = dict(fee.terms)
        terms.setdefault("billing", "in_arrears" if "meter" in terms else "in_advance")
        price = Price(
            plan=plan,
            code=fee.code,
            name=fee.name,
            currency=offer.currency,
            position=position,
            amount=Decimal(fee.amount),
            is_tax_inclusive=offer.is_tax_inclusive,
            **terms,
        )
        price.terms().check()
        price.save()
    return plan


@transaction.atomic
def hire_staff() -> None:
    """A sign-in for each role; whoever is there already keeps password and rights."""
    for role, actions in ROLES.items():
        group, is_new = Group.objects.get_or_create(name=role)
        if is_new:
            group.permissions.set(_permissions(actions))
    for username, first_name, last_name, role in STAFF:
        if User.objects.filter(username=username).exists():
            continue
        user = User.objects.create_user(
            username,
            f"{username}@example.se",
            PASSWORD,
            first_name=first_name,
            last_name=last_name,
            is_staff=True,
            is_superuser=not role,
        )
        user.groups.set(Group.objects.filter(name=role))


def _permissions(actions: tuple[str, ...]) -> list[Permission]:
    seen = Permission.objects.filter(content_type__app_label__in=SEEN, codename__startswith="view_")
    wanted = {tuple(action.split(".")) for action in actions}
    named = Permission.objects.filter(codename__in=[codename for _, codename in wanted])
    return [
        *seen,
        *(one for one in named if (one.content_type.app_label, one.codename) in wanted),
    ]


def password_of(username: str) -> str:
    """What to sign in with; empty where somebody has chosen another password since."""
    user = User.objects.filter(username=username).first()
    return PASSWORD if user is not None and user.check_password(PASSWORD) else ""
