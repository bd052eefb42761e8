"""A subscription that cannot be billed: its page leads to where it is set right, which frees it."""

import re
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from billing.events.models import Event
from billing.invoicing.batch import bill_due
from billing.subscriptions import actions
from billing.subscriptions.models import Subscription
from billing.tax.models import TaxRate
from catalog.models import Price
from customers.models import Customer, Seller
from tests.admin.shown import url
from tests.admin.test_two_tabs import opened
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    ProductFactory,
    SellerFactory,
    make_accounts,
)

pytestmark = pytest.mark.django_db

LINK = re.compile(r'<a href="([^"]*)" class="text-link">([^<]*)</a>')


def begin(category: str = "food", **seller: Any) -> Subscription:
    """A subscription that is due today, of a seller without a tax of its own."""
    owner = SellerFactory(tax=None, **seller)
    make_accounts(owner)
    product = ProductFactory(seller=owner, tax_category=category)
    plan = PlanFactory(seller=owner, product=product)
    PriceFactory(plan=plan, tax=None)
    customer = CustomerFactory(seller=owner, tax=None)
    return actions.start(customer, plan, as_of=DAY, actor="user:anna")


def park_for_want_of_a_rate(category: str = "food", **seller: Any) -> Subscription:
    subscription = begin(category, **seller)
    assert bill_due(subscription.seller, DAY).parked == 1
    subscription.refresh_from_db()
    assert subscription.parked_reason.startswith("no_tax_rate: ")
    return subscription


def remedies(client: Client, subscription: Subscription) -> dict[str, str]:
    page = client.get(url(Subscription, "change", subscription.pk)).content.decode()
    (shown,) = re.findall(r"What to do.*?<div class=\"readonly[^>]*>(.*?)</div>", page, re.DOTALL)
    return {unescape(what): unescape(address) for address, what in LINK.findall(shown)}


def rate(**given: Any) -> dict[str, Any]:
    blank = {"valid_from": "", "valid_until": "", "source": "", "note": ""}
    return blank | {"country": "SE", "percent": "12", "is_default": "on"} | given


def is_free(subscription: Subscription) -> bool:
    subscription.refresh_from_db()
    return subscription.parked_reason == ""


def test_the_reason_leads_to_the_missing_rate_filled_in_and_setting_it_frees_at_once(
    anna: Client,
) -> None:
    parked = park_for_want_of_a_rate()
    other = park_for_want_of_a_rate(category="books")
    assert "price" not in parked.parked_reason
    found = remedies(anna, parked)
    add = found["Add a food tax rate for SE"]
    form = anna.get(add).context["adminform"].form
    assert (form["country"].value(), form["category"].value()) == ("SE", "food")
    for what, address in found.items():
        assert anna.get(address.partition("#")[0]).status_code == 200, what

    saved = anna.post(add, rate(category="food"), follow=True)
    assert "No longer parked, and billed by the next run: 1." in saved.content.decode()
    assert is_free(parked) and not is_free(other)
    told = Event.objects.get(type="subscription.unparked")
    assert (told.subject, told.actor) == (parked.public_id, "user:anna")
    assert bill_due(parked.seller, DAY).invoices == 1


def test_where_several_rates_hold_it_leads_to_them_and_choosing_the_default_frees(
    anna: Client,
) -> None:
    six, twelve = (
        TaxRate.objects.create(country="SE", category="food", percent=percent, is_default=False)
        for percent in (6, 12)
    )
    parked = park_for_want_of_a_rate()
    address = remedies(anna, parked)["Choose the default food rate of SE"]
    listed = anna.get(address).context["cl"].result_list
    assert {row.pk for row in listed} >= {six.pk, twelve.pk}
    page = url(TaxRate, "change", twelve.pk)
    assert anna.post(page, opened(anna, page) | {"is_default": "on"}).status_code == 302
    assert is_free(parked)


@pytest.mark.parametrize("model", [Customer, Seller])
def test_a_tax_that_is_stated_frees_too(anna: Client, model: Any) -> None:
    parked = park_for_want_of_a_rate()
    row = parked.customer if model is Customer else parked.seller
    address = remedies(anna, parked)[f"State the tax on {row}"]
    assert address == f"{url(model, 'change', row.pk)}#id_tax"
    page = url(model, "change", row.pk)
    assert anna.post(page, opened(anna, page)).status_code == 302
    assert not is_free(parked)
    assert anna.post(page, opened(anna, page) | {"tax-0-rate": "25"}).status_code == 302
    assert is_free(parked)


def test_a_file_of_rates_frees(tmp_path: Path) -> None:
    parked = park_for_want_of_a_rate(country="IS")
    parked.customer.country = "IS"
    parked.customer.save()
    head = "country,category,rate_percent,valid_from,valid_to,currency,source,confidence,note"
    file = tmp_path / "rates.csv"
    file.write_text(f"{head}\nIS,food,11,,,ISK,,,\n")
    out = StringIO()
    call_command("load_vat_rates", str(file), "--dry-run", stdout=out)
    assert not is_free(parked)
    call_command("load_vat_rates", str(file), stdout=out)
    assert is_free(parked)
    assert "No longer parked, and billed by the next run: 1." in out.getvalue()


def test_of_a_wrong_tax_it_leads_to_whose_it_is(anna: Client) -> None:
    parked = begin("standard")
    Subscription.objects.filter(pk=parked.pk).update(parked_reason="invalid_tax: It is wrong.")
    assert remedies(anna, parked) == {}
    Customer.objects.update(tax=[{"rate": "x"}])
    assert list(remedies(anna, parked)) == [f"State the tax on {parked.customer}"]


@pytest.mark.parametrize(
    ("reason", "what"),
    [
        ("unforeseen: KeyError: 1", "Read what went wrong; it is tried again automatically"),
        ("invalid_agreement: It ends before it starts.", "Look at the plan and its prices"),
    ],
)
def test_other_reasons_lead_somewhere_too(anna: Client, reason: str, what: str) -> None:
    parked = begin("standard")
    Subscription.objects.filter(pk=parked.pk).update(parked_reason=reason)
    assert anna.get(remedies(anna, parked)[what]).status_code == 200


def test_the_tax_of_a_price_that_is_agreed_to_is_refused_and_so_never_named(anna: Client) -> None:
    parked = park_for_want_of_a_rate()
    price = Price.objects.get()
    page = url(Price, "change", price.pk)
    anna.post(page, opened(anna, page) | {"tax-0-rate": "25"})
    price.refresh_from_db()
    assert price.tax is None
    assert not any("rice" in what for what in remedies(anna, parked))
