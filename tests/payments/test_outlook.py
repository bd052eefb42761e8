"""What becomes of a debt: nothing is promised that cannot happen."""

from datetime import timedelta
from typing import Any

import pytest

from billing.invoicing import documents
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.payments.actions import record_failure, record_payment, release_planned
from billing.payments.models import Payment, PaymentAllocation, PaymentMethod
from billing.payments.outlook import Outlook, Prospect, what_becomes_of
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)

pytestmark = pytest.mark.django_db


def owed(collection: str = "automatic", *, has_card: bool = True, **seller: Any) -> Invoice:
    made = SellerFactory(tax=[{"category": "S", "rate": "25"}], **seller)
    make_accounts(made)
    customer = CustomerFactory(seller=made, collection=collection)
    if has_card:
        PaymentMethod.objects.create(
            customer=customer, gateway="elsewhere", gateway_id=customer.public_id, is_default=True
        )
    plan = PlanFactory(seller=made)
    PriceFactory(plan=plan)
    SubscriptionFactory(customer=customer, plan=plan)
    bill_due(made, DAY, actor="test")
    return Invoice.objects.select_related("seller", "customer").get(seller=made)


def outlook(invoice: Invoice) -> Outlook:
    invoice.refresh_from_db()
    return what_becomes_of(invoice, DAY)


def test_a_planned_charge_of_a_card_is_promised_for_its_day() -> None:
    seen = outlook(owed())
    assert (seen.prospect, seen.on) == (Prospect.CHARGE, DAY)


def test_who_has_no_card_is_not_told_that_it_is_charged() -> None:
    invoice = owed(has_card=False, bankgiro="5050-1055")
    assert outlook(invoice).prospect is Prospect.PAY
    with documents.in_its_language(invoice):
        assert documents.document_in_words(invoice)["payment"]["rows"]


def test_a_customer_by_invoice_who_has_a_card_pays_by_the_due_date() -> None:
    seen = outlook(owed("invoice"))
    assert (seen.prospect, seen.on) == (Prospect.PAY, DAY + timedelta(days=14))


def test_what_nobody_planned_to_charge_is_not_promised_to_be() -> None:
    invoice = owed()
    release_planned(invoice)
    assert outlook(invoice).prospect is Prospect.PAY
    record_failure(invoice, as_of=DAY, actor="test")
    assert outlook(invoice).prospect is Prospect.FAILED


@pytest.mark.parametrize(
    ("state", "prospect"),
    [("requires_action", Prospect.CONFIRM), ("unknown", Prospect.UNDER_WAY)],
)
def test_what_is_in_flight_is_neither_charged_nor_asked_for(state: str, prospect: Prospect) -> None:
    invoice = owed()
    Payment.objects.filter(allocations__invoice=invoice).update(state="created")
    Payment.objects.filter(allocations__invoice=invoice).update(state=state)
    PaymentAllocation.objects.filter(invoice=invoice).update(state="in_flight")
    assert outlook(invoice).prospect is prospect


def test_no_card_page_is_offered_where_no_gateway_serves(settings: Any) -> None:
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    assert outlook(owed("invoice")).has_card_page
    assert not outlook(owed("invoice", is_live=True)).has_card_page


def test_what_is_paid_is_settled() -> None:
    invoice = owed("invoice")
    record_payment(invoice, as_of=DAY, actor="test")
    assert outlook(invoice).prospect is Prospect.SETTLED
