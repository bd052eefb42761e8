"""Names instead of ids on the desk, tables instead of JSON, words for yes and no."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from billing.desk.facts import facts_in, facts_of
from billing.desk.figures import NOTHING
from billing.events.models import Event
from billing.subscriptions.models import Subscription
from billing.usage.models import Meter
from catalog.models import Price
from customers.models import Customer
from tests.admin.conftest import Rows
from tests.admin.test_actions import act, act_url, invoice, page_url, re_spaced, subscription
from tests.factories import PlanFactory, PriceFactory, SellerFactory

__all__ = ["invoice", "subscription"]


def shown(client: Client, url: str) -> str:
    page = client.get(url)
    assert page.status_code == 200
    return re_spaced(page.content.decode())


def list_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def test_a_subscription_is_called_by_customer_and_plan(
    anna: Client, subscription: Subscription
) -> None:
    name = f"{subscription.customer.name} · {subscription.plan.name}"
    assert str(subscription) == name
    for url in (list_url(Subscription), page_url(subscription), act_url(subscription, "pause")):
        assert name in shown(anna, url)
    listed = shown(anna, list_url(Subscription))
    assert listed.index(name) < listed.index(f'text-xs">{subscription.public_id}')


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"amount": Decimal(249)}, "Kaffe · SEK 249.00 every month"),
        ({"amount": Decimal("0.5"), "model": "per_unit"}, "Kaffe · SEK 0.50 each every month"),
        ({"amount": Decimal(99), "billing": "once"}, "Kaffe · SEK 99.00 once"),
        ({"amount": Decimal(9), "name": "Mugg"}, "Kaffe, Mugg · SEK 9.00 every month"),
        ({"graduated": True}, "Kaffe · graduated in SEK every month"),
    ],
)
def test_a_price_is_called_by_plan_amount_and_interval(
    db: None, terms: dict[str, Any], said: str
) -> None:
    price = PriceFactory(**{"plan": PlanFactory(name="Kaffe"), "name": "", **terms})
    assert re_spaced(str(Price.objects.get(pk=price.pk))) == said
    with translation.override("sv"):
        assert re_spaced(str(price)) == said  # The log has one language.


@pytest.mark.parametrize(
    ("terms", "english", "swedish"),
    [
        ({"amount": "1.2", "model": "per_unit"}, "SEK 1.20 per kWh", "1,20 kr per kWh"),
        ({"amount": "0.0125", "model": "per_unit"}, "SEK 0.0125 per kWh", "0,0125 kr per kWh"),
        (
            {"amount": "90", "model": "package", "package_size": 100},
            "SEK 90.00 per 100 kWh",
            "90,00 kr per 100 kWh",
        ),
        (
            {"amount": "62", "model": "per_unit", "meter": ""},
            "SEK 62.00 each every month",
            "62,00 kr styck varje månad",
        ),
        ({"amount": "249", "meter": ""}, "SEK 249.00 every month", "249,00 kr varje månad"),
        ({"amount": "99", "meter": "", "billing": "once"}, "SEK 99.00 once", "99,00 kr en gång"),
    ],
)
def test_a_price_is_said_in_the_unit_of_its_meter_in_both_languages(
    db: None, terms: dict[str, Any], english: str, swedish: str
) -> None:
    plan = PlanFactory()
    Meter.objects.create(seller=plan.seller, code="power", unit="kWh")
    Meter.objects.create(seller=SellerFactory(), code="power", unit="of another seller")
    terms |= {"amount": Decimal(terms["amount"])}
    price = PriceFactory(**{"plan": plan, "name": "", "meter": "power", **terms})
    for found in (Price.objects.get(pk=price.pk), Price.objects.with_units().get(pk=price.pk)):
        for language, said in (("en", english), ("sv", swedish)):
            with translation.override(language):
                assert re_spaced(found.in_words()) == said


def test_where_a_meter_has_no_unit_a_price_is_per_unit(db: None) -> None:
    plan = PlanFactory()
    Meter.objects.create(seller=plan.seller, code="calls", unit="")
    terms = {"plan": plan, "name": "", "meter": "calls", "amount": Decimal("1.2")}
    each = PriceFactory(model="per_unit", **terms)
    package = PriceFactory(model="package", package_size=Decimal(100), code="package", **terms)
    with translation.override("sv"):
        said = [re_spaced(price.in_words()) for price in (each, package)]
    assert said == ["1,20 kr per enhet", "1,20 kr per 100 enheter"]


def test_lists_and_selects_say_prices_in_their_meters_units_in_few_statements(
    anna: Client, subscription: Subscription, customer: Customer
) -> None:
    plan = PlanFactory(
        seller=customer.seller, product=subscription.plan.product, family="coffee", name="El"
    )
    for number in range(3):
        Meter.objects.create(seller=plan.seller, code=f"m{number}", unit=f"kW{number}")
        terms = {"model": "per_unit", "meter": f"m{number}", "amount": Decimal("1.2"), "name": ""}
        PriceFactory(plan=plan, code=f"p{number}", **terms)
    swedish = {"accept-language": "sv"}
    with CaptureQueriesContext(connection) as captured:
        listed = re_spaced(anna.get(list_url(Price), headers=swedish).content.decode())
        url = act_url(customer, "start-subscription")
        field = anna.get(url, headers=swedish).context["form"].fields["plan"]
        labels = [re_spaced(label) for _, label in field.choices]
    assert "El · 1,20 kr per kW1" in listed
    assert "El · 1,20 kr per kW0, 1,20 kr per kW1, 1,20 kr per kW2" in labels
    of_meters = [each["sql"] for each in captured.captured_queries if "usage_meter" in each["sql"]]
    assert all("catalog_price" in sql for sql in of_meters)
    assert len(of_meters) <= 5, of_meters


def test_a_price_every_three_months_says_so(db: None) -> None:
    plan = PlanFactory(name="Kaffe", interval_count=3)
    assert (
        re_spaced(str(PriceFactory(plan=plan, name="", amount=Decimal(9))))
        == "Kaffe · SEK 9.00 every 3 months"
    )


def test_a_select_of_plans_says_what_they_cost_and_never_offers_a_name_twice(
    anna: Client, subscription: Subscription, customer: Customer
) -> None:
    same = {"seller": customer.seller, "product": subscription.plan.product, "name": "Espresso"}
    for amount in (249, 249, 129):
        PriceFactory(plan=PlanFactory(family="coffee", **same), amount=Decimal(amount), name="")
    for url in (act_url(customer, "start-subscription"), act_url(subscription, "change")):
        field = anna.get(url).context["form"].fields["plan"]
        labels = [re_spaced(label) for _, label in field.choices]
        assert len(labels) == len(set(labels))
        assert "Espresso · SEK 129.00 every month" in labels
        assert sum(label.startswith("Espresso · SEK 249.00 every month (") for label in labels) == 2


@pytest.fixture
def customer(subscription: Subscription) -> Customer:
    return subscription.customer


def test_a_search_for_a_choice_tells_those_of_one_name_apart(
    anna: Client, subscription: Subscription
) -> None:
    same = {"seller": subscription.seller, "product": subscription.plan.product, "name": "Espresso"}
    codes = {PlanFactory(**same).code for _ in range(2)}
    asked = {
        "app_label": "catalog",
        "model_name": "price",
        "field_name": "plan",
        "term": "Espresso",
    }
    found = anna.get(reverse("admin:autocomplete"), asked).json()["results"]
    assert {each["text"] for each in found} == {f"Espresso ({code})" for code in codes}


# Tables


@pytest.mark.parametrize("nothing", [None, "", {}, []])
def test_nothing_is_a_dash(nothing: Any) -> None:
    assert facts_of(nothing) == NOTHING


def test_json_is_a_table_of_label_and_value() -> None:
    told = facts_of(
        {
            "is_read": True,
            "was_sent": False,
            "total_minor": 12_50,
            "currency": "SEK",
            "ids": ["a", "b"],
            "note": None,
            "<b>": "<i>",
        }
    )
    assert '<th scope="row">Is read</th><td>yes</td>' in told
    assert "<td>no</td>" in told
    assert '<th scope="row">Total</th>' in told and "SEK\xa012.50" in told
    assert "<td>a, b</td>" in told and f"<td>{NOTHING}</td>" in told
    assert "<i>" not in told and "<b>" not in told
    rates = facts_of([{"category": "S", "rate": "25"}, {"category": "Z"}])
    assert '<th scope="col">Category</th><th scope="col">Rate</th>' in rates
    assert f"<tr><td>Z</td><td>{NOTHING}</td></tr>" in rates


@pytest.mark.parametrize("text", ["kind=paid&id=1", "{", "[" * 100_000])
def test_what_came_as_json_is_a_table_and_any_other_text_as_it_came(text: str) -> None:
    assert '<th scope="row">Id</th><td>evt_1</td>' in facts_in('{"id": "evt_1"}')
    assert facts_in(text) == text


def test_no_page_shows_json(anna: Client, rows: Rows) -> None:
    """Of all that is kept as JSON, on every page that does not edit it."""
    seen = 0
    for model, row in rows.items():
        kept = [each.name for each in model._meta.fields if each.get_internal_type() == "JSONField"]
        if not kept:
            continue
        page = anna.get(page_url(row))
        for fieldset in page.context["adminform"]:
            for line in fieldset:
                for field in line:
                    assert not getattr(field, "is_json", False), (model, field.field)
                    named = field.field["name"] if isinstance(field.field, dict) else ""
                    seen += named.endswith("_facts")
    assert seen > 5


def test_an_event_shows_its_details_as_a_table(anna: Client, invoice: Any) -> None:
    event = Event.objects.get(type="invoice.finalized")
    told = shown(anna, page_url(event))
    assert '<th scope="row">Customer</th>' in told
    assert "&quot;customer&quot;" not in told


def test_a_panel_says_yes_and_no(anna: Client, db: None) -> None:
    from billing.desk.panels import Panel

    panel = Panel("x", rows=lambda _: [True, False], columns={"On": lambda on: on})
    assert panel.context(SellerFactory())["rows"] == ["<td>yes</td>", "<td>no</td>"]


# The log


def test_the_log_says_what_was_done_and_nothing_of_forms(anna: Client, customer: Customer) -> None:
    act(anna, customer, "give-credit", currency="SEK", amount="25", description="Sorry")
    assert LogEntry.objects.get().change_message == "Gave a credit of 25.00 SEK."


def test_a_refused_form_may_be_sent_again(anna: Client, customer: Customer) -> None:
    asked = {"currency": "SEK", "description": "Sorry", "key": "once"}
    assert act(anna, customer, "give-credit", amount="0", **asked).startswith("REFUSED")
    assert act(anna, customer, "give-credit", amount="5", **asked).startswith("Gave")


def test_forms_of_one_key_about_two_objects_are_two(anna: Client, customer: Customer) -> None:
    other = type(customer).objects.create(seller=customer.seller, name="Other", country="SE")
    asked = {"currency": "SEK", "amount": "5", "description": "Sorry", "key": "once"}
    for each in (customer, other):
        assert act(anna, each, "give-credit", **asked).startswith("Gave")


def test_the_list_of_prices_says_each_amount_with_its_currency(anna: Client) -> None:
    for amount, currency in ((Decimal("199"), "SEK"), (Decimal("0.0125"), "EUR")):
        PriceFactory(plan=PlanFactory(), amount=amount, currency=currency)
    page = shown(anna, list_url(Price))
    assert "SEK 199.00" in page and "€0.0125" in page
