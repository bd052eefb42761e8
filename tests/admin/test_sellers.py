"""The seller that the desk is held to: sums, work and lists, until another is chosen."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from billing.desk.model_admin import Desk
from billing.desk.of_seller import OF_ALL_SELLERS, of_seller
from billing.front_page.overview import sums_of
from billing.front_page.scope import CHOSEN, scope_of
from billing.invoicing.models import Invoice
from billing.subscriptions.models import Subscription
from billing.usage.models import UsageRecord
from customers.models import Customer, Seller
from tests.admin.rows import fill
from tests.admin.shown import ALL, url
from tests.admin.test_actions import plain
from tests.factories import DAY, CustomerFactory, InvoiceFactory, SellerFactory

pytestmark = pytest.mark.django_db

HOME = "/admin/"
# What hangs on no seller: the machine's, the staff's and everybody's.
OF_NOBODY = {
    *("admin.LogEntry", "auth.Group", "auth.User", "axes.AccessAttempt", "axes.AccessLog"),
    *("jobs.Heartbeat", "jobs.JobRun", "outbound.Hold", "payments.GatewayEvent", "tax.TaxRate"),
} | OF_ALL_SELLERS


# What may be a seller's, and of whose rows those of the tests are all sellers'.
OF_ALL = {"events.Trouble", "outbound.KillSwitch"}


def choose(client: Client, seller: Seller | None, back: str = HOME) -> Any:
    asked = {"seller": seller.pk if seller else "", "next": back}
    return client.post(reverse("choose_seller"), asked)


def listed(client: Client, model: Any) -> set[Any]:
    return {row.pk for row in client.get(url(model, "changelist")).context["cl"].result_list}


def home(client: Client) -> str:
    return plain(client.get(HOME).content.decode())


def waiting(client: Client) -> dict[str, int]:
    context = client.get(HOME).context
    return {each["title"]: each["count"] for each in (*context["waiting"], *context["idle"])}


def test_lists_work_and_sums_are_of_the_chosen_seller(anna: Client) -> None:
    one, two = fill(1), fill(2)
    before = waiting(anna)
    assert choose(anna, one[Seller], "/admin/customers/customer/").url.endswith("/customer/")
    for model in (Customer, Invoice, Subscription):
        assert listed(anna, model) == {one[model].pk}
    assert "Only what belongs to Thing 1 is shown." in home_list(anna)
    assert waiting(anna)["Parked subscriptions"] == 1 < before["Parked subscriptions"]
    assert [seller.pk for seller in scope_of(one[Seller].pk).summed] == [one[Seller].pk]
    alone = sums_of(DAY, scope_of(one[Seller].pk))
    assert 2 * alone[0].billed_minor == sums_of(DAY, scope_of())[0].billed_minor
    choose(anna, None)
    assert listed(anna, Customer) == {one[Customer].pk, two[Customer].pk}
    assert waiting(anna) == before


def home_list(client: Client) -> str:
    return client.get(url(Customer, "changelist")).content.decode()


def test_every_list_is_held_to_the_seller_or_of_nobody(anna: Client) -> None:
    one, two = fill(1), fill(2)
    choose(anna, one[Seller])
    for model in ALL:
        if model._meta.label in OF_NOBODY:
            continue
        shown = listed(anna, model)
        assert one[model].pk in shown, model
        assert two[model].pk not in shown or model._meta.label in OF_ALL, model
    for model in ALL:
        is_held = of_seller(model._base_manager.all(), one[Seller]).query.where.children != []
        assert is_held == (model._meta.label not in OF_NOBODY), model


@pytest.mark.parametrize("label", sorted(OF_ALL_SELLERS))
def test_a_list_that_cannot_be_held_to_the_seller_says_that_it_shows_all(
    anna: Client, label: str
) -> None:
    one, two = fill(1), fill(2)
    model = apps.get_model(label)
    said = "This list shows all sellers, not only Thing 1."
    choose(anna, one[Seller])
    assert listed(anna, model) >= {one[model].pk, two[model].pk}
    assert said in anna.get(url(model, "changelist")).content.decode()
    assert "This list shows" not in home_list(anna)
    choose(anna, None)
    assert "This list shows" not in anna.get(url(model, "changelist")).content.decode()


def test_work_of_all_sellers_says_that_it_is(anna: Client) -> None:
    one = fill(1)
    assert "This counts all sellers." not in home(anna)
    choose(anna, one[Seller])
    notes = {each["title"]: each["note"] for each in anna.get(HOME).context["idle"]}
    notes |= {each["title"]: each["note"] for each in anna.get(HOME).context["waiting"]}
    told = {title for title, note in notes.items() if "This counts all sellers." in note}
    assert told == {"Undelivered events"}


def test_an_object_of_another_seller_still_opens(anna: Client) -> None:
    one, two = fill(1), fill(2)
    choose(anna, one[Seller])
    assert anna.get(url(Customer, "change", two[Customer].pk)).status_code == 200
    page: Any = admin.site.get_model_admin(Customer)
    assert isinstance(page, Desk)
    assert page.get_queryset(anna.get(HOME).wsgi_request).count() == 2


def test_live_sellers_beside_test_ones_leave_a_word_on_the_front_page(anna: Client) -> None:
    test = SellerFactory(name="Try")
    InvoiceFactory(customer=CustomerFactory(seller=test), lines=[{"amount_minor": 10_000}])
    assert "SEK 100" in home(anna) and "sums of test sellers: no real money" in home(anna)
    live = SellerFactory(name="Real", live=True)
    SellerFactory(name="Try again")
    shown = home(anna)
    assert "Test sellers left out: 2." in shown
    assert "Nothing has been billed or paid here" in shown
    assert re.search(rf'<option value="{test.pk}"\s*>\s*Try \(test\)', shown)
    choose(anna, test)
    shown = home(anna)
    assert "SEK 100" in shown and "left out" not in shown
    assert re.search(rf'<option value="{test.pk}"\s+selected\s*>\s*Try \(test\)', shown)
    choose(anna, live)
    assert "no real money" not in home(anna) and "How it is going" in home(anna)


def test_a_seller_alone_needs_no_picker(anna: Client) -> None:
    SellerFactory()
    assert "desk-seller" not in home(anna)
    SellerFactory()
    assert "desk-seller" in home(anna)


def test_times_are_those_of_the_chosen_seller(anna: Client) -> None:
    rows = fill(1)
    there = SellerFactory(time_zone="America/New_York")
    address = url(UsageRecord, "change", rows[UsageRecord].pk)
    for chosen, at in ((None, "12:00 UTC"), (there, "07:00 EST"), (rows[Seller], "13:00 CET")):
        choose(anna, chosen)
        assert at in anna.get(address).content.decode()


@pytest.mark.parametrize("asked", ["", "0", "x", "-1", "9" * 40, "99999"])
def test_who_is_not_there_is_not_chosen(anna: Client, asked: str) -> None:
    SellerFactory()
    away = anna.post(reverse("choose_seller"), {"seller": asked, "next": "https://evil.example/"})
    assert away.headers["Location"] == HOME
    assert anna.session[CHOSEN] is None
    assert anna.get(HOME).status_code == 200


def test_a_seller_is_chosen_by_staff_and_by_post_alone(anna: Client, client: Client) -> None:
    assert anna.get(reverse("choose_seller")).status_code == 405
    assert "login" in client.post(reverse("choose_seller"), {}).headers["Location"]
