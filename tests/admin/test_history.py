"""The page of an object's history: who changed it, when, and what from what to what."""

import re
from html import unescape
from typing import Any

import pghistory
import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from pghistory.models import Event

from billing.base.sql.authorship import acting_as
from billing.desk.history import Entry, history_of
from billing.desk.model_admin import Desk
from customers.actions import change_details
from customers.models import Customer
from dunning.models import DunningPolicy, DunningStep
from tests.admin.conftest import Rows
from tests.admin.shown import url
from tests.admin.test_actions import act
from tests.admin.test_two_tabs import opened
from tests.factories import DAY, CouponFactory, PriceFactory

pytestmark = pytest.mark.django_db


def entries(row: Any) -> list[Entry]:
    return history_of(row, admin.site.get_model_admin(type(row))._parts)  # type: ignore[attr-defined]


def text_of(page: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.content.decode())).split())


def test_a_change_at_the_desk_is_told_with_its_author_and_both_values(
    anna: Client, rows: Rows
) -> None:
    customer = rows[Customer]
    page = url(Customer, "change", customer.pk)
    sent = opened(anna, page) | {"city": "Lund", "is_business": "on", "collection": "automatic"}
    assert anna.post(page, sent).status_code == 302
    newest = entries(customer)[0]
    assert (newest.who, newest.what) == ("anna", "Changed")
    assert [(each.label, each.before, each.after) for each in newest.changes] == [
        ("City", "Thing 1", "Lund"),
        ("Is business", "no", "yes"),
        ("Collection", "pays the invoice", "we charge the payment method"),
    ]
    shown = text_of(anna.get(url(Customer, "history", customer.pk)))
    assert "anna" in shown and "City Thing 1 Lund" in shown
    assert "Collection pays the invoice we charge the payment method" in shown


def test_a_job_the_api_and_a_customer_are_named_in_words(rows: Rows) -> None:
    customer = rows[Customer]
    for actor, url_, city in (
        ("job:bill", "", "Umeå"),
        ("", "/portal/details/", "Kiruna"),
        ("key:1", "/api/v1/customers/", "Ystad"),
    ):
        context = {"actor": actor} | ({"url": url_} if url_ else {})
        with pghistory.context(**context):
            change_details(customer, as_of=DAY, actor="test", city=city)
    assert [each.who for each in entries(customer)[:3]] == [
        "The shop, by the API",
        "The customer",
        "Kvitt, automatically",
    ]


def test_a_part_that_was_changed_or_taken_out_is_told_on_the_page_of_the_whole(
    anna: Client, rows: Rows
) -> None:
    policy = rows[DunningPolicy]
    step = DunningStep.objects.create(policy=policy, since="due", days=40, kind="suspend")
    step.days = 41
    step.save()
    step.delete()
    told = {each.what for each in entries(policy)}
    assert "Deleted: step the due date, 41, suspend access" in told
    assert "Added: step the due date, 40, suspend access" in told
    shown = text_of(anna.get(url(DunningPolicy, "history", policy.pk)))
    assert "Days 40 41" in shown


def test_what_a_button_did_is_told_without_the_key_of_its_form(anna: Client, rows: Rows) -> None:
    customer = rows[Customer]
    told = act(anna, customer, "give-coupon", coupon=CouponFactory(seller=customer.seller).pk)
    assert told.startswith("Gave the coupon")
    shown = text_of(anna.get(url(Customer, "history", customer.pk)))
    assert "(form" not in shown
    assert "anna" in shown and "Gave the coupon" in shown


def test_amounts_and_what_is_pointed_at_have_names(rows: Rows) -> None:
    price = PriceFactory(amount=199)
    (added,) = entries(price)
    said = {each.label: each.after for each in added.changes}
    assert (added.what, said["Plan"], said["Amount"]) == ("Added", str(price.plan), "199")


def as_any(model: Any) -> Any:
    return model


def test_every_tracked_object_has_its_history_on_a_page_of_its_own_or_of_its_whole() -> None:
    shown = set()
    for model, page in admin.site._registry.items():
        assert isinstance(page, Desk)
        shown |= {model, *(part for part, _ in page._parts)}
    tracked = {
        model.pgh_tracked_model
        for model in map(as_any, apps.get_models())
        if issubclass(model, Event) and model.pgh_tracked_model
    }
    assert len(tracked) > 10
    assert tracked <= shown


def test_who_may_not_see_an_object_does_not_see_its_history(rows: Rows, client: Client) -> None:
    client.force_login(User.objects.create_user("cleo", is_staff=True))
    assert client.get(url(Customer, "history", rows[Customer].pk)).status_code == 403


def test_what_a_command_did_names_it(rows: Rows) -> None:
    with acting_as("command:import"):
        change_details(rows[Customer], as_of=DAY, actor="test", city="Borås")
    assert entries(rows[Customer])[0].who == "manage.py import"
