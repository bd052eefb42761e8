"""Who is one person: customers with one address, and those who were merged into another."""

import pytest

from billing.engine.errors import Refused
from customers.models import Customer
from customers.persons import (
    accounts_with,
    customers_of,
    ids_with_merged,
    led_to_by,
    person_ids,
    refuse_merged,
    staying_of,
)
from tests.factories import CustomerFactory, mark_merged

pytestmark = pytest.mark.django_db


@pytest.fixture
def staying() -> Customer:
    return CustomerFactory(email="anna@example.com")


@pytest.fixture
def closed(staying: Customer) -> Customer:
    closed = CustomerFactory(seller=staying.seller, email="anna@old.example")
    mark_merged(closed, staying)
    return closed


def test_a_person_is_a_customer_with_all_who_were_merged_into_it(
    staying: Customer, closed: Customer
) -> None:
    lone = CustomerFactory(seller=staying.seller)
    assert person_ids(staying) == person_ids(closed) == sorted([staying.pk, closed.pk])
    assert person_ids(lone) == [lone.pk]
    assert staying_of(closed) == staying_of(staying) == staying
    assert ids_with_merged(staying) == sorted([staying.pk, closed.pk])
    assert ids_with_merged(closed) == [closed.pk]


def test_whoever_has_the_address_of_one_of_them_is_that_person(
    staying: Customer, closed: Customer
) -> None:
    for address in (staying.email, closed.email):
        assert {*customers_of(staying.seller_id, address)} == {staying, closed}


def test_the_address_of_a_merged_customer_opens_no_account(
    staying: Customer, closed: Customer
) -> None:
    assert not accounts_with(staying.seller_id, closed.email)
    assert [*accounts_with(staying.seller_id, staying.email)] == [staying]


def test_the_address_of_a_merged_customer_leads_to_the_one_that_stays(
    staying: Customer, closed: Customer
) -> None:
    assert [*led_to_by("Anna@Old.example")] == [*led_to_by(staying.email)] == [staying]
    assert [*led_to_by("anna@nowhere.example")] == [*led_to_by("")] == []


def test_a_merged_customer_is_refused_with_the_name_of_the_one_that_stays(
    staying: Customer, closed: Customer
) -> None:
    refuse_merged(staying)
    with pytest.raises(Refused, match=staying.public_id) as refused:
        refuse_merged(closed)
    assert refused.value.code == "customer_merged"
    assert refused.value.details == {"customer": staying.public_id}
