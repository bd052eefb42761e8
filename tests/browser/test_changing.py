"""What people do to the page of a change: the number that is seen is the number that is ordered."""

import re
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from billing.invoicing.changes import bill_after
from billing.subscriptions import actions
from billing.subscriptions.models import Subscription
from customers.calendar import today_of
from customers.models import Seller
from tests.browser.test_portal import Visitor
from tests.factories import CustomerFactory, PriceFactory, SellerFactory, make_accounts
from tests.portal.doors import plan_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("served")]
CHANGE = "Change the subscription"


@pytest.fixture
def subscription() -> Subscription:
    """One seat."""
    seller: Seller = SellerFactory(tax=[{"category": "S", "rate": "25"}], language="en")
    make_accounts(seller)
    plan = plan_of(seller, "0", name="Office")
    PriceFactory(plan=plan, code="seats", name="Seats", model="per_unit", amount="31")
    today = today_of(seller)
    change = partial(actions.start, CustomerFactory(seller=seller), plan, as_of=today, actor="test")
    return bill_after(change, as_of=today, actor="test").subscription


@pytest.fixture
def page(window: Browser, live_server: LiveServer, subscription: Subscription) -> Iterator[Page]:
    context = window.new_context(viewport={"width": 390, "height": 1600}, reduced_motion="reduce")
    visitor = Visitor(context, live_server.url)
    visitor.sign_in(subscription.customer)
    visitor.open(f"subscriptions/{subscription.public_id}/change/")
    yield visitor.page
    context.close()


def seats_of(subscription: Subscription) -> list[int]:
    return [int(item.quantity) for item in subscription.items.filter(key="seats", ends_on=None)]


def see(page: Page, number: str) -> None:
    page.get_by_label("Seats").fill(number)
    page.get_by_label("Seats").blur()
    expect(page.get_by_role("button", name=CHANGE)).to_be_visible()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0", "Order at least one."),
        ("", "Enter a whole number."),
        ("ten", "Enter a whole number."),
        ("100000", "You can order at most 9999 here."),
    ],
)
def test_what_is_no_number_to_order_says_so_and_takes_the_button_away(
    page: Page, subscription: Subscription, typed: str, said: str
) -> None:
    see(page, "7")
    field = page.get_by_label("Seats")
    field.press("Control+a")
    field.press("Delete")
    field.press_sequentially(typed)
    field.blur()
    expect(page.locator(".wrong")).to_have_text(said)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("button", name=CHANGE)).to_have_count(0)
    assert seats_of(subscription) == [1]


def test_a_number_that_is_typed_and_ordered_at_once_is_looked_at_first(
    page: Page, subscription: Subscription
) -> None:
    see(page, "7")
    page.route("**/change/?**", lambda route: None)
    page.get_by_label("Seats").fill("70")
    page.get_by_role("button", name=CHANGE).click()
    expect(page.get_by_text("have changed since you opened the page")).to_be_visible()
    expect(page.get_by_label("Seats")).to_have_value("70")
    assert seats_of(subscription) == [1]
    page.get_by_role("button", name=CHANGE).click()
    expect(page.get_by_text("The subscription has been changed.")).to_be_visible()
    assert seats_of(subscription) == [70]


def test_a_press_that_leaves_the_number_is_a_click_however_fast_the_answer(
    page: Page, subscription: Subscription
) -> None:
    see(page, "7")
    page.get_by_label("Seats").fill("8")
    box = page.get_by_role("button", name=CHANGE).bounding_box()
    assert box
    with page.expect_response(re.compile("quantity-0=8")):
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
    page.wait_for_timeout(100)
    page.mouse.up()
    expect(page.get_by_text("have changed since you opened the page")).to_be_visible()


def test_what_is_typed_while_the_lines_are_on_their_way_stays(
    page: Page, subscription: Subscription
) -> None:
    held = list[Route]()
    page.route("**/change/?**", lambda route: held.append(route))
    page.get_by_label("Seats").fill("3")
    page.get_by_label("Seats").blur()
    while not held:
        page.wait_for_timeout(25)
    page.get_by_label("Seats").fill("30")
    held.pop().continue_()
    expect(page.get_by_role("button", name=CHANGE)).to_be_visible()
    expect(page.get_by_label("Seats")).to_have_value("30")
