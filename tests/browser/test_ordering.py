"""What people do to the checkout: type fast, slowly, with a slow server, by keyboard, in two tabs.

A slow server is one whose answers are held until the test lets them go, so nothing depends on how
fast the machine is.
"""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from billing.checkout.models import Order
from billing.checkout.offers import address_of, create_order
from catalog.models import Plan
from customers.calendar import today_of
from customers.models import Seller
from tests.browser.accessibility import complaints_of
from tests.factories import CouponFactory, SellerFactory, make_accounts
from tests.portal.doors import plan_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("served")]
CONSENT, ORDER = re.compile("I have read"), "Order with obligation to pay"
CHANGED = re.compile("have changed since you saw them")


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(
        name="Rosteriet", tax=[{"category": "S", "rate": "25"}], language="en"
    )
    make_accounts(seller)
    CouponFactory(seller=seller, code="WELCOME")
    return seller


@pytest.fixture
def plan(seller: Seller) -> Plan:
    """387.50 a month with VAT, for each cup; 20 % less by the code."""
    plan: Plan = plan_of(seller, "310", name="Small")
    plan.prices.update(model="per_unit", name="Cups")
    return plan


@pytest.fixture
def checkout(plan: Plan) -> str:
    _, token = create_order(plan.seller, plan, as_of=today_of(plan.seller), actor="shop")
    return address_of(token)


@pytest.fixture
def page(window: Browser, checkout: str) -> Iterator[Page]:
    """The checkout, with everything typed and the box ticked."""
    context = window.new_context(viewport={"width": 390, "height": 2400}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(checkout)
    fill_in(page)
    yield page
    context.close()


def fill_in(page: Page) -> None:
    page.get_by_label("Email").fill("asa@example.com")
    page.get_by_label("Name").fill("Åsa Öberg")
    page.get_by_label("Address", exact=True).fill("Kungsportsavenyen 10")
    page.get_by_label("Postal code").fill("411 36")
    page.get_by_label("City").fill("Göteborg")
    page.get_by_label(CONSENT).check()


class SlowServer:
    """Holds what the page sends until it is let go."""

    def __init__(self, page: Page) -> None:
        self.page, self.held = page, list[Route]()
        page.route("**/pay/c/**", self._hold)

    def _hold(self, route: Route) -> None:
        if route.request.method == "POST":
            self.held.append(route)
        else:
            route.continue_()

    def wait_for(self, count: int) -> None:
        wait_until(self.page, lambda: len(self.held) == count)

    def let_go(self) -> None:
        for route in self.held:
            route.continue_()
        self.held.clear()


def wait_until(page: Page, is_so: Callable[[], bool]) -> None:
    for _ in range(200):
        if is_so():
            return
        page.wait_for_timeout(25)
    raise AssertionError("It did not become so.")


def press(page: Page, name: str) -> None:
    """Put the pointer on a button and hold it down."""
    box = page.get_by_role("button", name=name).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()


def expect_ordered(page: Page) -> None:
    expect(page.get_by_label("Card number")).to_be_visible()


def test_what_is_ticked_stays_ticked_where_the_sum_stays_the_same(page: Page) -> None:
    page.get_by_label("Discount code").fill("nope")
    page.get_by_label("Email").focus()
    expect(page.locator("#coupon_said")).to_contain_text("We do not recognise this code.")
    expect(page.get_by_label(CONSENT)).to_be_checked()
    expect(page.get_by_text(CHANGED)).to_be_hidden()


@pytest.mark.parametrize(
    ("field", "value", "sum_"),
    [
        ("Cups", "3", "SEK\xa01,162.50"),
        ("Discount code", "welcome", "SEK\xa0310.00"),
        ("Cups", "2", "SEK\xa0775.00"),
    ],
)
def test_the_box_is_unticked_and_says_so_when_something_else_is_agreed_to(
    page: Page, field: str, value: str, sum_: str
) -> None:
    page.get_by_label(field).fill(value)
    page.get_by_label("Email").focus()
    expect(page.locator("#figure")).to_contain_text(sum_)
    expect(page.get_by_label(CONSENT)).not_to_be_checked()
    expect(page.get_by_text(CHANGED)).to_be_visible()
    page.get_by_label(CONSENT).check()
    expect(page.get_by_text(CHANGED)).to_be_hidden()
    page.get_by_role("button", name=ORDER).click()
    expect_ordered(page)


def test_a_box_that_is_ticked_while_a_sum_is_on_its_way_is_the_same_box(page: Page) -> None:
    page.get_by_label(CONSENT).uncheck()
    server = SlowServer(page)
    page.get_by_label("Discount code").fill("nope")
    page.get_by_label("City").focus()
    server.wait_for(1)
    page.get_by_label(CONSENT).check()
    page.get_by_label("City").fill("Mölndal")
    server.let_go()
    expect(page.locator("#coupon_said")).to_contain_text("We do not recognise this code.")
    expect(page.get_by_label(CONSENT)).to_be_checked()
    expect(page.get_by_label("City")).to_have_value("Mölndal")


def test_a_button_that_is_pressed_while_a_sum_is_on_its_way_waits_and_says_so(page: Page) -> None:
    server = SlowServer(page)
    page.get_by_label("Discount code").fill("nope")
    page.get_by_role("button", name=ORDER).click()
    server.wait_for(1)
    expect(page.get_by_text("Calculating the total …")).to_be_visible()
    server.let_go()
    server.wait_for(1)
    expect(page.get_by_text("Sending your order …")).to_be_visible()
    server.let_go()
    expect(page.get_by_text("Something is missing")).to_be_visible()


def test_a_button_that_is_pressed_before_another_sum_is_there_orders_nothing(page: Page) -> None:
    server = SlowServer(page)
    page.get_by_label("Discount code").fill("welcome")
    page.get_by_role("button", name=ORDER).click()
    server.wait_for(1)
    server.let_go()
    expect(page.get_by_text(CHANGED)).to_be_visible()
    expect(page.get_by_label(CONSENT)).to_be_focused()
    assert Order.objects.get().status == "open"
    # What is ordered then is what stands there.
    page.get_by_label(CONSENT).check()
    page.get_by_role("button", name=ORDER).click()
    server.wait_for(1)
    server.let_go()
    expect_ordered(page)
    placed = Order.objects.get()
    assert placed.invoice is not None
    assert placed.invoice.total_minor == 31_000


def test_a_sum_that_comes_between_press_and_release_swallows_no_click(page: Page) -> None:
    page.get_by_label("Discount code").fill("nope")
    server = SlowServer(page)
    press(page, ORDER)
    server.wait_for(1)
    with page.expect_response("**/pay/c/**"):
        server.let_go()
    page.wait_for_timeout(100)
    expect(page.locator("#coupon_said")).not_to_contain_text("We do not recognise this code.")
    page.mouse.up()
    expect(page.get_by_text("Sending your order …")).to_be_visible()
    server.wait_for(1)
    server.let_go()
    expect(page.get_by_text("Something is missing")).to_be_visible()
    expect(page.locator("#coupon_said")).to_contain_text("We do not recognise this code.")


def test_a_press_that_leaves_the_field_is_a_click_however_fast_the_answer(page: Page) -> None:
    page.get_by_label("Cups").fill("2")
    press(page, ORDER)
    page.wait_for_timeout(600)
    page.mouse.up()
    expect(page.get_by_text(CHANGED)).to_be_visible()
    expect(page.get_by_label(CONSENT)).to_be_focused()


def test_what_is_typed_while_a_refused_order_is_on_its_way_is_kept(page: Page) -> None:
    page.get_by_label("City").fill("")
    server = SlowServer(page)
    page.get_by_role("button", name=ORDER).click()
    server.wait_for(1)
    page.get_by_label("City").fill("Mölndal")
    server.let_go()
    expect(page.get_by_text("Something is missing")).to_be_visible()
    expect(page.get_by_label("City")).to_have_value("Mölndal")


def test_it_is_ordered_by_keyboard_alone(page: Page) -> None:
    page.get_by_label("Cups").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#figure")).to_contain_text("SEK\xa0775.00")
    page.get_by_label(CONSENT).focus()
    expect(page.get_by_label(CONSENT)).not_to_be_checked()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect_ordered(page)
    assert Order.objects.get().quantities == {"fee": "2"}


def test_another_window_is_told_that_its_choice_was_not_ordered(page: Page, checkout: str) -> None:
    other = page.context.new_page()
    other.goto(checkout)
    fill_in(other)
    other.get_by_label("Cups").fill("5")
    other.get_by_label("Email").focus()
    expect(other.get_by_label(CONSENT)).not_to_be_checked()
    other.get_by_label(CONSENT).check()
    page.get_by_role("button", name=ORDER).click()
    expect_ordered(page)
    other.get_by_role("button", name=ORDER).click()
    expect(other.get_by_text("in another window was not ordered")).to_be_visible()
    assert Order.objects.get().quantities == {"fee": "1"}


def test_the_sum_and_the_button_are_for_everybodys_eyes(page: Page) -> None:
    page.get_by_label("Cups").fill("3")
    page.get_by_label("Email").focus()
    expect(page.get_by_text(CHANGED)).to_be_visible()
    assert complaints_of(page) == []
