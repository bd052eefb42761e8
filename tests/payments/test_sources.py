"""Where a payment comes from: a gateway that is asked for it, or a person who saw it arrive."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from pgtrigger.registry import registered

from billing.api.resources.payments import PaymentReading
from billing.engine.errors import Refused
from billing.invoicing.actions import add_one_off
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.payments.booking import record_failure, record_payment
from billing.payments.charging import _begin
from billing.payments.gateways.registry import GATEWAYS
from billing.payments.models import Payment, PaymentMethod
from billing.payments.receipts import html_of
from customers.models import Seller
from tests.factories import DAY, CustomerFactory, PaymentFactory, SellerFactory, make_accounts

pytestmark = pytest.mark.django_db
BY_ANNA: dict[str, Any] = {"as_of": DAY, "actor": "user:anna"}
FILLING = import_module("billing.payments.migrations.0008_payments_have_their_source")
type Owe = Callable[..., Invoice]


@pytest.fixture
def owe() -> Owe:
    seller = SellerFactory(tax=[])
    make_accounts(seller)

    def bill(collection: str = "invoice", at: Seller = seller) -> Invoice:
        customer = CustomerFactory(seller=at, collection=collection, language="en")
        PaymentMethod.objects.create(
            customer=customer,
            gateway=GATEWAYS[0].name,
            gateway_id=customer.public_id,
            is_default=True,
        )
        add_one_off(customer, currency="SEK", amount_minor=10_000, description="Beans", **BY_ANNA)
        bill_due(at, DAY)
        return Invoice.objects.latest("id")

    return bill


def of(payment: Payment) -> tuple[str, str, str | None]:
    payment.refresh_from_db()
    return payment.source, payment.gateway, payment.reference


def test_what_is_planned_is_a_gateways_which_it_names_once_it_asks(owe: Owe) -> None:
    planned = Payment.objects.get(allocations__invoice=owe("automatic"))
    assert of(planned) == ("gateway", "", None)
    assert PaymentReading.show(planned)["gateway"] is None
    assert _begin(planned.pk, DAY, "test")
    assert of(planned) == ("gateway", "sandbox", None)
    assert PaymentReading.show(planned)["gateway"] == "sandbox"


def test_what_a_person_records_is_by_hand_with_the_banks_reference(owe: Owe) -> None:
    seen = record_payment(owe(), reference="bgc-1", **BY_ANNA)
    failed = record_failure(owe(), **BY_ANNA)
    assert [of(seen), of(failed)] == [("hand", "", "bgc-1"), ("hand", "", None)]
    shown = PaymentReading.show(seen)
    assert (shown["source"], shown["gateway"], shown["reference"]) == ("hand", "manual", "bgc-1")
    assert seen.through == "recorded by hand"


def test_a_reference_counts_once_for_a_seller_and_again_for_another(owe: Owe) -> None:
    record_payment(owe(), reference="bgc-1", **BY_ANNA)
    with pytest.raises(Refused, match="reference bgc-1 has been recorded"):
        record_payment(owe(), reference="bgc-1", **BY_ANNA)
    other = SellerFactory(tax=[])
    make_accounts(other)
    record_payment(owe(at=other), reference="bgc-1", **BY_ANNA)


def test_a_receipt_says_card_of_a_gateways_money_and_bank_of_what_a_person_saw(owe: Owe) -> None:
    invoice = owe()
    by_gateway = PaymentFactory(customer=invoice.customer, invoice=invoice, gateway="sandbox")
    assert "Card" in html_of(by_gateway)
    by_hand = PaymentFactory(customer=invoice.customer, invoice=invoice)
    assert "Bank transfer" in html_of(by_hand)


# Beside code of before, and after it


@pytest.mark.parametrize(
    ("row", "source"),
    [
        ({"state": "planned", "planned_on": DAY}, ("gateway", "manual", None)),
        ({"state": "created", "gateway": "sandbox"}, ("gateway", "sandbox", None)),
        ({"state": "failed"}, ("hand", "manual", None)),
        (
            {"state": "succeeded", "received_on": DAY, "gateway_key": "bgc-1"},
            ("hand", "manual", "bgc-1"),
        ),
    ],
)
def test_a_row_of_code_of_before_is_told_its_source(row: dict[str, Any], source: Any) -> None:
    written = {"gateway": "manual", "source": "", "received_on": None} | row
    assert of(PaymentFactory(**written)) == source


def test_rows_of_before_get_their_source_and_booked_ones_keep_their_gateway() -> None:
    rows = {
        "planned": ("gateway", "", None),
        "canceled": ("gateway", "", None),
        "failed": ("hand", "manual", None),
        "succeeded": ("hand", "manual", "bgc-1"),
    }
    made = {
        state: PaymentFactory(
            state=state,
            source=source,
            received_on=DAY if state == "succeeded" else None,
            gateway="manual",
            gateway_key=reference,
        )
        for state, (source, _, reference) in rows.items()
    }
    charged = PaymentFactory(gateway="sandbox", gateway_id="ch_1", gateway_key="chg_1")
    frozen = next(
        trigger.get_pgid(model)
        for model, trigger in registered()
        if trigger.name == "received_payment_is_never_edited"
    )
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE payments_payment DROP CONSTRAINT payment_is_of_its_source")
        # As it stood then: it did not yet know of the source.
        cursor.execute("ALTER TABLE payments_payment DISABLE TRIGGER USER")
        cursor.execute("UPDATE payments_payment SET source = '', reference = NULL")
        cursor.execute("ALTER TABLE payments_payment ENABLE TRIGGER USER")
        cursor.execute(f"ALTER TABLE payments_payment DISABLE TRIGGER {frozen}")
        for _ in range(2):
            cursor.execute(FILLING.TELL_THE_SOURCE)
    assert {state: of(payment) for state, payment in made.items()} == rows
    assert of(charged) == ("gateway", "sandbox", None)


def test_a_row_that_was_kept_from_before_there_was_a_source_is_read_all_the_same() -> None:
    row = Payment(source="", gateway="manual", received_on=DAY)
    assert PaymentReading.read_source(row) == "hand"
    assert PaymentReading.read_gateway(row) == "manual"
