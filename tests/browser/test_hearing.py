"""What somebody hears who does not see the page: one sentence, what is wrong, and where."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from billing.checkout.offers import address_of, create_order
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.calendar import today_of
from customers.models import Seller
from tests.browser.accessibility import complaints_of
from tests.browser.test_portal import Visitor, started
from tests.factories import CouponFactory, CustomerFactory, SellerFactory, make_accounts
from tests.portal.doors import plan_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("served")]


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(
        name="Rosteriet", tax=[{"category": "S", "rate": "25"}], language="sv"
    )
    make_accounts(seller)
    return seller


@pytest.fixture
def page(window: Browser, live_server: LiveServer) -> Iterator[Page]:
    context = window.new_context(viewport={"width": 390, "height": 900}, reduced_motion="reduce")
    context.add_cookies([{"name": "django_language", "value": "en", "url": live_server.url}])
    yield context.new_page()
    context.close()


@pytest.fixture
def checkout(page: Page, seller: Seller) -> Page:
    plan: Plan = plan_of(seller, "310", name="Liten")
    plan.prices.update(model="per_unit", name="Cups")
    _, token = create_order(seller, plan, as_of=today_of(seller), actor="shop")
    page.goto(address_of(token))
    return page


def test_another_sum_is_heard_in_one_sentence(checkout: Page) -> None:
    assert checkout.locator("#sum").get_attribute("aria-live") is None
    checkout.get_by_label("Cups").fill("2")
    checkout.get_by_label("City").focus()
    expect(checkout.locator("#heard")).to_have_text(re.compile(r"^\s*SEK\s775.00 every month\s*$"))


def test_a_code_that_is_refused_is_heard_and_marks_its_field_until_it_is_gone(
    checkout: Page,
) -> None:
    code = checkout.get_by_label("Discount code")
    code.fill("nope")
    checkout.get_by_label("City").focus()
    expect(code).to_have_attribute("aria-invalid", "true")
    expect(code).to_have_accessible_description(re.compile("We do not recognise this code"))
    expect(checkout.locator("#heard")).to_contain_text("We do not recognise this code")
    code.fill("")
    checkout.get_by_label("City").focus()
    expect(code).not_to_have_attribute("aria-invalid", "true")


def test_a_code_that_works_is_not_marked_as_refused(checkout: Page, seller: Seller) -> None:
    CouponFactory(seller=seller, code="WELCOME")
    code = checkout.get_by_label("Discount code")
    code.fill("welcome")
    code.blur()
    expect(checkout.locator("#coupon_said")).to_contain_text("has been applied")
    expect(code).not_to_have_attribute("aria-invalid", "true")


def test_no_trouble_is_shown_before_there_is_any(checkout: Page) -> None:
    expect(checkout.locator("#trouble")).to_be_hidden()


def test_a_form_that_is_refused_leads_to_a_list_of_what_is_wrong(checkout: Page) -> None:
    checkout.get_by_label("Name").fill("Åsa")
    checkout.get_by_role("button", name="Order with").click()
    expect(checkout.locator("#wrongs")).to_be_focused()
    for name in ("Email", "Address", "Postal code", "City"):
        field = checkout.get_by_label(name, exact=True)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile("Fill in this field"))
    assert complaints_of(checkout) == []
    checkout.locator("#wrongs").get_by_role("link", name="Postal code").click()
    expect(checkout.get_by_label("Postal code")).to_be_focused()
    checkout.locator("#wrongs").get_by_role("link", name="The box for the terms").click()
    expect(checkout.locator("#consent")).to_be_focused()


def test_fields_say_whether_they_are_required(checkout: Page) -> None:
    for name in ("Email", "Name", "Address", "Cups", "Country"):
        expect(checkout.get_by_label(name, exact=True)).to_have_attribute("aria-required", "true")
    checkout.get_by_text("I am ordering for a company").click()
    for name in ("Discount code", "Company", "VAT number"):
        expect(checkout.get_by_label(name)).to_have_accessible_name(re.compile("optional$"))


def test_names_in_another_language_say_in_which(checkout: Page) -> None:
    assert checkout.evaluate("document.documentElement.lang") == "en"
    expect(checkout.get_by_role("heading", name="Liten")).to_have_attribute("lang", "sv")


@pytest.fixture
def subscription(seller: Seller) -> Subscription:
    return started(CustomerFactory(seller=seller, name="Åsa"), "310", name="Liten")


def test_a_day_that_is_refused_is_heard_and_marks_its_field(
    page: Page, live_server: LiveServer, subscription: Subscription
) -> None:
    visitor = Visitor(page.context, live_server.url)
    visitor.sign_in(subscription.customer)
    visitor.open(f"subscriptions/{subscription.public_id}/pause/")
    shown = visitor.page
    shown.get_by_label("Until a certain day").check()
    day = shown.get_by_label("First day after")
    day.fill("2020-01-01")
    day.blur()
    expect(day).to_have_attribute("aria-invalid", "true")
    expect(day).to_have_accessible_description("Choose a day after today.")
    expect(shown.locator("#heard")).to_contain_text("Choose a day after today.")


def test_details_that_are_refused_lead_to_a_list_of_what_is_wrong(
    page: Page, live_server: LiveServer, subscription: Subscription
) -> None:
    visitor = Visitor(page.context, live_server.url)
    visitor.sign_in(subscription.customer)
    visitor.open("details/")
    visitor.page.get_by_label("Name").fill("")
    visitor.page.get_by_role("button", name="Save").click()
    expect(visitor.page.locator("#wrongs")).to_be_focused()
    visitor.page.locator("#wrongs").get_by_role("link", name="Name").click()
    expect(visitor.page.get_by_label("Name")).to_be_focused()
