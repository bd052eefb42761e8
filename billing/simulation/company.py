"""The company of a scenario: its test seller, catalog and customers."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from billing.base import clock
from billing.engine.errors import InvalidAgreement
from billing.engine.money import exact_minor, exponent
from billing.engine.pricing import SETTINGS
from billing.invoicing import balances
from billing.simulation.reading import (
    RULES,
    Node,
    ScenarioError,
    as_date,
    as_decimal,
    as_money,
    as_tax,
    mapping,
    plain,
)
from billing.subscriptions.models import Subscription
from billing.tax.loading import DEFAULT_FILE, load_rates
from billing.tax.models import TaxRate, TaxRegistration, VatNumberCheck
from billing.tax.supplies import plain as plain_number
from billing.usage.models import Meter
from catalog.models import Coupon, Plan, Price, Product
from customers.models import Customer, Seller

ACTOR = "simulation"
# All the numbers of a price, in money or percent; the count of free events is none of them.
_AMOUNTS = sorted((SETTINGS - {"tiers", "free_events"}) | {"minimum_amount"})


@dataclass(slots=True)
class Company:
    """The test seller of a scenario and all that the story names."""

    seller: Seller
    currency: str
    plans: dict[str, Plan] = field(default_factory=dict)
    coupons: dict[str, Coupon] = field(default_factory=dict)
    meters: dict[str, Meter] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)


def found(company: dict[str, Any], node: Node, key: str) -> Any:
    """What a step names. Raises :class:`ScenarioError` for a name the story does not have."""
    name = node.get(key)
    if name not in company:
        raise ScenarioError(f"There is no {key} “{name}” here.", node.line, "unknown_name")
    return company[name]


def open_company(story: Node) -> Company:
    """Make the seller, catalog and customers of a scenario."""
    currency = story.get("currency", "EUR")
    exponent(currency)
    seller = Seller.objects.create(
        name=str(story.get("name", "Scenario"))[:200],
        currency=currency,
        country=story.get("country", "SE"),
        time_zone=story.get("timezone", "UTC"),
        rounding=story.get("rounding", "none"),
        tax=None if story.get("tax") == RULES else as_tax(story) or [],
    )
    if seller.tax is None:
        _register(seller, story)
    company = Company(seller, currency)
    for code, node in mapping(story, "meters").items():
        company.meters[code] = _meter(seller, code, node)
    for code, node in mapping(story, "plans").items():
        company.plans[code] = _plan(company, _product(seller, node), code, node)
    for code, node in mapping(story, "coupons").items():
        company.coupons[code] = _coupon(company, code, node)
    for name, node in mapping(story, "customers").items():
        company.customers[name] = _customer(company, story, name, node)
    return company


def _register(seller: Seller, story: Node) -> None:
    """Let the rules of the tax speak: a seller that is registered at home, the dated rates (those
    that are shipped where the table is empty), and VAT numbers that have been seen to be valid.
    """
    if not TaxRate.objects.exists():
        load_rates(DEFAULT_FILE)
    seller.vat_number = f"{seller.country}0"
    seller.save(update_fields=["vat_number"])
    TaxRegistration.objects.create(
        seller=seller, country=seller.country, number=seller.vat_number, valid_from=date.min
    )
    for node in mapping(story, "customers").values():
        if number := node.get("vat_number"):
            VatNumberCheck.objects.create(
                seller=seller, number=plain_number(number), asked_at=clock.now(), answer="valid"
            )


def _product(seller: Seller, node: Node) -> Product:
    """What a plan sells: one product for each category of tax and kind of supply."""
    category = str(node.get("tax_category") or "standard")
    supply = str(node.get("supply") or Product.Supply.DIGITAL)
    if supply not in Product.Supply.values:
        raise ScenarioError(f"There is no kind of supply “{supply}”.", node.line)
    product, _ = Product.objects.get_or_create(
        seller=seller, name=f"{category} {supply}", tax_category=category, supply=supply
    )
    return product


def _meter(seller: Seller, code: str, node: Node) -> Meter:
    aggregation = node.get("aggregation", "sum")
    if aggregation not in Meter.Aggregation.values:
        raise ScenarioError(f"There is no aggregation “{aggregation}”.", node.line)
    rounding = mapping(node, "rounding")
    return Meter.objects.create(
        seller=seller,
        code=code,
        unit=str(node.get("unit") or ""),
        aggregation=aggregation,
        property=node.get("property") or "",
        filter=plain(node.get("filter") or {}),
        is_carried=bool(node.get("carry", False)),
        rounding_mode=rounding.get("mode") or "",
        rounding_digits=rounding.get("digits", 0),
    )


def _plan(company: Company, product: Product, code: str, node: Node) -> Plan:
    interval = mapping(node, "interval")
    count = interval.get("count", 1)
    if not isinstance(count, int) or count < 1:
        raise InvalidAgreement(
            f"The interval of {code} must count at least 1, not {count}.", code="invalid_interval"
        )
    plan = Plan.objects.create(
        seller=company.seller,
        product=product,
        code=code,
        name=node.get("name", code),
        family=node.get("family") or "",
        interval_unit=interval.get("unit", "month"),
        interval_count=count,
        trial_days=node.get("trial_days") or 0,
        is_trial_usage_billed=node.get("trial_usage", "free") == "billed",
        cycles=node.get("cycles"),
    )
    prices = [
        _price(company, plan, position, price, node.get("currency", company.currency))
        for position, price in enumerate(node.get("prices", []))
    ]
    for price in prices:
        price.terms().check()
    Price.objects.bulk_create(prices)
    return plan


def _price(company: Company, plan: Plan, position: int, node: Node, currency: str) -> Price:
    quantity = as_decimal(node, "quantity", 1)
    if quantity < 0:
        raise InvalidAgreement(f"A quantity cannot be {quantity}.", code="negative_quantity")
    meter = node.get("meter") or ""
    if meter and meter not in company.meters:
        raise ScenarioError(f"There is no meter “{meter}” here.", node.line, "unknown_name")
    values: dict[str, Any] = {
        name: as_money(node, name) for name in _AMOUNTS if node.get(name) is not None
    }
    return Price(
        plan=plan,
        code=str(node["code"]),
        currency=node.get("currency", currency),
        position=position,
        model=node.get("model", "flat"),
        billing=node.get("billing", "in_arrears" if meter else "in_advance"),
        tiers=[_tier(tier) for tier in node.get("tiers", [])],
        meter=meter,
        quantity=quantity,
        free_events=node.get("free_events"),
        is_prorated=node.get("proration", "days") != "none",
        tax=as_tax(node),
        is_used=True,
        **values,
    )


def _tier(node: Node) -> dict[str, str | None]:
    tier: dict[str, str | None] = {
        name: str(as_money(node, name))
        for name in ("unit_amount", "flat_amount", "rate")
        if node.get(name) is not None
    }
    bound = node.get("up_to")
    return tier | {"up_to": None if bound is None else str(as_decimal(node, "up_to"))}


def _coupon(company: Company, code: str, node: Node) -> Coupon:
    amount_off = node.get("amount_off")
    return Coupon.objects.create(
        seller=company.seller,
        code=code,
        percent_off=as_money(node, "percent_off") if node.get("percent_off") is not None else None,
        amount_off_minor=None
        if amount_off is None
        else exact_minor(as_money(node, "amount_off"), company.currency),
        currency=company.currency if amount_off is not None else "",
        duration=node.get("duration", "once"),
        periods=node.get("periods"),
        plans=node.get("plans") or [],
        prices=node.get("prices") or [],
    )


def _customer(company: Company, story: Node, name: str, node: Node) -> Customer:
    customer = Customer.objects.create(
        seller=company.seller,
        external_id=name,
        name=node.get("name", name),
        email=node.get("email", ""),
        language=node.get("language", "en"),
        country=node.get("country", story.get("country", "SE")),
        is_business=bool(node.get("business", False)),
        vat_number=node.get("vat_number") or "",
        net_terms_days=node.get("net_terms_days", 14),
        is_consolidated=bool(node.get("consolidate", True)),
        tax=as_tax(node),
    )
    balance = as_money(node, "balance", "0")
    if balance:
        steps = story.get("timeline") or []
        balances.give_credit(
            customer,
            currency=company.currency,
            amount_minor=exact_minor(balance, company.currency),
            description="Opening balance",
            as_of=as_date(steps[0], "on") if steps else date(2000, 1, 1),
            actor=ACTOR,
            is_confirmed=True,
        )
    return customer
