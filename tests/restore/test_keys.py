"""What is billed again is charged under the same key; what is another charge never is."""

from datetime import date
from typing import Any

import pytest
from django.db import transaction

from billing.invoicing.actions import add_one_off, bill_customer
from billing.payments.keys import key_of_charge
from billing.payments.planning import plan
from tests.factories import CustomerFactory, SellerFactory

TODAY = date(2026, 3, 1)


def owed(customer: Any, text: str = "Mug") -> Any:
    item = add_one_off(
        customer, currency="SEK", amount_minor=700, description=text, as_of=TODAY, actor="test"
    )
    return item


def charged(customer: Any, item: Any) -> str:
    [invoice] = bill_customer(customer, as_of=TODAY, actor="test", one_offs=[item])
    payment = plan(invoice, TODAY)
    key = key_of_charge(payment, invoice)
    payment.gateway_key = key
    payment.save(update_fields=["gateway_key"])
    return key


class Lost(Exception):
    pass


def test_what_is_billed_again_has_the_key_of_before(db: None) -> None:
    customer = CustomerFactory(seller=SellerFactory(tax=[{"category": "S", "rate": "25"}]))
    item, keys = owed(customer), []
    for _ in range(2):
        with pytest.raises(Lost), transaction.atomic():
            keys.append(charged(customer, item))
            raise Lost
    assert len(set(keys)) == 1


def test_two_items_alike_and_a_second_attempt_have_keys_of_their_own(db: None) -> None:
    customer = CustomerFactory(seller=SellerFactory(tax=[{"category": "S", "rate": "25"}]))
    keys = [charged(customer, owed(customer)) for _ in range(2)]
    item = owed(customer)
    [invoice] = bill_customer(customer, as_of=TODAY, actor="test", one_offs=[item])
    first = plan(invoice, TODAY)
    first.move("created", gateway="sandbox", gateway_key=key_of_charge(first, invoice))
    first.move("failed")
    first.allocations.update(state="released")
    second = plan(invoice, TODAY)
    assert key_of_charge(first, invoice) == first.gateway_key
    keys += [str(first.gateway_key), key_of_charge(second, invoice)]
    assert len(set(keys)) == 4
