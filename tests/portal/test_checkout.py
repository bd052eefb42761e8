"""The pages of a link: a checkout, an invoice to pay, another card; with a real sandbox behind."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.checkout import placing
from billing.checkout.expiry import expire_orders
from billing.checkout.models import Order
from billing.checkout.offers import create_order
from billing.engine.errors import Refused
from billing.events.models import Event
from billing.events.recorder import deliver_due, fan_out
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.invoicing.voiding import void
from billing.mail.models import Message
from billing.mail.outbox import send_due
from billing.payments.booking import record_payment
from billing.payments.collection import collect_due
from billing.payments.methods import keep_method
from billing.payments.models import CheckoutSession, Payment
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import coupons
from billing.subscriptions.models import CouponRedemption, Subscription
from billing.usage.models import Meter
from billing.verification.books import broken_invariants
from catalog.models import Plan
from customers.links import Purpose, make_link
from customers.models import Customer, Seller
from dunning.cases import step_due
from dunning.models import DunningCase
from portal.words import state_of_subscription
from tests.factories import (
    DAY,
    CouponFactory,
    CustomerFactory,
    InvoiceFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)
from tests.portal.doors import sign_in
from tests.sandbox.process import RunningSandbox, running_sandbox

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DECLINED = "4000000000000002"
SHOP = "https://rosteriet.example/tack"
ASA = {
    "email": "asa@example.com",
    "name": "Åsa Öberg",
    "address_line1": "Kungsportsavenyen 10",
    "postal_code": "411 36",
    "city": "Göteborg",
    "country": "SE",
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as coordinates:
        yield coordinates


@pytest.fixture(autouse=True)
def connected(sandbox: RunningSandbox, settings: Any) -> None:
    settings.SANDBOX_URL, settings.SANDBOX_KEY = sandbox.url, sandbox.key
    settings.SANDBOX_HOOK_SECRET = sandbox.hook_secret
    settings.PUBLIC_URL = "http://testserver"
    for kind in ("down", "slow", "lost", "lie"):
        sandbox.fault(kind, times=0)


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(name="Rosteriet", tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    return seller


@pytest.fixture
def plan(seller: Seller) -> Plan:
    plan: Plan = PlanFactory(seller=seller, name="Kontorskaffe")
    PriceFactory(plan=plan, code="seats", name="Koppar", model="per_unit")
    return plan


@pytest.fixture
def address(plan: Plan) -> str:
    """Of an order's page, in Swedish."""
    _, token = create_order(
        plan.seller,
        plan,
        as_of=DAY,
        actor="test",
        success_url=f"{SHOP}?session={{CHECKOUT_SESSION_ID}}",
        cancel_url=SHOP + "?nej",
    )
    return f"/pay/c/{token}/"


@pytest.fixture
def visitor() -> Client:
    """One that must send the token of each form, as visitors do."""
    return Client(enforce_csrf_checks=True)


def text(answer: Any) -> str:
    page = answer.content.decode().replace("\N{NO-BREAK SPACE}", " ")
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"\s+value="([^"]*)"', page)
    return found[1] if found else ""


def send(visitor: Client, address: str, asked: dict[str, Any], at: str = "", **more: Any) -> Any:
    """Send the form of a page as it was shown."""
    page = visitor.get(address).content.decode()
    tokens = {"csrfmiddlewaretoken": hidden(page, "csrfmiddlewaretoken")}
    return visitor.post(at or address, {**tokens, **asked}, **more)


def order(visitor: Client, address: str, **asked: Any) -> Any:
    """Order as a person does who has looked at the sum for what they ask."""
    wished = {**ASA, "quantity-0": "1", "coupon": "", **asked}
    seen = hidden(send(visitor, address, {**wished, "act": "show"}).content.decode(), "seen")
    return send(visitor, address, {**wished, "seen": seen, "consent": "on", "act": "order"})


def gateway_page(answer: Any) -> str:
    found = re.search(r'content="0;url=([^"]+)"', answer.content.decode())
    assert found, text(answer)
    return found[1]


def deliver() -> None:
    """What the tick does about events, and about mail."""
    while fan_out() or deliver_due():
        pass


def come_back(visitor: Client, answer: Any) -> Any:
    """Follow where the gateway sends its customer: to the address that it was given."""
    path = answer.headers["Location"].removeprefix("http://testserver")
    return visitor.get(path, follow=True)


# What is seen


def test_the_page_asks_once_for_the_units_of_all_its_prices(
    visitor: Client, address: str, plan: Plan
) -> None:
    def statements(*codes: str) -> int:
        for code in codes:
            Meter.objects.create(seller=plan.seller, code=code, aggregation="sum", unit=code)
            terms = {"model": "per_unit", "meter": code, "billing": "in_arrears"}
            PriceFactory(plan=plan, code=code, name=code, **terms)
        visitor.get(address)
        with CaptureQueriesContext(connection) as asked:
            page = text(visitor.get(address))
        assert all(f"per {code}" in page for code in codes)
        return len(asked)

    assert statements("kg", "l") == statements("kWh", "km", "dl")


def test_the_page_says_what_it_costs_and_bears_the_words_of_the_law(
    visitor: Client, address: str
) -> None:
    page = text(visitor.get(address))
    assert "Kontorskaffe" in page
    assert "125,00 kr varje månad" in page
    assert "100,00 kr styck (exkl. moms)" in page
    assert "varav moms 25 %, 25,00 kr" in page
    assert "förnyas automatiskt varje månad" in page
    assert "1 april 2026" in page
    assert "Säg upp när du vill" in page
    assert "Beställ med betalningsskyldighet" in page
    visitor.cookies["django_language"] = "en"
    assert "Order with obligation to pay" in text(visitor.get(address))


def test_to_look_changes_nothing(visitor: Client, address: str) -> None:
    visitor.get(address)
    send(visitor, address, {**ASA, "quantity-0": "3", "act": "show"})
    for model in (Customer, Subscription, Invoice, Payment):
        assert not model._base_manager.exists()
    assert list(Event.objects.values_list("type", flat=True)) == ["checkout.created"]


def test_the_page_is_found_kept_and_told_by_nobody(visitor: Client, address: str) -> None:
    answer = visitor.get(address)
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in answer.headers["Cache-Control"]
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    page = answer.content.decode()
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=", page)


def test_another_quantity_is_reckoned_anew_by_itself(visitor: Client, address: str) -> None:
    answer = send(
        visitor, address, {"quantity-0": "3", "country": "SE"}, headers={"HX-Request": "true"}
    )
    page = answer.content.decode()
    assert "375,00 kr" in text(answer)
    assert 'id="figure" hx-swap-oob="true"' in page
    assert "<html" not in page


def test_a_code_that_is_wrong_is_told_beside_its_field(
    visitor: Client, address: str, plan: Plan
) -> None:
    CouponFactory(seller=plan.seller, code="ANNAN", plans=["another"])
    for code, said in (("NOPE", "Vi känner inte igen koden"), ("annan", "gäller inte den här")):
        answer = send(visitor, address, {"quantity-0": "1", "coupon": code, "act": "show"})
        assert said in text(answer)
        assert "125,00 kr" in text(answer)


def test_a_code_that_is_right_is_taken_off(visitor: Client, address: str, plan: Plan) -> None:
    CouponFactory(seller=plan.seller, code="WELCOME", name="Välkommen")
    answer = send(visitor, address, {"quantity-0": "1", "coupon": "welcome", "act": "show"})
    assert "100,00 kr i dag, sedan 125,00 kr varje månad" in text(answer)
    assert "Koden WELCOME är tillagd. Rabatten är inräknad i summan nedan." in text(answer)


def test_a_discount_for_a_time_is_not_shown_as_the_price_for_ever(
    visitor: Client, address: str, plan: Plan
) -> None:
    CouponFactory(seller=plan.seller, code="WELCOME", duration="repeating", periods=3)
    answer = send(visitor, address, {"quantity-0": "1", "coupon": "welcome", "act": "show"})
    said = text(answer)
    assert "100,00 kr varje månad och 125,00 kr från den 1 juni 2026" in said
    assert "När rabatten är slut från den 1 juni 2026 125,00 kr" in said
    agreed = (
        "Från den 1 juni 2026 gäller inte rabatten längre. Då betalar du 125,00 kr varje månad."
    )
    assert agreed in said
    order(visitor, address, coupon="welcome")
    kept = Order.objects.get(plan=plan).consent["text"]
    assert agreed in kept.replace("\xa0", " ")


def test_what_cannot_be_billed_is_not_sold(visitor: Client, seller: Seller) -> None:
    Seller.objects.filter(pk=seller.pk).update(tax=None)
    seller.refresh_from_db()
    plan = PlanFactory(seller=seller, trial_days=14)
    PriceFactory(plan=plan)
    _, token = create_order(seller, plan, as_of=DAY, actor="test")
    answer = visitor.get(f"/pay/c/{token}/")
    assert answer.status_code == 409
    assert "går inte att beställa just nu" in text(answer)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "//evil.example",
        "https://shop.example@evil.example",
        "https://shop.example/\n",
        "https:///path",
    ],
)
def test_the_way_back_is_the_shops_own_web_page(plan: Plan, url: str) -> None:
    for name in ("success_url", "cancel_url"):
        with pytest.raises(Refused) as refused:
            offer: dict[str, Any] = {name: url}
            create_order(plan.seller, plan, as_of=DAY, actor="test", **offer)
        assert refused.value.code == "invalid_url"


def test_an_address_that_is_cut_off_opens_nothing(visitor: Client, address: str) -> None:
    answer = visitor.get(address[:-5] + "/")
    assert answer.status_code == 404
    assert "does not work" in text(answer)


# Ordering


def test_a_form_of_another_site_is_refused(visitor: Client, address: str) -> None:
    assert visitor.post(address, {**ASA, "act": "order"}).status_code == 403
    assert visitor.post(f"{address}card/").status_code == 403
    assert visitor.get(f"{address}card/").status_code == 405


def test_what_is_missing_is_told_beside_its_field_and_nothing_is_ordered(
    visitor: Client, address: str
) -> None:
    answer = order(visitor, address, email="no", name="", consent="")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'aria-describedby="name_error"' in page
    assert "Skriv en adress som namn@example.com." in page
    assert not Subscription.objects.exists()


def test_a_number_of_a_card_is_refused_and_stored_nowhere(visitor: Client, address: str) -> None:
    answer = order(visitor, address, city="4242 4242 4242 4242")
    assert "ser ut som ett kortnummer" in text(answer)
    assert not Customer.objects.exists()


def test_without_the_box_nothing_is_ordered(visitor: Client, address: str) -> None:
    seen = hidden(visitor.get(address).content.decode(), "seen")
    answer = send(visitor, address, {**ASA, "quantity-0": "1", "seen": seen, "act": "order"})
    assert "Kryssa i rutan" in text(answer)
    assert not Subscription.objects.exists()


def test_a_sum_that_was_not_seen_is_shown_before_it_is_ordered(
    visitor: Client, address: str
) -> None:
    """As where no script has reckoned anew, and the quantity was changed last."""
    seen = hidden(visitor.get(address).content.decode(), "seen")
    asked = {**ASA, "quantity-0": "7", "seen": seen, "consent": "on", "act": "order"}
    answer = send(visitor, address, asked)
    assert "Summan eller villkoren har ändrats" in text(answer)
    assert "875,00 kr" in text(answer)
    assert "checked" not in answer.content.decode()
    assert not Subscription.objects.exists()


def test_a_person_orders_pays_and_gets_a_receipt(
    visitor: Client, address: str, sandbox: RunningSandbox
) -> None:
    left = order(visitor, address, **{"quantity-0": "2"})
    placed = Order.objects.get()
    assert (placed.status, placed.quantities) == ("placed", {"seats": "2"})
    assert "Beställ med betalningsskyldighet" in placed.consent["text"]
    assert "250,00 kr" in placed.consent["text"].replace("\N{NO-BREAK SPACE}", " ")
    assert placed.consent["language"] == "sv"
    assert placed.consent["ip_address"] == "127.0.0.1"
    # The gateway is told an address that does not work.
    assert address not in CheckoutSession.objects.get().return_url
    back = come_back(visitor, sandbox.fill_in(gateway_page(left)))
    page = text(back)
    assert back.request["PATH_INFO"] == address
    assert "Tack för din beställning av Kontorskaffe" in page
    assert "250,00 kr är betalt" in page
    assert "Visa ···· 4242" in page
    assert "250,00 kr den 1 april 2026" in page
    assert f'href="{SHOP}?session={Order.objects.get().public_id}"' in back.content.decode()
    assert visitor.get(f"{address}receipt.pdf").content.startswith(b"%PDF")
    assert Subscription.objects.get().status == "active"
    assert broken_invariants() == {}


def test_what_was_bought_is_mailed_when_it_is_paid_and_not_before(
    visitor: Client, address: str, sandbox: RunningSandbox, mailoutbox: list[Any]
) -> None:
    left = order(visitor, address)
    deliver()
    send_due()
    assert mailoutbox == []
    come_back(visitor, sandbox.fill_in(gateway_page(left)))
    deliver()
    send_due()
    sent = Message.objects.filter(state="sent")
    assert list(sent.values_list("kind", flat=True)) == ["order"]
    (mail,) = mailoutbox
    for line in Order.objects.get().consent["text"].splitlines():
        assert line in str(mail.body)


def test_the_page_can_be_opened_again_and_nothing_is_done_twice(
    visitor: Client, address: str, sandbox: RunningSandbox
) -> None:
    left = order(visitor, address)
    page = gateway_page(left)
    assert "väntar på betalning" in text(visitor.get(address))
    assert gateway_page(send(visitor, address, {}, f"{address}card/")) == page
    paid = sandbox.fill_in(page)
    sandbox.fill_in(page)
    come_back(visitor, paid)
    assert "Tack" in text(visitor.get(address))
    assert "Tack" in text(send_to_done(visitor, address))
    assert Subscription.objects.count() == 1
    assert Payment.objects.filter(state="succeeded").count() == 1


def test_a_double_click_leads_to_the_same_page_of_the_gateways(
    visitor: Client, address: str
) -> None:
    seen = hidden(visitor.get(address).content.decode(), "seen")
    token = visitor.cookies["csrftoken"].value
    asked = {**ASA, "quantity-0": "1", "seen": seen, "consent": "on", "act": "order"}
    pages = {
        gateway_page(visitor.post(address, {**asked, "csrfmiddlewaretoken": token}))
        for _ in range(3)
    }
    assert len(pages) == 1
    assert Subscription.objects.count() == CheckoutSession.objects.count() == 1
    # A second tab that shows another sum leads nowhere by itself.
    other = visitor.post(address, {**asked, "seen": "x", "csrfmiddlewaretoken": token})
    assert "väntar på betalning" in text(other)


def test_with_a_script_pages_take_each_others_place_and_leave_no_answer_to_a_form_behind(
    visitor: Client, address: str, sandbox: RunningSandbox
) -> None:
    script = {"HX-Request": "true"}
    wrong = send(visitor, address, {"quantity-0": "1", "act": "order"}, headers=script)
    assert (wrong.status_code, wrong.headers["HX-Retarget"]) == (200, "#main")
    seen = hidden(wrong.content.decode(), "seen")
    asked = {**ASA, "quantity-0": "1", "seen": seen, "consent": "on", "act": "order"}
    left = send(visitor, address, asked, headers=script)
    assert left.headers["HX-Redirect"].startswith(sandbox.url)
    assert left.content == b""
    assert visitor.cookies["kvitt_back"].value == address


def send_to_done(visitor: Client, address: str) -> Any:
    """Press a button of a page that was open before."""
    token = visitor.cookies["csrftoken"].value
    asked = {"csrfmiddlewaretoken": token, "act": "order", **ASA}
    visitor.post(f"{address}card/", asked, follow=True)
    return visitor.post(address, asked)


def test_who_comes_back_in_another_visitor_is_told_no_more_than_that(
    visitor: Client, address: str, sandbox: RunningSandbox
) -> None:
    left = order(visitor, address)
    path = sandbox.fill_in(gateway_page(left)).headers["Location"]
    other = Client().get(path.removeprefix("http://testserver"))
    assert "Welcome back" in text(other)
    assert "Åsa" not in text(other)
    assert Order.objects.get().status == "complete"


def test_a_card_that_is_refused_is_told_of_and_the_order_is_kept(
    visitor: Client, address: str, sandbox: RunningSandbox
) -> None:
    page = gateway_page(order(visitor, address))
    sandbox.fill_in(page, DECLINED)
    session = CheckoutSession.objects.get()
    back = visitor.get(session.return_url.removeprefix("http://testserver"), follow=True)
    assert "Banken nekade betalningen" in text(back)
    assert "Betala 125,00 kr med ett annat kort" in text(back)
    again = gateway_page(send(visitor, address, {}, f"{address}card/"))
    come_back(visitor, sandbox.fill_in(again))
    assert Order.objects.get().status == "complete"


def test_a_gateway_that_is_down_says_so_and_keeps_the_order(
    visitor: Client, address: str, sandbox: RunningSandbox
) -> None:
    wished = {**ASA, "quantity-0": "1", "consent": "on", "act": "order"}
    seen = hidden(visitor.get(address).content.decode(), "seen")
    sandbox.fault("down", times=2)
    answer = send(visitor, address, {**wished, "seen": seen}, follow=True)
    assert "Kortsidan går inte att nå just nu" in text(answer)
    assert Order.objects.get().status == "placed"
    sandbox.fault("down", times=0)
    come_back(visitor, sandbox.fill_in(gateway_page(send(visitor, address, {}, f"{address}card/"))))
    assert Order.objects.get().status == "complete"


def test_a_gateway_that_is_down_on_the_way_back_says_that_nothing_is_lost(
    visitor: Client, address: str, sandbox: RunningSandbox
) -> None:
    left = order(visitor, address)
    answer = sandbox.fill_in(gateway_page(left))
    sandbox.fault("down", times=1)
    assert "inte kunnat kontrollera" in text(come_back(visitor, answer))
    assert "Tack" in text(come_back(visitor, answer))


def test_an_order_that_has_run_out_explains_itself(
    visitor: Client, address: str, seller: Seller, clock: Any
) -> None:
    order(visitor, address)
    clock.move_to(NOON + timedelta(hours=25))
    for _ in range(2):
        answer = visitor.get(address)
        assert answer.status_code == 410
        assert "har gått ut" in text(answer)
        assert "?nej" in answer.content.decode()
        expire_orders(seller, DAY + timedelta(days=1), "tick")
    assert Order.objects.get().status == "expired"


def test_old_links_of_what_is_complete_tell_nothing_of_it(
    visitor: Client, address: str, sandbox: RunningSandbox, clock: Any
) -> None:
    come_back(visitor, sandbox.fill_in(gateway_page(order(visitor, address))))
    clock.move_to(NOON + timedelta(days=2))
    page = text(visitor.get(address))
    assert "Din beställning är klar." in page
    assert "4242" not in page
    assert "asa@example.com" not in page
    assert visitor.get(f"{address}receipt.pdf").status_code == 302


# An invoice to pay


def pay_link(invoice: Invoice, customer: Customer | None = None) -> str:
    token = make_link(
        customer or invoice.customer, Purpose.PAY, now=NOON, subject=invoice.public_id
    )
    return f"/pay/i/{token}/"


@pytest.fixture
def invoice(seller: Seller) -> Invoice:
    """125.00, due on 15 March, of a customer who pays by invoice."""
    customer = CustomerFactory(seller=seller)
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    SubscriptionFactory(customer=customer, plan=plan)
    bill_due(seller, DAY)
    return Invoice.objects.get()


def test_an_invoice_says_the_sum_first_and_every_way_to_pay_it(
    visitor: Client, invoice: Invoice
) -> None:
    link = pay_link(invoice)
    page = text(visitor.get(link))
    assert "125,00 kr till Rosteriet, senast den 15 mars 2026." in page
    assert "Betala 125,00 kr med kort" in page
    assert "5050-1055" in page
    assert visitor.get(f"{link}code.png").content.startswith(b"\x89PNG")
    assert visitor.get(f"{link}invoice.pdf").content.startswith(b"%PDF")
    assert visitor.get(f"{link}receipt.pdf").status_code == 302


def test_an_invoice_is_paid_by_card_once(
    visitor: Client, invoice: Invoice, sandbox: RunningSandbox
) -> None:
    link = pay_link(invoice)
    page = gateway_page(send(visitor, link, {}))
    assert gateway_page(send(visitor, link, {})) == page
    back = come_back(visitor, sandbox.fill_in(page))
    assert "Tack, det är betalt" in text(back)
    assert visitor.get(f"{link}receipt.pdf").content.startswith(b"%PDF")
    assert send(visitor, link, {}, follow=True).status_code in (200, 403)
    # Who pays one invoice by card has not said that we may charge it again.
    assert not invoice.customer.payment_methods.exists()
    assert Payment.objects.filter(state="succeeded").count() == 1
    assert broken_invariants() == {}


def test_each_state_of_an_invoice_explains_itself(visitor: Client, invoice: Invoice) -> None:
    link = pay_link(invoice)
    record_payment(invoice, as_of=DAY, actor="test", amount_minor=5000)
    assert "75,00 kr till Rosteriet" in text(visitor.get(link))
    assert "Du har redan betalat 50,00 kr av den." in text(visitor.get(link))
    other = InvoiceFactory(customer=invoice.customer)
    lost = InvoiceFactory(customer=invoice.customer, status="uncollectible", closed_on=DAY)
    assert "Skriv till oss" in text(visitor.get(pay_link(lost)))
    assert "Betala inte" not in text(visitor.get(pay_link(other)))


def test_a_void_invoice_says_not_to_pay_it(visitor: Client, invoice: Invoice) -> None:
    void(invoice, as_of=DAY, actor="test")
    page = text(visitor.get(pay_link(invoice)))
    assert "Betala inte den här fakturan" in page
    assert "med kort" not in page


def test_a_late_invoice_says_since_when(visitor: Client, invoice: Invoice, clock: Any) -> None:
    link = pay_link(invoice)
    clock.move_to(NOON + timedelta(days=20))
    assert "Fakturan förföll den 15 mars 2026." in text(visitor.get(link))


def test_a_link_opens_its_own_customers_invoice_alone(visitor: Client, invoice: Invoice) -> None:
    stranger = CustomerFactory(seller=invoice.seller)
    assert visitor.get(pay_link(invoice, stranger)).status_code == 404
    token = make_link(invoice.customer, Purpose.METHOD, now=NOON, subject=invoice.public_id)
    assert visitor.get(f"/pay/i/{token}/").status_code == 404


def test_a_link_that_is_too_old_offers_a_new_one_which_is_asked_for_once(
    visitor: Client, invoice: Invoice, clock: Any
) -> None:
    link = pay_link(invoice)
    clock.move_to(NOON + timedelta(days=61))
    answer = visitor.get(link)
    assert answer.status_code == 410
    assert "för gammal" in text(answer)
    assert "125,00" not in text(answer)
    for _ in range(2):
        asked = visitor.post(
            f"{link}again/",
            {"csrfmiddlewaretoken": hidden(answer.content.decode(), "csrfmiddlewaretoken")},
            follow=True,
        )
        assert "En ny länk är på väg" in text(asked)
    told = Event.objects.get(type="portal.pay_link_requested")
    assert (told.subject, told.data["purpose"]) == (invoice.public_id, "pay")
    deliver()
    message = Message.objects.get(object=told.public_id)
    assert (message.kind, message.recipient) == ("invoice", invoice.customer.email)


def test_who_asks_for_a_link_that_never_was_gets_none(visitor: Client) -> None:
    visitor.get("/pay/c/x/")
    assert Client().post("/pay/i/nothing/again/").status_code == 404
    assert not Event.objects.filter(type="portal.pay_link_requested").exists()


# Another card


@pytest.fixture
def refused(seller: Seller, sandbox: RunningSandbox) -> Invoice:
    """An invoice that was to be charged, whose card said no, and whose access was restricted."""
    customer = CustomerFactory(seller=seller, collection="automatic")
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan)
    SubscriptionFactory(customer=customer, plan=plan)
    _, method = sandbox.card(customer.public_id, DECLINED)
    keep_method(customer, gateway="sandbox", gateway_id=method, as_of=DAY, actor="test")
    bill_due(seller, DAY)
    for days in range(21):
        on = DAY + timedelta(days=days)
        step_due(seller, on, "test")
        collect_due(seller, on, "test")
    assert Subscription.objects.get().access == "restricted"
    return Invoice.objects.get()


def method_link(invoice: Invoice) -> str:
    token = make_link(invoice.customer, Purpose.METHOD, now=NOON, subject=invoice.public_id)
    return f"/pay/m/{token}/"


def test_another_card_pays_what_is_late_at_once_and_access_returns(
    visitor: Client, refused: Invoice, sandbox: RunningSandbox, clock: Any
) -> None:
    link = method_link(refused)
    clock.move_to(NOON + timedelta(days=20))
    page = text(visitor.get(link))
    assert "Din betalning gick inte igenom" in page
    assert "Banken nekade betalningen" in page
    assert "125,00 kr" in page
    back = come_back(visitor, sandbox.fill_in(gateway_page(send(visitor, link, {}))))
    assert "Ditt kort är sparat, och du har inget att betala." in text(back)
    assert "Tack, det är betalt" in text(back)
    assert "Visa ···· 4242" in text(back)
    assert Subscription.objects.get().access == "full"
    assert DunningCase.objects.get().status == "recovered"
    assert broken_invariants() == {}


def test_what_a_new_card_has_paid_is_told_of_all_that_was_late(
    visitor: Client, refused: Invoice, sandbox: RunningSandbox
) -> None:
    later = DAY + timedelta(days=31)
    bill_due(refused.seller, later)
    collect_due(refused.seller, later, "test")
    link = method_link(refused)
    assert text(visitor.get(link)).count("125,00 kr") == 2
    back = come_back(visitor, sandbox.fill_in(gateway_page(send(visitor, link, {}))))
    assert "Tack, det är betalt 250,00 kr" in text(back)


def test_a_second_card_that_is_refused_is_told_of_and_a_third_one_pays(
    visitor: Client, refused: Invoice, sandbox: RunningSandbox
) -> None:
    link = method_link(refused)
    back = come_back(visitor, sandbox.fill_in(gateway_page(send(visitor, link, {})), DECLINED))
    assert "Det här kortet nekades också." in text(back)
    back = come_back(visitor, sandbox.fill_in(gateway_page(send(visitor, link, {}))))
    assert "Tack, det är betalt" in text(back)
    assert Payment.objects.filter(state="succeeded").count() == 1


def test_a_page_to_pay_that_was_left_open_does_not_keep_the_new_card_from_paying(
    visitor: Client, refused: Invoice, sandbox: RunningSandbox
) -> None:
    left = gateway_page(send(visitor, pay_link(refused), {}))
    link = method_link(refused)
    back = come_back(visitor, sandbox.fill_in(gateway_page(send(visitor, link, {}))))
    assert "Tack, det är betalt" in text(back)
    sandbox.fill_in(left)
    assert Payment.objects.filter(state="succeeded").count() == 1
    assert broken_invariants() == {}


def test_a_card_can_be_left_by_who_owes_nothing_and_as_often_as_they_like(
    visitor: Client, seller: Seller, sandbox: RunningSandbox
) -> None:
    customer = CustomerFactory(seller=seller, collection="automatic")
    link = f"/pay/m/{make_link(customer, Purpose.METHOD, now=NOON)}/"
    for _ in range(2):
        answer = come_back(visitor, sandbox.fill_in(gateway_page(send(visitor, link, {}))))
        assert "Kommande fakturor betalas med det här kortet." in text(answer)
    assert customer.payment_methods.filter(is_default=True).count() == 1


def test_where_the_bank_asks_the_page_leads_there(
    visitor: Client, refused: Invoice, sandbox: RunningSandbox
) -> None:
    link = method_link(refused)
    asks = "4000002500003155"
    back = come_back(visitor, sandbox.fill_in(gateway_page(send(visitor, link, {})), asks))
    assert "Din bank vill veta att det är du" in text(back)
    assert Payment.objects.get(state="requires_action").action_url in back.content.decode()


@pytest.mark.parametrize("subject", ["inv_nothing", "chk_nothing", "cus_nothing", "other_1"])
def test_nothing_comes_back_for_what_is_not_there(visitor: Client, subject: str) -> None:
    assert visitor.get(f"/pay/back/{subject}/").status_code == 404


# What each person has once


SAME_PERSON = ("asa@example.com", "ASA@Example.COM", "asa+igen@example.com", "  asa@example.com ")


def another_page(plan: Plan, **offer: Any) -> str:
    _, token = create_order(plan.seller, plan, as_of=DAY, actor="test", **offer)
    return f"/pay/c/{token}/"


@pytest.mark.parametrize("email", SAME_PERSON)
def test_a_code_works_once_for_a_person_however_they_write_their_address(
    visitor: Client, address: str, plan: Plan, email: str
) -> None:
    CouponFactory(seller=plan.seller, code="WELCOME")
    assert gateway_page(order(visitor, address, coupon="WELCOME"))
    answer = order(visitor, another_page(plan), coupon="welcome", email=email)
    assert "Du har redan använt koden" in text(answer)
    assert CouponRedemption.objects.count() == Customer.objects.count() == 1


@pytest.mark.parametrize("has_subscription", [True, False])
def test_a_code_that_was_given_at_the_desk_has_been_used_at_the_checkout(
    visitor: Client, address: str, plan: Plan, has_subscription: bool
) -> None:
    known = CustomerFactory(seller=plan.seller, email="Asa+gammal@example.com")
    coupon = CouponFactory(seller=plan.seller, code="WELCOME")
    had = subscriptions.start(known, plan, as_of=DAY, actor="test") if has_subscription else None
    coupons.redeem_coupon(known, coupon, subscription=had, as_of=DAY, actor="test")
    answer = order(visitor, address, coupon="WELCOME")
    assert "Du har redan använt koden" in text(answer)
    assert CouponRedemption.objects.count() == 1


def test_a_known_customer_has_a_code_once_whatever_address_they_type(
    visitor: Client, plan: Plan
) -> None:
    known = CustomerFactory(seller=plan.seller, email="asa@example.com")
    CouponFactory(seller=plan.seller, code="WELCOME")
    order(visitor, another_page(plan, customer=known), coupon="WELCOME")
    assert CouponRedemption.objects.count() == 1
    page = another_page(plan, customer=known)
    answer = order(visitor, page, coupon="WELCOME", email="another@example.com")
    assert "Du har redan använt koden" in text(answer)
    assert CouponRedemption.objects.count() == 1


@pytest.mark.parametrize("email", SAME_PERSON)
def test_a_person_tries_for_nothing_once_however_they_write_their_address(
    visitor: Client, plan: Plan, email: str
) -> None:
    Plan.objects.update(trial_days=14)
    plan.refresh_from_db()
    known = CustomerFactory(seller=plan.seller, email="Asa+forst@example.com")
    subscriptions.start(known, plan, as_of=DAY, actor="test")
    answer = order(visitor, another_page(plan), email=email)
    assert gateway_page(answer)
    ordered = Subscription.objects.latest("pk")
    assert ordered.paid_from == ordered.starts_on == DAY
    assert Order.objects.get().invoice is not None


def test_a_known_customer_tries_for_nothing_once_whatever_address_they_type(
    visitor: Client, plan: Plan
) -> None:
    Plan.objects.update(trial_days=14)
    plan.refresh_from_db()
    known = CustomerFactory(seller=plan.seller, email="asa@example.com")
    subscriptions.start(known, plan, as_of=DAY, actor="test")
    order(visitor, another_page(plan, customer=known), email="another@example.com")
    assert Subscription.objects.latest("pk").paid_from == DAY


def test_a_code_that_its_customer_has_had_is_not_offered_to_them(
    visitor: Client, plan: Plan
) -> None:
    known = CustomerFactory(seller=plan.seller)
    coupon = CouponFactory(seller=plan.seller, code="WELCOME")
    page = another_page(plan, customer=known, coupon=coupon)
    coupons.redeem_coupon(known, coupon, as_of=DAY, actor="test")
    CouponRedemption.objects.update(is_spent=True)
    shown = visitor.get(page)
    assert shown.status_code == 200
    assert "100,00 kr i dag, sedan" not in text(shown)
    with pytest.raises(Refused) as refused:
        another_page(plan, customer=known, coupon=coupon)
    assert refused.value.code == "coupon_used"


@pytest.mark.parametrize("collection", ["invoice", "automatic"])
def test_who_pays_by_invoice_is_told_before_they_order_that_a_card_pays_from_then_on(
    visitor: Client, plan: Plan, collection: str
) -> None:
    known = CustomerFactory(seller=plan.seller, collection=collection)
    address = another_page(plan, customer=known)
    said = "betalas alla nya fakturor från"
    assert (said in text(visitor.get(address))) == (collection == "invoice")
    order(visitor, address)
    assert (said in Order.objects.get().consent["text"]) == (collection == "invoice")


# Refused as it is ordered


def test_a_plan_that_was_archived_meanwhile_is_said_to_be_unavailable_at_once(
    visitor: Client, plan: Plan, address: str
) -> None:
    seen = hidden(send(visitor, address, {**ASA, "act": "show"}).content.decode(), "seen")
    page = visitor.get(address).content.decode()
    tokens = {"csrfmiddlewaretoken": hidden(page, "csrfmiddlewaretoken")}
    Plan.objects.update(is_active=False)
    asked = {**ASA, **tokens, "quantity-0": "1", "seen": seen, "consent": "on", "act": "order"}
    for answer in (visitor.get(address), visitor.post(address, asked)):
        assert answer.status_code == 409
        assert "Det här går inte att beställa just nu" in text(answer)
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("price_changed", "Summan eller villkoren har ändrats"),
        ("coupon_used", "Du har redan använt koden"),
        ("parked", "Vi kunde inte räkna ut"),
    ],
)
def test_what_is_refused_as_it_is_ordered_keeps_what_was_typed_and_says_why(
    visitor: Client, address: str, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise Refused("Not now.", code=code)

    monkeypatch.setattr(placing, "place", refuse)
    answer = order(visitor, address)
    assert answer.status_code == 422
    assert said in text(answer)
    for typed in ASA.values():
        assert f'value="{typed}"' in answer.content.decode()


# Ordered and not paid


@pytest.mark.parametrize("is_expired", [False, True])
def test_what_nobody_paid_for_is_not_in_the_portal(
    visitor: Client, plan: Plan, clock: Any, is_expired: bool
) -> None:
    known = CustomerFactory(seller=plan.seller, language="en")
    order(visitor, another_page(plan, customer=known))
    invoice, subscription = Invoice.objects.get(), Subscription.objects.get()
    assert state_of_subscription(subscription, DAY).word == "Waiting for payment"
    if is_expired:
        clock.move_to(NOON + timedelta(hours=25))
        expire_orders(plan.seller, DAY + timedelta(days=1), "tick")
    door = Client()
    sign_in(door, known)
    home = text(door.get("/portal/home/"))
    assert "Everything is paid." in home
    assert plan.name not in home
    assert invoice.public_id not in door.get("/portal/invoices/").content.decode()
    assert door.get(f"/portal/invoices/{invoice.public_id}/").status_code == 404


def test_what_was_paid_for_in_part_stays_in_the_portal(plan: Plan) -> None:
    known = CustomerFactory(seller=plan.seller, language="en")
    offered, _ = create_order(plan.seller, plan, as_of=DAY, actor="test", customer=known)
    consent = placing.Consent(text="Yes.", language="en", version="1")
    placing.place(
        offered, placing.Details(**ASA), placing.Choice(), consent, as_of=DAY, actor="test"
    )
    invoice = Invoice.objects.get()
    record_payment(invoice, as_of=DAY, actor="test", amount_minor=100)
    door = Client()
    sign_in(door, known)
    assert door.get(f"/portal/invoices/{invoice.public_id}/").status_code == 200


# Fixed terms


@pytest.fixture
def bound(plan: Plan) -> Plan:
    """Three months, and over."""
    Plan.objects.update(cycles=3)
    plan.refresh_from_db()
    return plan


def test_a_fixed_term_is_sold_as_one_and_so_it_is_kept(visitor: Client, bound: Plan) -> None:
    address = another_page(bound)
    page = text(visitor.get(address))
    assert "Avtalet är tidsbestämt: det gäller från i dag till och med den 31 maj 2026" in page
    for wrong in ("Säg upp när du vill", "förnyas automatiskt", "säga upp när du vill"):
        assert wrong not in page
    order(visitor, address)
    kept = Order.objects.get().consent["text"].replace("\N{NO-BREAK SPACE}", " ")
    assert "31 maj 2026" in kept
    assert "när du vill" not in kept


def test_a_trial_of_a_fixed_term_does_not_say_that_it_can_be_canceled(
    visitor: Client, bound: Plan
) -> None:
    Plan.objects.update(trial_days=14)
    bound.refresh_from_db()
    page = text(visitor.get(another_page(bound)))
    assert "Provperioden kostar ingenting till den 15 mars 2026" in page
    assert "Säg upp före den dagen" not in page


def test_who_has_bought_a_fixed_term_is_not_told_to_cancel_when_they_like(
    visitor: Client, bound: Plan, sandbox: RunningSandbox
) -> None:
    address = another_page(bound)
    paid = sandbox.fill_in(gateway_page(order(visitor, address)))
    page = text(come_back(visitor, paid))
    assert "när du vill" not in page
    assert "31 maj 2026" in page
