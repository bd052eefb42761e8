import pytest
from django.db.models import Model

from billing.base.sql.reading import read, read_beside, read_values
from billing.invoicing.models import Invoice
from billing.subscriptions.models import Subscription, SubscriptionItem
from catalog.models import Plan, Price
from customers.models import Customer, Seller
from tests.factories import VAT_25, CustomerFactory, InvoiceFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

READ = (Customer, Seller, Plan, Price, Subscription, SubscriptionItem, Invoice)


@pytest.fixture
def rows(db: None) -> None:
    subscription = SubscriptionFactory()
    InvoiceFactory(customer=subscription.customer)
    Customer.objects.update(tax=VAT_25, metadata={"shop": "Göteborg"}, country="DK")


@pytest.mark.parametrize("model", READ)
def test_a_row_is_what_django_makes_of_it(model: type[Model], rows: None) -> None:
    expected = model._default_manager.latest("pk")
    [found] = read(model, "WHERE id = %s", [expected.pk])
    names = [field.attname for field in model._meta.concrete_fields]
    assert [(each, getattr(found, each)) for each in names] == [
        (each, getattr(expected, each)) for each in names
    ]
    assert [type(getattr(found, each)) for each in names] == [
        type(getattr(expected, each)) for each in names
    ]


def test_a_row_that_was_read_is_saved_as_a_row_that_is_there(rows: None) -> None:
    [customer] = read(Customer, "WHERE tax IS NOT NULL", [])
    customer.name = "Åsa Öberg"
    customer.save(update_fields=["name"])
    assert Customer.objects.get().name == "Åsa Öberg"
    assert not customer.get_deferred_fields()


def test_values_are_those_that_django_gives(rows: None) -> None:
    names = ["public_id", "tax", "country", "is_business"]
    found = read_values(Customer, names, "ORDER BY id", [])
    assert found == list(Customer.objects.values(*names).order_by("id"))
    assert found[-1]["tax"] == VAT_25


def test_columns_of_a_joined_table_come_beside_the_row(rows: None) -> None:
    joined = "JOIN customers_seller s ON s.id = customers_customer.seller_id"
    [(customer, beside)] = read_beside(Customer, "s.name, s.public_id", joined, [])
    assert beside == (customer.seller.name, customer.seller.public_id)


def test_what_is_asked_for_is_never_read_as_a_statement(rows: None) -> None:
    customer = CustomerFactory(name="'; DROP TABLE customers_customer; --")
    assert read(Customer, "WHERE name = %s", [customer.name]) == [customer]
    assert read(Customer, "WHERE name = %s", ["' OR true OR name = '"]) == []
