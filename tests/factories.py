"""Rows for tests, minimal and consistent: ``CustomerFactory()`` makes all that it hangs on.

Amounts named ``*_minor`` are in the currency's smallest unit, unit prices in major units. Pass the
seller (``CustomerFactory(seller=seller)``) where rows must share one; what is made from a customer
takes the customer's. Nothing here reads the clock: the world begins on :data:`DAY`.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import factory
from django.db.models import Model
from factory.django import DjangoModelFactory
from stdnum import luhn

from billing.engine.tax import Rate, TaxedDocument, tax_document
from billing.invoicing.models import Invoice, InvoiceLine, InvoiceTax, Letterhead
from billing.invoicing.number_series import NumberSeries
from billing.invoicing.snapshots import bill_to_of, digest_of, letterhead_of, ocr_reference
from billing.ledger.models import Account
from billing.payments.models import IN_FLIGHT, Payment, PaymentAllocation
from billing.subscriptions.models import BillingCycle, Subscription, SubscriptionItem
from catalog.models import Coupon, Plan, Price, Product
from customers.models import Customer, Seller

DAY = date(2026, 3, 1)
VAT_25 = [{"category": "S", "rate": "25", "inclusive": False, "name": ""}]
ACCOUNTS = (
    ("receivable", "1510", "Kundfordringar"),
    ("clearing", "1580", "Fordringar för kontokort"),
    ("bank", "1930", "Företagskonto"),
    ("customer_balance", "2420", "Förskott från kunder"),
    ("vat", "2611", "Utgående moms 25 %"),
    ("deferred_revenue", "2979", "Övriga förutbetalda intäkter"),
    ("revenue", "3041", "Försäljning tjänster 25 % moms"),
    ("rounding", "3740", "Öresutjämning"),
    ("bad_debt", "6351", "Konstaterade förluster på kundfordringar"),
)


def _organisation_number(n: int) -> str:
    """A valid number such as 559900-0014: nine digits and their Luhn digit."""
    digits = f"5599{n % 100_000:05d}"
    return f"{digits[:6]}-{digits[6:]}{luhn.calc_check_digit(digits)}"


if TYPE_CHECKING:

    class _Factory[Row: Model](DjangoModelFactory[Row]):
        """Calling a factory makes a row; the library's own types say it makes a factory."""

        def __new__(cls, **values: Any) -> Row: ...  # type: ignore[misc]

else:
    _Factory = DjangoModelFactory


class SellerFactory(_Factory[Seller]):
    """A Swedish test seller with all that its invoices show."""

    class Meta:
        model = Seller

    class Params:
        live = factory.Trait(is_live=True)
        empty = factory.Trait(  # Nothing but a name, as a seller is before it is set up.
            **dict.fromkeys(
                "legal_name seat organisation_number vat_number email phone website bankgiro iban "
                "bic address_line1 postal_code city".split(),
                "",
            )
        )

    name = factory.Sequence(lambda n: f"Rosteriet {n}")
    legal_name = factory.LazyAttribute(lambda seller: f"{seller.name} AB")
    country = "SE"
    seat = "Göteborg"
    currency = "SEK"
    time_zone = "Europe/Stockholm"
    language = "sv"
    organisation_number = factory.Sequence(_organisation_number)
    vat_number = factory.LazyAttribute(
        lambda seller: f"SE{seller.organisation_number.replace('-', '')}01"
    )
    has_f_tax = True
    email = "faktura@rosteriet.example"
    phone = "031-10 20 30"
    website = "https://rosteriet.example"
    bankgiro = "5050-1055"
    iban = "SE4550000000058398257466"
    bic = "ESSESESS"
    accent_color = "#1d5fbf"
    address_line1 = "Magasinsgatan 3"
    postal_code = "411 18"
    city = "Göteborg"


class CustomerFactory(_Factory[Customer]):
    """A Swedish consumer who pays by invoice; ``business=True`` for a company."""

    class Meta:
        model = Customer

    class Params:
        business = factory.Trait(
            is_business=True,
            name=factory.Sequence(lambda n: f"Bönfabriken {n} AB"),
            organisation_number=factory.Sequence(lambda n: _organisation_number(n + 50_000)),
            vat_number=factory.LazyAttribute(
                lambda customer: f"SE{customer.organisation_number.replace('-', '')}01"
            ),
        )

    seller = factory.SubFactory(SellerFactory)
    name = factory.Sequence(lambda n: f"Åsa Öberg {n}")
    email = factory.Sequence(lambda n: f"asa{n}@example.com")
    country = "SE"
    language = factory.SelfAttribute("seller.language")
    address_line1 = "Kungsportsavenyen 10"
    postal_code = "411 36"
    city = "Göteborg"


class ProductFactory(_Factory[Product]):
    class Meta:
        model = Product

    seller = factory.SubFactory(SellerFactory)
    name = factory.Sequence(lambda n: f"Kaffe {n}")


class PlanFactory(_Factory[Plan]):
    """A monthly plan without a price; make one with ``PriceFactory(plan=plan)``."""

    class Meta:
        model = Plan

    seller = factory.SubFactory(SellerFactory)
    product = factory.SubFactory(ProductFactory, seller=factory.SelfAttribute("..seller"))
    code = factory.Sequence(lambda n: f"plan-{n}")
    name = factory.Sequence(lambda n: f"Månadskaffe {n}")


class PriceFactory(_Factory[Price]):
    """100.00 a month in advance, in the seller's currency."""

    class Meta:
        model = Price

    class Params:
        # 0.10 for each of the first 100 calls, 0.05 for those after.
        graduated = factory.Trait(
            code="calls",
            model=Price.Model.GRADUATED,
            billing=Price.Billing.IN_ARREARS,
            meter="calls",
            amount=Decimal(0),
            tiers=[
                {"up_to": "100", "unit_amount": "0.10", "flat_amount": "0"},
                {"up_to": None, "unit_amount": "0.05", "flat_amount": "0"},
            ],
        )

    plan = factory.SubFactory(PlanFactory)
    code = "base"
    currency = factory.SelfAttribute("plan.seller.currency")
    amount = Decimal("100.00")


class CouponFactory(_Factory[Coupon]):
    """20 percent off the next document; ``amount=True`` for 50.00 off."""

    class Meta:
        model = Coupon

    class Params:
        amount = factory.Trait(percent_off=None, amount_off_minor=5000, currency="SEK")
        forever = factory.Trait(duration=Coupon.Duration.FOREVER)

    seller = factory.SubFactory(SellerFactory)
    code = factory.Sequence(lambda n: f"WELCOME{n}")
    percent_off = Decimal(20)


class SubscriptionFactory(_Factory[Subscription]):
    """An active monthly subscription from :data:`DAY`, due on its first day.

    With its cycle and an item for each price of its plan; a plan without prices gets one of
    100.00. ``items__agreed_amount=Decimal("79.50")`` sets a field of the items. A plan of one's own
    goes with a customer of its seller.
    """

    class Meta:
        model = Subscription
        skip_postgeneration_save = True

    customer = factory.SubFactory(CustomerFactory)
    seller = factory.SelfAttribute("customer.seller")
    plan = factory.SubFactory(PlanFactory, seller=factory.SelfAttribute("..seller"))
    currency = factory.SelfAttribute("seller.currency")
    time_zone = factory.SelfAttribute("seller.time_zone")
    starts_on = DAY
    paid_from = factory.SelfAttribute("starts_on")
    next_bill_on = factory.SelfAttribute("starts_on")

    @factory.post_generation
    def cycle(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
        """The grid from the paid start; ``cycle=False`` makes none."""
        if create and extracted is not False:
            BillingCycle.objects.create(
                subscription=self,
                starts_on=self.starts_on,
                interval_unit=self.plan.interval_unit,
                interval_count=self.plan.interval_count,
                anchor_on=self.paid_from,
                anchor_day=self.paid_from.day,
            )

    @factory.post_generation
    def items(self: Any, create: bool, extracted: Any, **kwargs: Any) -> None:
        """An item a price; ``items=False`` makes none, ``items__quantity=3`` is for all of them."""
        if not create or extracted is False:
            return
        prices = list(self.plan.prices.filter(currency=self.currency))
        if not prices:
            prices = [PriceFactory(plan=self.plan, currency=self.currency, is_used=True)]
        for price in prices:
            SubscriptionItem.objects.create(
                subscription=self,
                price=price,
                key=price.code,
                starts_on=self.starts_on,
                **{"quantity": price.quantity, "position": price.position, **kwargs},
            )
        self.plan.prices.filter(is_used=False).update(is_used=True)


def make_accounts(seller: Seller) -> dict[str, Account]:
    """The seller's accounts by role, with numbers of the BAS chart; made where missing."""
    roles = set(Account.Role.values)
    return {
        role: Account.objects.get_or_create(
            seller=seller, role=role, number=number, defaults={"name": name}
        )[0]
        for role, number, name in ACCOUNTS
        if role in roles
    }


class NumberSeriesFactory(_Factory[NumberSeries]):
    class Meta:
        model = NumberSeries
        django_get_or_create = ("seller", "kind")

    seller = factory.SubFactory(SellerFactory)
    kind = "invoice"


class LetterheadFactory(_Factory[Letterhead]):
    """The seller as it stands now; the same row again while nothing on it has changed."""

    class Meta:
        model = Letterhead
        django_get_or_create = ("seller", "digest")

    seller = factory.SubFactory(SellerFactory)
    content = factory.LazyAttribute(lambda letterhead: letterhead_of(letterhead.seller))
    digest = factory.LazyAttribute(lambda letterhead: digest_of(letterhead.content))


class InvoiceFactory(_Factory[Invoice]):
    """An issued invoice: one line of 100.00 and 25 % VAT, to pay 125.00 within 14 days.

    ``lines`` is a list of field values of InvoiceLine that stand in for the usual line's; the
    totals and VAT groups follow from them by the engine. Draft, open or paid by ``status``.
    """

    class Meta:
        model = Invoice
        skip_postgeneration_save = True

    class Params:
        credit_note = factory.Trait(
            kind=Invoice.Kind.CREDIT_NOTE, status="issued", credit_to=Invoice.CreditTo.BALANCE
        )
        draft = factory.Trait(status="draft", sequence=None, number=None, reference="")

    customer = factory.SubFactory(CustomerFactory)
    seller = factory.SelfAttribute("customer.seller")
    status = "open"
    sequence = factory.Sequence(lambda n: 1001 + n)
    number = factory.LazyAttribute(lambda invoice: str(invoice.sequence))
    reference = factory.LazyAttribute(lambda invoice: ocr_reference(invoice.sequence))
    currency = factory.SelfAttribute("seller.currency")
    language = factory.SelfAttribute("customer.language")
    issued_on = DAY
    due_on = factory.LazyAttribute(lambda invoice: invoice.issued_on + timedelta(days=14))
    letterhead = factory.SubFactory(LetterheadFactory, seller=factory.SelfAttribute("..seller"))
    bill_to = factory.LazyAttribute(lambda invoice: bill_to_of(invoice.customer))
    lines: Sequence[dict[str, Any]] = ({},)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **values: Any) -> Invoice:
        rows = [_line(number, row) for number, row in enumerate(values.pop("lines"), start=1)]
        taxed = _taxed(rows)
        discount_minor = sum(row["discount_minor"] for row in rows)
        rounding_minor = values.get("rounding_minor", 0)
        total_minor = taxed.gross_minor + rounding_minor
        totals = {
            "subtotal_minor": sum(row["amount_minor"] for row in rows),
            "discount_minor": discount_minor,
            "net_minor": taxed.net_minor,
            "tax_minor": taxed.tax_minor,
            "total_minor": total_minor,
            "amount_due_minor": total_minor - values.get("credit_applied_minor", 0),
        }
        invoice = super()._create(model_class, *args, **(totals | values))
        for row, net_minor in zip(rows, taxed.line_nets, strict=True):
            InvoiceLine.objects.create(invoice=invoice, **{"net_minor": net_minor, **row})
        for group in taxed.groups:
            InvoiceTax.objects.create(
                invoice=invoice,
                category=group.category,
                percent=group.percent,
                is_inclusive=group.is_inclusive,
                name=group.name,
                net_minor=group.net_minor,
                tax_minor=group.tax_minor,
            )
        return invoice


def _line(position: int, values: dict[str, Any]) -> dict[str, Any]:
    usual = {
        "position": position,
        "kind": InvoiceLine.Kind.RECURRING,
        "description": "Månadskaffe",
        "starts_on": DAY,
        "ends_on": date(2026, 4, 1),
        "quantity": Decimal(1),
        "unit_amount": Decimal("100.00"),
        "amount_minor": 10_000,
        "discount_minor": 0,
        "tax": VAT_25,
        "revenue_account": "3041",
    }
    return usual | values


def _taxed(rows: Sequence[dict[str, Any]]) -> TaxedDocument:
    return tax_document(
        [
            (
                row["amount_minor"] - row["discount_minor"],
                tuple(
                    Rate(
                        rate["category"],
                        Decimal(rate["rate"]),
                        rate.get("inclusive", False),
                        rate.get("name", ""),
                    )
                    for rate in row["tax"]
                ),
            )
            for row in rows
        ]
    )


class PaymentFactory(_Factory[Payment]):
    """A payment that has arrived; ``PaymentFactory(invoice=invoice)`` pays what is left of one.

    It was recorded by hand where no gateway is named.

    Only the payment and its allocation are written: the invoice and the ledger are the
    business of the payment's actions.
    """

    class Meta:
        model = Payment
        skip_postgeneration_save = True

    class Params:
        planned = factory.Trait(state="planned", planned_on=DAY, received_on=None)
        failed = factory.Trait(state="failed", received_on=None, failure_code="card_declined")

    customer = factory.SubFactory(CustomerFactory)
    seller = factory.SelfAttribute("customer.seller")
    currency = factory.SelfAttribute("seller.currency")
    amount_minor = 12_500
    state = "succeeded"
    received_on = DAY
    gateway = factory.LazyAttribute(lambda it: "sandbox" if it.state in IN_FLIGHT else "")
    source = factory.LazyAttribute(
        lambda it: "gateway" if it.gateway or it.state in ("planned", "canceled") else "hand"
    )

    @factory.post_generation
    def invoice(self: Any, create: bool, extracted: Invoice | None, **kwargs: Any) -> None:
        if create and extracted is not None:
            states = {"succeeded": "settled", "planned": "planned"}
            PaymentAllocation.objects.create(
                payment=self,
                invoice=extracted,
                amount_minor=self.amount_minor,
                state=states.get(self.state, "released"),
            )


def mark_merged(closing: Customer, staying: Customer) -> None:
    """Mark a customer as merged into another; what it has stays where it is."""
    Customer.objects.filter(pk=closing.pk).update(merged_into=staying)
    closing.refresh_from_db()
