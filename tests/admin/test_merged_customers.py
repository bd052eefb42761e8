"""Customers who were merged, at the desk: each page tells of the other, and the rest is found."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from billing.desk.model_admin import Desk
from billing.invoicing.panels import DOCUMENTS_OF_SUBSCRIPTION
from billing.mail.actions import post
from billing.mail.words.payments import RECEIPT
from billing.subscriptions.models import Subscription
from customers.admin import CustomerAdmin
from customers.models import Customer
from tests.admin.conftest import Rows
from tests.admin.shown import url
from tests.admin.test_two_tabs import opened
from tests.factories import CustomerFactory, mark_merged

pytestmark = pytest.mark.django_db

# What is still to come moves, so that a page has it of its own customer alone.
OF_ITS_OWN = {
    "Merged into this customer",
    "Subscriptions",
    "Balance",
    "Waiting for the next document",
    "Payment methods",
    "Pages at the gateway",
    "VAT number checks",
}


@pytest.fixture
def closed(rows: Rows) -> Customer:
    """One that has a row of everything that hangs on a customer."""
    customer: Customer = rows[Customer]
    post(RECEIPT, object="pay_1", customer=customer, facts={})
    mark_merged(customer, CustomerFactory(seller=customer.seller, name="Anna"))
    return customer


@pytest.fixture
def staying(closed: Customer) -> Customer:
    assert closed.merged_into is not None
    return closed.merged_into


def page_of(client: Client, customer: Customer) -> Any:
    return client.get(url(Customer, "change", customer.pk))


def listed_at(client: Client, address: str) -> set[Any]:
    return {*client.get(address).context["cl"].result_list}


def text_of(page: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.content.decode())).split())


def test_the_page_of_each_leads_to_the_other(
    anna: Client, closed: Customer, staying: Customer
) -> None:
    page = page_of(anna, closed)
    assert "Merged into" in text_of(page)
    assert f'href="{url(Customer, "change", staying.pk)}"' in page.content.decode()
    page = page_of(anna, staying)
    assert "Merged into this customer" in text_of(page)
    assert f'href="{url(Customer, "change", closed.pk)}"' in page.content.decode()


def test_the_page_of_whoever_is_lone_says_nothing_of_it(anna: Client) -> None:
    assert "Merged into" not in text_of(page_of(anna, CustomerFactory()))


def test_every_table_on_the_page_of_the_one_that_stays_has_what_is_of_both(
    anna: Client, closed: Customer, staying: Customer
) -> None:
    walked = set()
    for panel in CustomerAdmin.panels:
        if panel.title in OF_ITS_OWN:
            continue
        walked.add(panel.title)
        assert panel.list_of is not None
        own = {*panel.rows(closed)}
        assert own and own <= {*panel.rows(staying)}, panel.title
        listed = own & listed_at(anna, url(panel.list_of, "changelist"))
        assert listed <= listed_at(anna, panel._list_url(staying)), panel.title
        assert listed == listed_at(anna, panel._list_url(closed)) != set(), panel.title
    assert walked == {"Invoices and credit notes", "Payments", "Reminders", "Mail"}


def test_every_list_of_rows_of_customers_can_be_asked_for_several(
    anna: Client, closed: Customer, staying: Customer
) -> None:
    for model, page in admin.site._registry.items():
        fields = {field.name for field in model._meta.get_fields()}
        if not isinstance(page, Desk) or "customer" not in fields:
            continue
        address = url(model, "changelist")
        asked = f"{address}?customer__id__in={closed.pk},{staying.pk}"
        both = {each for each in listed_at(anna, address) if each.customer in (closed, staying)}
        assert listed_at(anna, asked) == both, model
        assert listed_at(anna, f"{address}?customer__id__in={staying.pk}") < both, model


def test_a_subscription_that_moved_has_the_documents_of_before_on_its_page(
    closed: Customer, staying: Customer
) -> None:
    subscription = Subscription.objects.get(customer=closed)
    before = {*DOCUMENTS_OF_SUBSCRIPTION.rows(subscription)}
    Subscription.objects.filter(pk=subscription.pk).update(customer=staying)
    subscription.refresh_from_db()
    assert before and {*DOCUMENTS_OF_SUBSCRIPTION.rows(subscription)} == before


def test_a_merged_customer_is_read_and_offered_nothing(
    anna: Client, closed: Customer, staying: Customer
) -> None:
    page = page_of(anna, closed)
    assert page.status_code == 200
    assert page.context["actions_detail"] == []
    assert page_of(anna, staying).context["actions_detail"]
    address = url(Customer, "change", closed.pk)
    assert anna.post(address, {"name": "Other"}).status_code == 403
    assert anna.post(url(Customer, "delete", closed.pk), {"post": "yes"}).status_code == 403
    closed.refresh_from_db()
    assert closed.name == "Thing 1"
    address = url(Customer, "change", staying.pk)
    saved = anna.post(address, opened(anna, address) | {"city": "Lund"})
    assert saved.status_code == 302


def test_lists_and_search_find_whoever_was_merged_and_say_so(
    anna: Client, closed: Customer, staying: Customer
) -> None:
    for term in (closed.name, closed.public_id):
        listed = anna.get(url(Customer, "changelist"), {"q": term})
        assert [*listed.context["cl"].result_list] == [closed]
        assert f"{closed.name} (merged)" in text_of(listed)
    found = anna.get(reverse("admin:search"), {"s": closed.public_id})
    assert "merged into Anna" in text_of(found)
