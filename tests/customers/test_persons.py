"""Who is one person: customers with one address, and those who were merged into another."""

import pytest

from billing.engine.errors import Refused
from customers.models import Customer
from customers.persons import (
    accounts_with,
    customers_of,
    person_ids,
    refuse_merged,
    staying_of,
)
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db


def merged(closing: Customer, staying: Customer) -> Customer:
    """A customer who has nothing, as merged into another of its seller."""
    Customer.objects.filter(pk=closing.pk).update(merged_into=staying)
    closing.refresh_from_db()
    return closing


@pytest.fixture
def staying() -> Customer:
    return CustomerFactory(email="anna@example.com")


@pytest.fixture
def closed(staying: Customer) -> Customer:
    return merged(CustomerFactory(seller=staying.seller, email="anna@old.example"), staying)


def test_a_person_is_a_customer_with_all_who_were_merged_into_it(
    staying: Customer, closed: Customer
) -> None:
    lone = CustomerFactory(seller=staying.seller)
    assert person_ids(staying) == person_ids(closed) == sorted([staying.pk, closed.pk])
    assert person_ids(lone) == [lone.pk]
    assert staying_of(closed) == staying_of(staying) == staying


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


def test_a_merged_customer_is_refused_with_the_name_of_the_one_that_stays(
    staying: Customer, closed: Customer
) -> None:
    refuse_merged(staying)
    with pytest.raises(Refused, match=staying.public_id) as refused:
        refuse_merged(closed)
    assert refused.value.code == "customer_merged"
    assert refused.value.details == {"customer": staying.public_id}
