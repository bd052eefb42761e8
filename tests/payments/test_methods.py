"""Which card is charged, and what a customer may take away."""

from typing import Any

import pytest

from billing.engine.errors import Refused
from billing.events.models import Event
from billing.payments import methods
from billing.payments.models import Payment, PaymentMethod
from customers.models import Customer
from tests.factories import (
    DAY,
    CustomerFactory,
    InvoiceFactory,
    PaymentFactory,
    SubscriptionFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer() -> Customer:
    return CustomerFactory(collection="automatic")


def card_of(customer: Customer, last4: str, **fields: Any) -> PaymentMethod:
    return PaymentMethod.objects.create(
        customer=customer,
        gateway="elsewhere",
        gateway_id=f"{customer.public_id}-{last4}",
        brand="visa",
        last4=last4,
        **fields,
    )


def events() -> list[tuple[str, str]]:
    found = Event.objects.filter(type__startswith="payment_method.").order_by("pk")
    return [(event.type, event.data["last4"]) for event in found]


def test_another_card_becomes_the_one_that_is_charged(customer: Customer) -> None:
    old, new = card_of(customer, "0001", is_default=True), card_of(customer, "0002")
    methods.make_default(new, as_of=DAY, actor="test")
    assert PaymentMethod.objects.usable().get(customer=customer) == new
    methods.make_default(new, as_of=DAY, actor="test")
    assert events() == [("payment_method.chosen", "0002")]
    old.refresh_from_db()
    assert not old.is_default


def test_what_waited_for_the_old_cards_turn_is_tried_with_the_new_one(customer: Customer) -> None:
    card_of(customer, "0001", is_default=True)
    waiting = PaymentFactory(
        customer=customer,
        planned=True,
        planned_on=DAY.replace(day=9),
        invoice=InvoiceFactory(customer=customer),
    )
    methods.make_default(card_of(customer, "0002"), as_of=DAY, actor="test")
    assert Payment.objects.get(pk=waiting.pk).planned_on == DAY


def test_a_card_that_its_bank_refuses_for_ever_is_not_charged(customer: Customer) -> None:
    refused = card_of(customer, "0001", refused_code="lost_card")
    with pytest.raises(Refused) as refusal:
        methods.make_default(refused, as_of=DAY, actor="test")
    assert refusal.value.code == "payment_method_refused"


def test_the_newest_card_that_works_takes_over_from_one_that_is_removed(
    customer: Customer,
) -> None:
    SubscriptionFactory(customer=customer)
    default = card_of(customer, "0001", is_default=True)
    card_of(customer, "0002")
    card_of(customer, "0003")
    card_of(customer, "0004", refused_code="lost_card")
    card_of(CustomerFactory(), "0005")
    methods.remove(default, as_of=DAY, actor="test")
    assert PaymentMethod.objects.usable().get(customer=customer).last4 == "0003"
    assert events() == [("payment_method.removed", "0001"), ("payment_method.chosen", "0003")]
    with pytest.raises(Refused) as refusal:
        methods.remove(default, as_of=DAY, actor="test")
    assert refusal.value.code == "payment_method_retired"
    with pytest.raises(Refused):
        methods.make_default(default, as_of=DAY, actor="test")


@pytest.mark.parametrize("what", ["subscription", "invoice"])
def test_the_only_card_stays_while_something_is_charged_to_it(
    customer: Customer, what: str
) -> None:
    if what == "subscription":
        SubscriptionFactory(customer=customer)
    else:
        InvoiceFactory(customer=customer)
    only = card_of(customer, "0001", is_default=True)
    with pytest.raises(Refused) as refusal:
        methods.remove(only, as_of=DAY, actor="test")
    assert refusal.value.code == "payment_method_needed"
    assert PaymentMethod.objects.usable().get(customer=customer) == only
    assert events() == []


@pytest.mark.parametrize(
    "reason", ["nothing is charged", "pays by invoice", "is not the one", "does not work"]
)
def test_a_card_that_nothing_is_charged_to_can_go(customer: Customer, reason: str) -> None:
    fields: dict[str, Any] = {"is_default": True}
    if reason != "nothing is charged":
        SubscriptionFactory(customer=customer)
    if reason == "pays by invoice":
        Customer.objects.update(collection="invoice")
        customer.refresh_from_db()
    if reason == "is not the one":
        card_of(customer, "0002", is_default=True)
        fields = {"is_default": False}
    if reason == "does not work":
        fields["refused_code"] = "lost_card"
    gone = methods.remove(card_of(customer, "0001", **fields), as_of=DAY, actor="test")
    assert gone.retired_at is not None
    assert not gone.is_default


def test_who_pays_by_invoice_can_have_their_card_charged(customer: Customer) -> None:
    Customer.objects.update(collection="invoice")
    customer.refresh_from_db()
    with pytest.raises(Refused) as refusal:
        methods.charge_from_now_on(customer, as_of=DAY, actor="test")
    assert refusal.value.code == "no_payment_method"
    card_of(customer, "0001", is_default=True)
    for _ in range(2):
        methods.charge_from_now_on(customer, as_of=DAY, actor="test")
    customer.refresh_from_db()
    assert customer.collection == "automatic"
    assert Event.objects.get(type="customer.changed").data == {"changed": ["collection"]}
