"""What goes wrong at a button is said in the page, and what was typed still stands there."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from billing.checkout.models import Order
from billing.checkout.offers import address_of, create_order
from catalog.models import Plan
from customers.calendar import today_of
from customers.models import Customer, Seller
from tests.browser.accessibility import complaints_of
from tests.browser.test_ordering import CONSENT, ORDER, expect_ordered, fill_in
from tests.browser.test_portal import Visitor
from tests.factories import CustomerFactory, SellerFactory, make_accounts
from tests.portal.doors import plan_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("served")]
AWAY = re.compile("We cannot be reached|Vi går inte att nå")
REFUSED = re.compile("was not accepted|godtogs inte")
FAILED = re.compile("This did not work|Det gick inte")


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(
        name="Rosteriet", tax=[{"category": "S", "rate": "25"}], language="en"
    )
    make_accounts(seller)
    return seller


@pytest.fixture
def plan(seller: Seller) -> Plan:
    plan: Plan = plan_of(seller, "310", name="Small")
    plan.prices.update(model="per_unit", name="Cups")
    return plan


@pytest.fixture
def context(window: Browser) -> Iterator[BrowserContext]:
    context = window.new_context(viewport={"width": 390, "height": 900}, reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def checkout(context: BrowserContext, plan: Plan) -> Page:
    _, token = create_order(plan.seller, plan, as_of=today_of(plan.seller), actor="shop")
    page = context.new_page()
    page.goto(address_of(token))
    fill_in(page)
    return page


@pytest.fixture
def details(context: BrowserContext, live_server: LiveServer, seller: Seller) -> Page:
    """Of who is signed in."""
    visitor = Visitor(context, live_server.url)
    visitor.sign_in(CustomerFactory(seller=seller))
    visitor.open("details/")
    return visitor.page


def test_offline_at_the_order_button_says_so_and_keeps_all(
    checkout: Page, context: BrowserContext
) -> None:
    context.set_offline(True)
    checkout.get_by_role("button", name=ORDER).click()
    expect(checkout.get_by_text(AWAY)).to_be_in_viewport()
    assert complaints_of(checkout) == []
    expect(checkout.get_by_label("City")).to_have_value("Göteborg")
    expect(checkout.get_by_label(CONSENT)).to_be_checked()
    context.set_offline(False)
    checkout.get_by_role("button", name=ORDER).click()
    expect_ordered(checkout)


def test_offline_at_a_number_says_so_and_the_button_orders_nothing_unseen(
    checkout: Page, context: BrowserContext
) -> None:
    context.set_offline(True)
    checkout.get_by_label("Cups").fill("9")
    checkout.get_by_label("City").focus()
    expect(checkout.get_by_text(AWAY)).to_be_visible()
    context.set_offline(False)
    checkout.get_by_role("button", name=ORDER).click()
    expect(checkout.get_by_text("have changed since you saw them")).to_be_visible()
    expect(checkout.locator("#figure")).to_contain_text("SEK\xa03,487.50")
    assert Order.objects.get().status == "open"


@pytest.mark.parametrize(("status", "said"), [(403, REFUSED), (500, FAILED), (503, FAILED)])
def test_an_answer_that_refuses_is_said_in_the_page(
    details: Page, status: int, said: re.Pattern[str]
) -> None:
    details.route("**/details/", lambda route: route.fulfill(status=status, body="bare words"))
    details.get_by_label("Name").fill("Åsa Berg")
    details.get_by_role("button", name="Save").click()
    expect(details.get_by_text(said)).to_be_in_viewport()
    expect(details.get_by_text("bare words")).to_have_count(0)
    expect(details.get_by_label("Name")).to_have_value("Åsa Berg")
    details.unroute("**/details/")
    details.get_by_role("button", name="Save").click()
    expect(details.get_by_text("Saved.")).to_be_visible()
    assert Customer.objects.get().name == "Åsa Berg"


def test_offline_at_a_form_that_the_browser_sends_stays_in_the_page(
    details: Page, context: BrowserContext
) -> None:
    details.get_by_role("button", name="Svenska").click()
    expect(details.get_by_role("button", name="Spara")).to_be_visible()
    context.set_offline(True)
    details.get_by_role("button", name="Logga ut").click()
    expect(details.get_by_text("Vi går inte att nå")).to_be_visible()


def test_cookies_that_were_lost_are_said_in_the_page(checkout: Page) -> None:
    checkout.context.clear_cookies()
    checkout.get_by_role("button", name=ORDER).click()
    expect(checkout.get_by_text(REFUSED)).to_be_in_viewport()
    expect(checkout.get_by_label("Name")).to_have_value("Åsa Öberg")


def test_another_language_keeps_the_form(checkout: Page) -> None:
    checkout.get_by_label("Cups").fill("3")
    checkout.get_by_role("button", name="Svenska").click()
    expect(checkout.get_by_role("button", name="English")).to_be_visible()
    assert checkout.evaluate("document.documentElement.lang") == "sv"
    expect(checkout.locator("#quantity-0")).to_have_value("3")
    expect(checkout.locator("#city")).to_have_value("Göteborg")
    expect(checkout.locator("#figure")).to_contain_text("1\xa0162,50")


def test_a_session_that_ended_leads_to_the_same_door_with_a_reason(details: Page) -> None:
    details.context.clear_cookies(name="portal")
    details.context.add_cookies(
        [{"name": "portal", "value": "gone", "url": details.url.replace("details/", "")}]
    )
    details.get_by_label("Name").fill("Åsa Berg")
    details.get_by_role("button", name="Save").click()
    expect(details.get_by_text("You have been signed out, so nothing has changed.")).to_be_visible()
    expect(details.get_by_text("Rosteriet").first).to_be_visible()
