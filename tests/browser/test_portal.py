"""The portal in a real browser: by hand, by keyboard, without scripts, and for everybody's eyes."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from billing.base import clock
from billing.invoicing.actions import add_one_off
from billing.invoicing.changes import bill_after
from billing.payments.booking import record_payment
from billing.payments.models import PaymentMethod
from billing.subscriptions import actions, pausing
from billing.subscriptions.models import Subscription
from customers.calendar import today_of
from customers.links import make_link
from customers.models import Customer, Seller
from tests.browser.accessibility import complaints_of
from tests.factories import CustomerFactory, PriceFactory, SellerFactory, make_accounts
from tests.portal.doors import plan_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("served")]
LONG = "Aktiebolaget Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamten & Söner"


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(tax=[{"category": "S", "rate": "25"}], language="en")
    make_accounts(seller)
    return seller


@pytest.fixture
def customer(seller: Seller) -> Customer:
    return CustomerFactory(seller=seller)


@pytest.fixture
def subscription(customer: Customer) -> Subscription:
    """Today's, with an invoice to pay; a larger plan is offered beside it."""
    plan_of(customer.seller, "620", name="Large")
    return started(customer, "310", name="Small")


def started(customer: Customer, amount: str, **fields: Any) -> Subscription:
    today = today_of(customer.seller)
    plan = plan_of(customer.seller, amount, **fields)
    change = partial(actions.start, customer, plan, as_of=today, actor="test")
    return bill_after(change, as_of=today, actor="test").subscription


class Visitor:
    """A page in which a customer is signed in, with what its console complained of."""

    def __init__(self, context: BrowserContext, base: str):
        self.page: Page = context.new_page()
        self.base = base
        self.complaints: list[str] = []
        self.page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def sign_in(self, customer: Customer) -> None:
        token = make_link(customer, "portal", now=clock.now())
        self.page.goto(f"{self.base}/portal/enter/{token}/")
        self.page.get_by_role("main").get_by_role("button").click()
        self.page.wait_for_url("**/portal/home/")

    def open(self, path: str) -> None:
        self.page.goto(f"{self.base}/portal/{path}")


@pytest.fixture
def visitor(window: Browser, live_server: LiveServer, customer: Customer) -> Iterator[Visitor]:
    context = window.new_context(viewport={"width": 360, "height": 740})
    visitor = Visitor(context, live_server.url)
    visitor.sign_in(customer)
    yield visitor
    context.close()
    assert visitor.complaints == []


def test_an_invoice_is_paid_at_the_gateway_and_the_receipt_is_there(
    visitor: Visitor, subscription: Subscription
) -> None:
    page = visitor.page
    visitor.open("home/")
    page.get_by_role("link", name="See invoice").click()
    page.get_by_role("button", name="Pay now").click()
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_label("Month").fill("12")
    page.get_by_label("Year").fill("2049")
    page.get_by_role("button", name=re.compile("Pay")).click()
    expect(page.get_by_role("heading", name=re.compile("Thank you"))).to_be_visible()
    assert complaints_of(page) == []
    page.get_by_role("link", name="Go to the overview").click()
    expect(page.get_by_text("Everything is paid.")).to_be_visible()
    visitor.open("invoices/")
    expect(page.get_by_text("Paid")).to_be_visible()


def test_a_plan_is_changed_after_its_lines_were_seen(
    visitor: Visitor, subscription: Subscription
) -> None:
    page = visitor.page
    seats = plan_of(subscription.seller, "10", name="Office")
    PriceFactory(plan=seats, code="seats", name="Seats", model="per_unit", amount="5")
    visitor.open(f"subscriptions/{subscription.public_id}/change/")
    expect(page.get_by_role("button", name="Show what you will pay")).to_be_hidden()
    # What is counted in a plan is asked for with it.
    page.get_by_label("Office").check()
    page.get_by_label("Seats").fill("3")
    page.get_by_label("Seats").blur()
    expect(page.locator("#outcome")).to_contain_text("Office – Seats")
    page.get_by_label("Large").check()
    expect(page.get_by_label("Seats")).to_have_count(0)
    # The lines come by themselves, and the page stays where it is.
    three = page.get_by_role("heading", name="What you will pay")
    expect(three).to_be_visible()
    assert page.url.endswith("/change/")
    page.get_by_label("when the next period begins").check()
    expect(page.locator(".three > li").first).to_contain_text("SEK\xa00.00")
    page.get_by_role("button", name="Change the subscription").click()
    expect(page.get_by_text("The subscription has been changed.")).to_be_visible()
    expect(page.get_by_text(re.compile("From .*: Large"))).to_be_visible()


def test_the_back_button_and_a_second_click_do_nothing_twice(
    visitor: Visitor, subscription: Subscription
) -> None:
    page = visitor.page
    visitor.open(f"subscriptions/{subscription.public_id}/pause/")
    page.get_by_role("button", name="Pause the subscription").dblclick()
    expect(
        page.get_by_text("It stays paused, and costs nothing, until you resume it")
    ).to_be_visible()
    page.go_back()
    button = page.get_by_role("button", name="Pause the subscription")
    if button.count():
        button.click()
    expect(
        page.get_by_text("It stays paused, and costs nothing, until you resume it")
    ).to_be_visible()
    assert subscription.pauses.count() == 1


def test_a_subscription_is_canceled_by_keyboard_alone(
    visitor: Visitor, subscription: Subscription
) -> None:
    page = visitor.page
    visitor.open(f"subscriptions/{subscription.public_id}/")
    page.keyboard.press("Tab")
    assert _focused(page) == "Skip to the content"
    _tab_to(page, "Cancel")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Cancel the subscription")).to_be_visible()
    _tab_to(page, "Cancel the subscription")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The subscription is canceled.")).to_be_visible()
    subscription.refresh_from_db()
    assert subscription.cancels_on is not None


def _tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if _focused(page) == name:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
            return
    raise AssertionError(f"There is no way to {name} by keyboard.")


def _focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def test_everything_works_without_scripts(
    window: Browser, live_server: LiveServer, customer: Customer, subscription: Subscription
) -> None:
    context = window.new_context(java_script_enabled=False)
    visitor = Visitor(context, live_server.url)
    page = visitor.page
    visitor.sign_in(customer)
    page.get_by_role("link", name="Small").click()
    page.get_by_role("link", name="Change", exact=True).click()
    page.get_by_label("Large").check()
    page.get_by_role("button", name="Show what you will pay").click()
    page.get_by_role("button", name="Change the subscription").click()
    expect(page.get_by_text("The subscription has been changed.")).to_be_visible()
    page.get_by_role("button", name="Svenska").click()
    expect(page.get_by_role("link", name="Fakturor").first).to_be_visible()
    page.get_by_role("button", name="Logga ut").click()
    expect(page.get_by_role("heading", name="Du är utloggad")).to_be_visible()
    context.close()


# For everybody's eyes


@pytest.fixture
def crowded(seller: Seller) -> Customer:
    """A customer with long names, large sums, and one of everything."""
    customer = CustomerFactory(seller=seller, name=LONG, business=True, language="sv")
    plan = plan_of(seller, "123456789.50", name=f"{LONG} Plus", family="x")
    PriceFactory(plan=plan, code="seats", name="Användare", model="per_unit", amount="12345.67")
    PriceFactory(
        plan=plan,
        code="calls",
        name="Anrop",
        model="graduated",
        billing="in_arrears",
        meter="calls",
        amount=0,
        tiers=[
            {"up_to": "100000", "unit_amount": "0", "flat_amount": "0"},
            {"up_to": None, "unit_amount": "0.0125", "flat_amount": "0"},
        ],
    )
    today = today_of(seller)
    change = partial(actions.start, customer, plan, as_of=today, actor="test")
    bill_after(change, as_of=today, actor="test")
    plan_of(seller, "99", name="Liten", family="x")
    paused = started(customer, "10", name="Pausad")
    pausing.pause(paused, as_of=today, actor="test")
    canceled = started(customer, "10", name="Uppsagd")
    actions.cancel(canceled, as_of=today, actor="test")
    record_payment(customer.documents.latest("pk"), as_of=today, actor="test")
    add_one_off(
        customer,
        amount_minor=100,
        currency="SEK",
        description="Kaffe",
        as_of=today,
        actor="test",
    )
    for last4, is_default in (("4242", True), ("0002", False)):
        PaymentMethod.objects.create(
            customer=customer,
            gateway="elsewhere",
            gateway_id=f"{customer.pk}-{last4}",
            brand="visa",
            last4=last4,
            expires_on=today.replace(day=1),
            is_default=is_default,
        )
    return customer


def addresses_of(customer: Customer) -> list[str]:
    """Every kind of page of who is signed in."""
    first, paused, canceled = customer.subscriptions.order_by("pk")
    liten = customer.seller.plans.get(name="Liten").public_id
    subscription = f"subscriptions/{first.public_id}/"
    return [
        "home/",
        "invoices/",
        "invoices/?q=nothing",
        *(f"invoices/{one.public_id}/" for one in customer.documents.order_by("pk")[:3]),
        "methods/",
        "details/",
        subscription,
        f"{subscription}change/",
        f"{subscription}change/?plan={liten}&when=now",
        f"{subscription}change/?plan={first.plan.public_id}&quantity-0=0",
        f"{subscription}coupon/?code=NONE",
        f"{subscription}pause/?length=until",
        f"{subscription}cancel/",
        f"subscriptions/{paused.public_id}/resume/",
        f"subscriptions/{canceled.public_id}/undo/",
        f"subscriptions/{canceled.public_id}/withdraw/",
    ]


@pytest.mark.parametrize(
    ("scheme", "language", "width"),
    [("light", "sv", 360), ("dark", "en", 360), ("light", "en", 1280)],
)
def test_axe_finds_nothing_and_no_page_is_wider_than_its_window(
    window: Browser,
    live_server: LiveServer,
    crowded: Customer,
    scheme: Any,
    language: str,
    width: int,
) -> None:
    context = window.new_context(
        viewport={"width": width, "height": 740}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
    visitor = Visitor(context, live_server.url)
    token = make_link(crowded, "portal", now=clock.now())
    found = []
    for path in ("", f"enter/{token}/", f"enter/{token[:-1]}x/", "?seller=sel_none"):
        visitor.open(path)
        found += _looked_at(visitor.page, path, width)
    visitor.open("")
    visitor.page.get_by_role("textbox").fill("nobody@example.com")
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("main").get_by_role("button").click()
    found += _looked_at(visitor.page, "sent", width)
    visitor.complaints.clear()  # A link that is cut short is not found, and the console says so.
    visitor.sign_in(crowded)
    for path in addresses_of(crowded):
        visitor.open(path)
        found += _looked_at(visitor.page, path, width)
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("button", name=re.compile("Sign out|Logga ut")).click()
    found += _looked_at(visitor.page, "sign-out/", width)
    assert found == []
    assert visitor.complaints == []
    context.close()


def twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _looked_at(page: Page, path: str, width: int) -> list[str]:
    found = [f"{path}: {complaint}" for complaint in complaints_of(page)]
    if page.evaluate("document.documentElement.scrollWidth") > width:
        found.append(f"{path} is wider than its window.")
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, .button, .menu a, input, select")]
            .filter((each) => !["hidden", "radio"].includes(each.type))
            .filter((each) => each.offsetParent && each.getBoundingClientRect().height < 44)
            .map((each) => each.outerHTML.slice(0, 80))"""
    )
    found += [f"{path}: too small to touch: {each}" for each in small]
    names = page.evaluate(
        """() => [...document.querySelectorAll("main button, main .button, main .receipt")]
            .map((each) => each.textContent.replace(/\\s+/g, " ").trim())"""
    )
    found += [f"{path}: several buttons are called {each}" for each in twice(names)]
    assert page.evaluate("document.documentElement.lang") in ("en", "sv")
    return found
