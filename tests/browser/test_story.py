"""A customer's whole story in a real browser, with a real sandbox: from the order to the farewell.

They click as people do. Between the scenes time moves as the tick would find it, and links are
made as mails have them.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from playwright.sync_api import Browser, BrowserContext, Page, expect

from billing.checkout.models import Order
from billing.checkout.offers import address_of, create_order
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.payments.collection import collect_due
from billing.payments.models import Payment, PaymentMethod
from billing.subscriptions.models import Subscription
from billing.verification.books import broken_invariants
from catalog.models import Plan
from customers import links
from customers.calendar import now_of
from customers.links import Purpose, make_link
from customers.models import Customer, Seller
from dunning.cases import step_due
from tests.browser.accessibility import complaints_of
from tests.factories import CouponFactory, SellerFactory, make_accounts
from tests.portal.doors import plan_of

pytestmark = pytest.mark.django_db(transaction=True)

WORKS, DECLINED = "4242 4242 4242 4242", "4000 0000 0000 0002"
# Ahead of every browser's clock, so that no cookie is taken for an old one.
MARCH = datetime(2041, 3, 1, 12, tzinfo=UTC)
APRIL = datetime(2041, 4, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(served: None) -> Iterator[Any]:
    with time_machine.travel(MARCH, tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(
        name="Rosteriet", tax=[{"category": "S", "rate": "25"}], language="en"
    )
    make_accounts(seller)
    plan_of(seller, "620", name="Large")
    return seller


@pytest.fixture
def plan(seller: Seller) -> Plan:
    """310.00 a month, 387.50 with VAT."""
    plan: Plan = plan_of(seller, "310", name="Small")
    plan.prices.update(model="per_unit", name="Cups")
    return plan


@pytest.fixture
def page(window: Browser) -> Iterator[Page]:
    context = window.new_context(viewport={"width": 390, "height": 800}, reduced_motion="reduce")
    yield quiet_page(context)
    context.close()


COMPLAINTS: list[str] = []


def quiet_page(context: BrowserContext) -> Page:
    """A page whose console is listened to."""
    COMPLAINTS.clear()
    page = context.new_page()
    page.on("pageerror", lambda error: COMPLAINTS.append(str(error)))
    page.on("console", lambda said: COMPLAINTS.append(said.text) if said.type == "error" else None)
    return page


def checked(page: Page) -> None:
    """What stands there is for everybody's eyes and ears, and fits."""
    assert COMPLAINTS == [], page.url
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("window.innerWidth"), page.url
    # What axe does to the page is nothing that the page does.
    assert complaints_of(page) == [], page.url
    COMPLAINTS.clear()


def checkout_of(plan: Plan, **offer: Any) -> str:
    _, token = create_order(plan.seller, plan, as_of=MARCH.date(), actor="shop", **offer)
    return address_of(token)


def fill_in_details(page: Page) -> None:
    page.get_by_label("Email").fill("asa@example.com")
    page.get_by_label("Name").fill("Åsa Öberg")
    page.get_by_label("Address", exact=True).fill("Kungsportsavenyen 10")
    page.get_by_label("Postal code").fill("411 36")
    page.get_by_label("City").fill("Göteborg")
    page.get_by_label(re.compile("I have read")).check()


def order(page: Page) -> None:
    fill_in_details(page)
    page.get_by_role("button", name="Order with obligation to pay").click()
    expect(page.get_by_label("Card number")).to_be_visible()


def type_card(page: Page, number: str, button: str = "Pay|Save") -> None:
    """On the gateway's page, as in a shop."""
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Month").fill("12")
    page.get_by_label("Year").fill("2049")
    page.get_by_role("button", name=re.compile(button)).click()


def sign_in(page: Page, customer: Customer) -> None:
    """By the link that a mail has."""
    token = make_link(customer, Purpose.SIGN_IN, now=now_of(customer.seller))
    page.goto(links.address_of(Purpose.SIGN_IN, token))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Your subscriptions")).to_be_visible()
    checked(page)


def test_from_the_order_to_the_farewell(page: Page, plan: Plan, seller: Seller, clock: Any) -> None:
    orders_and_pays(page, plan)
    customer = Customer.objects.get()
    upgrades(page, customer)
    leaves_a_card_that_fails(page)
    clock.move_to(APRIL)
    is_charged_in_vain(seller)
    updates_the_card_and_recovers(page, Invoice.objects.latest("id"))
    pauses_and_resumes(page, customer)
    cancels_undoes_and_cancels(page)
    assert Subscription.objects.get().cancels_on == date(2041, 5, 1)
    assert broken_invariants() == {}


def orders_and_pays(page: Page, plan: Plan) -> None:
    page.goto(checkout_of(plan, success_url="https://rosteriet.example/thanks"))
    expect(page.get_by_role("heading", name="Small")).to_be_visible()
    checked(page)
    order(page)
    type_card(page, WORKS)
    expect(page.get_by_role("heading", name="Thank you for ordering Small")).to_be_visible()
    expect(page.get_by_text("SEK\xa0387.50 on 1\xa0April\xa02041")).to_be_visible()
    checked(page)
    receipt = page.get_by_role("link", name="Receipt (PDF)").get_attribute("href")
    answer = page.request.get(page.url.split("/pay/")[0] + str(receipt))
    assert answer.body().startswith(b"%PDF")
    back = page.get_by_role("link", name="Back to Rosteriet")
    assert back.get_attribute("href") == "https://rosteriet.example/thanks"
    subscription = Subscription.objects.get()
    assert (subscription.status, subscription.access) == ("active", "full")


def upgrades(page: Page, customer: Customer) -> None:
    sign_in(page, customer)
    page.get_by_role("link", name="Small").click()
    page.get_by_role("link", name="Change", exact=True).click()
    page.get_by_label("Large").check()
    expect(page.get_by_role("heading", name="What you will pay")).to_be_visible()
    checked(page)
    page.get_by_role("button", name="Change the subscription").click()
    expect(page.get_by_text("The subscription has been changed.")).to_be_visible()
    collect_due(customer.seller, MARCH.date(), "tick")
    assert Subscription.objects.get().plan.name == "Large"
    assert not Invoice.objects.exclude(status="paid").exists()


def leaves_a_card_that_fails(page: Page) -> None:
    """The gateway keeps it; that it has no money is seen when it is charged."""
    page.get_by_role("link", name="Payment methods").click()
    page.get_by_role("button", name="Add a card").click()
    type_card(page, DECLINED)
    page.wait_for_url("**/portal/back/**")
    assert PaymentMethod.objects.get(is_default=True).last4 == "0002"


def is_charged_in_vain(seller: Seller) -> None:
    """April's invoice is due, and the tick tries it as often as the policy says."""
    april = APRIL.date()
    bill_due(seller, april)
    for days in range(21):
        step_due(seller, april + timedelta(days=days), "tick")
        collect_due(seller, april + timedelta(days=days), "tick")
    assert Invoice.objects.latest("id").status == "open"
    assert Subscription.objects.get().access == "restricted"


def updates_the_card_and_recovers(page: Page, invoice: Invoice) -> None:
    token = make_link(invoice.customer, Purpose.METHOD, now=APRIL, subject=invoice.public_id)
    page.goto(links.address_of(Purpose.METHOD, token))
    expect(page.get_by_role("heading", name="Your payment did not go through")).to_be_visible()
    checked(page)
    page.get_by_role("button", name="Add another card").click()
    type_card(page, WORKS)
    expect(page.get_by_role("heading", name="Thank you, it is paid")).to_be_visible()
    expect(page.get_by_text("SEK\xa0775.00")).to_be_visible()
    checked(page)
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert Subscription.objects.get().access == "full"


def pauses_and_resumes(page: Page, customer: Customer) -> None:
    sign_in(page, customer)
    page.get_by_role("link", name="Large").click()
    page.get_by_role("link", name="Pause").click()
    page.get_by_role("button", name="Pause the subscription").click()
    expect(
        page.get_by_text("It stays paused, and costs nothing, until you resume it")
    ).to_be_visible()
    assert Subscription.objects.get().status == "paused"
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume the subscription").click()
    expect(page.get_by_text("Active", exact=True)).to_be_visible()
    assert Subscription.objects.get().status == "active"


def cancels_undoes_and_cancels(page: Page) -> None:
    cancels(page)
    page.get_by_role("link", name="Undo the cancellation").click()
    page.get_by_role("button", name="Keep the subscription").click()
    expect(page.get_by_text("Active", exact=True)).to_be_visible()
    assert Subscription.objects.get().cancels_on is None
    cancels(page)
    checked(page)


def cancels(page: Page) -> None:
    page.get_by_role("link", name="Cancel", exact=True).click()
    page.get_by_label(re.compile("Why")).select_option(index=1)
    page.get_by_role("button", name="Cancel the subscription").click()
    expect(page.get_by_text("The subscription is canceled.")).to_be_visible()


# What people do besides


def test_the_total_follows_what_is_typed(page: Page, plan: Plan, seller: Seller) -> None:
    CouponFactory(seller=seller, code="WELCOME")
    page.goto(checkout_of(plan))
    figure = page.locator("#figure")
    expect(figure).to_contain_text("SEK\xa0387.50")
    expect(page.get_by_role("button", name="Calculate the total")).to_be_hidden()
    page.get_by_label("Cups").fill("3")
    page.get_by_label("Discount code").fill("nope")
    expect(figure).to_contain_text("SEK\xa01,162.50")
    page.get_by_label("Email").focus()
    expect(page.locator("#coupon_said")).to_contain_text("We do not recognise this code.")
    page.get_by_label("Discount code").fill("welcome")
    page.get_by_label("Email").focus()
    expect(figure).to_contain_text("SEK\xa0930.00")
    checked(page)


def test_a_double_click_and_the_back_button_order_once(page: Page, plan: Plan) -> None:
    page.goto(checkout_of(plan))
    # Something is missing at first: the answer to that form is no page of the history.
    page.get_by_role("button", name="Order with obligation to pay").click()
    expect(page.get_by_text("Something is missing")).to_be_visible()
    checked(page)
    fill_in_details(page)
    page.get_by_role("button", name="Order with obligation to pay").dblclick()
    expect(page.get_by_label("Card number")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Your order is waiting for payment")).to_be_visible()
    checked(page)
    page.get_by_role("button", name=re.compile("Pay .* by card")).click()
    type_card(page, WORKS)
    expect(page.get_by_role("heading", name="Thank you for ordering Small")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", name="Thank you for ordering Small")).to_be_visible()
    assert Subscription.objects.count() == 1
    assert Payment.objects.filter(state="succeeded").count() == 1


def test_a_card_that_is_refused_is_followed_by_another(page: Page, plan: Plan) -> None:
    page.goto(checkout_of(plan))
    order(page)
    type_card(page, DECLINED)
    page.get_by_role("link", name=re.compile("Cancel|back", re.IGNORECASE)).first.click()
    expect(page.get_by_text("The bank declined the payment.")).to_be_visible()
    checked(page)
    page.get_by_role("button", name=re.compile("with another card")).click()
    type_card(page, WORKS)
    expect(page.get_by_role("heading", name="Thank you for ordering Small")).to_be_visible()
    assert PaymentMethod.objects.get().last4 == "4242"


def test_without_scripts_it_is_ordered_and_paid_as_well(window: Browser, plan: Plan) -> None:
    context = window.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(checkout_of(plan))
    page.get_by_label("Cups").fill("2")
    fill_in_details(page)
    page.get_by_role("button", name="Order with obligation to pay").click()
    # The sum that is to be agreed to is another: it is shown first.
    expect(
        page.get_by_text("The total or the terms have changed since you saw them.")
    ).to_be_visible()
    page.get_by_label(re.compile("I have read")).check()
    page.get_by_role("button", name="Order with obligation to pay").click()
    expect(page.get_by_label("Card number")).to_be_visible()
    type_card(page, WORKS)
    expect(page.get_by_role("heading", name="Thank you for ordering Small")).to_be_visible()
    assert Order.objects.get().quantities == {"fee": "2"}
    assert Invoice.objects.get().paid_minor == 77_500
    context.close()


@pytest.mark.parametrize(
    ("scheme", "language", "width"),
    [("light", "sv", 360), ("dark", "en", 360), ("dark", "sv", 1280), ("light", "en", 1280)],
)
def test_every_page_of_a_link_is_for_everybodys_eyes(
    window: Browser, plan: Plan, clock: Any, scheme: Any, language: str, width: int
) -> None:
    context = window.new_context(
        viewport={"width": width, "height": 740}, color_scheme=scheme, reduced_motion="reduce"
    )
    checkout = checkout_of(plan, language=language)
    context.add_cookies([{"name": "django_language", "value": language, "url": checkout}])
    page = quiet_page(context)
    page.goto(checkout)
    checked(page)
    order_in(page)
    page.go_back()
    checked(page)
    invoice = Invoice.objects.get()
    pay = make_link(invoice.customer, Purpose.PAY, now=MARCH, subject=invoice.public_id)
    method = make_link(invoice.customer, Purpose.METHOD, now=MARCH, subject=invoice.public_id)
    opened = [(Purpose.PAY, pay), (Purpose.METHOD, method)]
    for purpose, token in opened:
        page.goto(links.address_of(purpose, token))
        checked(page)
    clock.move_to(MARCH + timedelta(days=90))
    for address in (checkout, *(links.address_of(*link) for link in opened)):
        page.goto(address)
        COMPLAINTS.clear()  # That it is gone is what its status says, and the console repeats it.
        checked(page)
    context.close()


def order_in(page: Page) -> None:
    """Order in whatever language."""
    for name, value in (
        ("email", "asa@example.com"),
        ("name", "Åsa Öberg"),
        ("address_line1", "Kungsportsavenyen 10"),
        ("postal_code", "411 36"),
        ("city", "Göteborg"),
    ):
        page.locator(f"#{name}").fill(value)
    page.locator("#consent").check()
    page.locator("button[value=order]").click()
    page.wait_for_url("**/pay/ss_*")
