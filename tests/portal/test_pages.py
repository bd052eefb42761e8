"""Whose each page is, what it asks of the database, and what the first pages say."""

import re
from datetime import timedelta
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse
from django.utils import translation

from billing.invoicing.balances import give_credit
from billing.invoicing.models import Invoice
from billing.invoicing.writing import NO_BREAK
from billing.outbound.actions import stop_charging
from billing.payments.booking import record_payment
from billing.payments.models import PaymentMethod
from billing.subscriptions import actions
from billing.subscriptions.models import Subscription
from billing.usage.actions import record_usage
from billing.usage.models import Meter
from catalog.models import Plan
from customers.models import Customer, Seller
from portal import queries
from portal.urls import urlpatterns
from portal.views import home
from portal.words import units_of, with_tax
from tests.factories import (
    DAY,
    CouponFactory,
    CustomerFactory,
    InvoiceFactory,
    PaymentFactory,
    PriceFactory,
)
from tests.mail.world import place
from tests.portal.conftest import NOON
from tests.portal.doors import plan_of, sign_in, started, text_of

pytestmark = pytest.mark.django_db
# Pages for who is signed in to nothing.
OPEN_TO_ALL = {
    "sign_in",
    "enter",
    "ask_again",
    "enter_subscription",
    "sign_out",
    "language",
    "theme",
    "logo",
}
SENT_ALONE = {"pay", "add_method", "charge_from_now_on", "default_method", "remove_method"}


@pytest.fixture(autouse=True)
def gateway(settings: Any) -> None:
    """The gateway at which the cards are; nothing is asked of it."""
    settings.SANDBOX_URL = "http://127.0.0.1:9"


def card_of(customer: Customer, last4: str = "4242", **fields: Any) -> PaymentMethod:
    return PaymentMethod.objects.create(
        **{
            "customer": customer,
            "gateway": "sandbox",
            "gateway_id": f"{customer.public_id}-{last4}",
            "brand": "visa",
            "last4": last4,
            "expires_on": DAY.replace(year=2030),
            "is_default": True,
            **fields,
        }
    )


def names() -> list[str]:
    return [each.name for each in urlpatterns if isinstance(each, URLPattern) and each.name]


OF_A_SUBSCRIPTION = (
    *("subscription", "change", "undo_change", "coupon"),
    *("pause", "resume", "cancel", "undo", "withdraw"),
)


def ids_of(customer: Customer) -> dict[str, str]:
    """What stands in the address of each page that is of one thing of a customer's."""
    invoice = customer.documents.earliest("pk")
    payment = PaymentFactory(customer=customer, invoice=invoice)
    subscription = customer.subscriptions.earliest("pk").public_id
    return {
        **dict.fromkeys(("invoice", "invoice_pdf", "pay"), invoice.public_id),
        "receipt": payment.public_id,
        **dict.fromkeys(("default_method", "remove_method"), card_of(customer).public_id),
        **dict.fromkeys(OF_A_SUBSCRIPTION, subscription),
    }


def address(name: str, ids: dict[str, str]) -> str:
    return reverse(f"portal:{name}", args=[ids[name]] if name in ids else [])


def test_who_is_not_signed_in_is_asked_to_on_every_page(client: Client, stranger: Customer) -> None:
    ids = ids_of(stranger)
    for name in set(names()) - OPEN_TO_ALL:
        for method in ("get", "post"):
            answer = getattr(client, method)(address(name, ids))
            assert answer.status_code in (302, 405), (name, method)
            if answer.status_code == 302:
                assert answer.headers["Location"] == "/portal/", name


def test_what_is_anothers_is_not_there(
    visitor: Client, subscription: Subscription, stranger: Customer
) -> None:
    ids = ids_of(stranger)
    before = _rows()
    for name, public_id in ids.items():
        for method in ("get", "post"):
            answer = getattr(visitor, method)(address(name, ids), {"key": "0" * 24, "seen": "0"})
            expected = {404, 405} if name in SENT_ALONE or method == "post" else {404}
            assert answer.status_code in expected, (name, method)
            assert public_id not in answer.content.decode()
    assert _rows() == before


def test_lists_hold_what_is_the_customers_alone(
    visitor: Client, subscription: Subscription, stranger: Customer
) -> None:
    ids = ids_of(stranger)
    others = stranger.documents.earliest("pk")
    for name in ("home", "invoices", "methods", "details", "export"):
        answer = visitor.get(reverse(f"portal:{name}"))
        said = b"".join(answer) if answer.streaming else answer.content
        for public_id in (*ids.values(), stranger.public_id, stranger.name):
            assert public_id.encode() not in said, (name, public_id)
    assert visitor.get(f"/portal/invoices/?before={others.public_id}").status_code == 404


def _rows() -> list[tuple[Any, ...]]:
    """All that a foreign hand could have changed."""
    return [
        *Subscription.objects.order_by("pk").values_list("pk", "status", "cancels_on", "plan"),
        *PaymentMethod.objects.order_by("pk").values_list("pk", "is_default", "retired_at"),
    ]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(
    visitor: Client, customer: Customer, subscription: Subscription, method: str
) -> None:
    ids = ids_of(customer)
    for name in set(names()) - {"theme", "logo", "language"} - OPEN_TO_ALL:
        assert getattr(visitor, method)(address(name, ids)).status_code == 405, name


def test_a_form_from_elsewhere_does_nothing(customer: Customer, subscription: Subscription) -> None:
    guarded = Client(enforce_csrf_checks=True)
    for name in set(names()) - {"theme", "logo"} - OPEN_TO_ALL:
        answer = guarded.post(address(name, ids_of_once(customer)))
        assert answer.status_code in (403, 405), name


def ids_of_once(customer: Customer) -> dict[str, str]:
    """As :func:`ids_of`, of rows that need not be."""
    subscription = customer.subscriptions.earliest("pk").public_id
    invoice = customer.documents.earliest("pk").public_id
    return {
        **dict.fromkeys(("invoice", "invoice_pdf", "pay"), invoice),
        **dict.fromkeys(("receipt", "default_method", "remove_method"), "pm_1"),
        **dict.fromkeys(OF_A_SUBSCRIPTION, subscription),
    }


# What pages ask of the database


@pytest.mark.parametrize("name", ["home", "invoices", "methods"])
def test_a_page_asks_no_more_for_more_rows(
    visitor: Client, customer: Customer, plan: Plan, name: str
) -> None:
    def grow(count: int) -> None:
        for _ in range(count):
            started(customer, plan)
            InvoiceFactory(customer=customer)
            last4 = f"{PaymentMethod.objects.count():04}"
            card_of(customer, last4, is_default=False)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert visitor.get(reverse(f"portal:{name}")).status_code == 200
        return len(seen)

    grow(2)
    visitor.get(reverse(f"portal:{name}"))
    few = queries()
    grow(6)
    assert queries() == few


# The first page


def test_home_says_what_is_owed_what_there_is_and_when_the_next_payment_is(
    visitor: Client, subscription: Subscription
) -> None:
    said = text_of(visitor.get("/portal/home/"))
    assert "To pay SEK 387.50 Pay it by 15 March 2026." in said
    assert "Small Active SEK 310.00 a month (excl. VAT) It renews on 1 April 2026." in said
    assert "Next payment SEK 387.50 on 1 April 2026 by invoice." in said
    assert said.index("To pay") < said.index("Your subscriptions") < said.index("Next payment")


def test_home_names_the_card_that_is_charged(
    visitor: Client, customer: Customer, plan: Plan
) -> None:
    Customer.objects.update(collection="automatic")
    customer.refresh_from_db()
    started(customer, plan)
    said = text_of(visitor.get("/portal/home/"))
    assert "on 1 April 2026 with a card that you still have to add." in said
    card_of(customer)
    said = text_of(visitor.get("/portal/home/"))
    assert "Next payment SEK 387.50 on 1 April 2026 with Visa ···· 4242." in said
    assert "We will take it from Visa ···· 4242. You do not need to do anything." in said
    stop_charging(seller=None, reason="Wrong amounts.", actor="user:anna")
    said = text_of(visitor.get("/portal/home/"))
    assert "with Visa ···· 4242. Card payments are stopped for now. Nothing is" in said
    assert "You do not need to do anything." not in said


def test_home_says_what_is_late(visitor: Client, subscription: Subscription, clock: Any) -> None:
    clock.move_to(NOON + timedelta(days=15))
    sign_in(visitor, subscription.customer)
    said = text_of(visitor.get("/portal/home/"))
    assert "It was due on 15 March 2026." in said


def test_home_leads_on_to_the_subscriptions_that_do_not_fit(
    visitor: Client, customer: Customer, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (queries, home):
        monkeypatch.setattr(module, "SHOWN_MAX", 2)
    made = [started(customer, plan) for _ in range(5)]
    actions.cancel(made[4], as_of=DAY, actor="test", when="now")
    address, seen = "/portal/home/", []
    while address:
        page = visitor.get(address).content.decode()
        shown = [each.public_id for each in reversed(made) if f"{each.public_id}/" in page]
        assert len(shown) <= 2
        seen += shown
        found = re.search(r'href="(/portal/home/\?before=[^"]+)"', page)
        address = found[1] if found else ""
    assert seen == [each.public_id for each in (*reversed(made[:4]), made[4])]
    assert visitor.get("/portal/home/?before=sub_none").status_code == 404


def test_home_of_who_has_nothing_says_what_will_be_there(visitor: Client) -> None:
    said = text_of(visitor.get("/portal/home/"))
    assert "Everything is paid." in said
    assert "You have no subscription now." in said
    assert "No payment is planned" in said
    assert "There are no invoices yet." in text_of(visitor.get("/portal/invoices/"))
    assert "You have no card with us yet." in text_of(visitor.get("/portal/methods/"))


@pytest.mark.parametrize(
    ("unit", "used", "steps"),
    [
        ("", "Cups: 225 of 300 included", "300 included · then SEK 1.15 per unit"),
        ("dl", "Cups: 225 dl of 300 dl included", "300 dl included · then SEK 1.15 per dl"),
    ],
)
def test_home_shows_usage_beside_what_is_included(
    visitor: Client, customer: Customer, seller: Seller, unit: str, used: str, steps: str
) -> None:
    plan = plan_of(seller, "595", name="Machine")
    PriceFactory(
        plan=plan,
        code="cups",
        name="Cups",
        model="graduated",
        billing="in_arrears",
        meter="cups",
        amount=0,
        tiers=[
            {"up_to": "300", "unit_amount": "0", "flat_amount": "0"},
            {"up_to": None, "unit_amount": "1.15", "flat_amount": "0"},
        ],
    )
    meter = Meter.objects.create(seller=seller, code="cups", name="Cups", unit=unit)
    subscription = started(customer, plan)
    record_usage(subscription, meter, at=NOON, as_of=DAY, quantity=Decimal(225))
    answer = visitor.get("/portal/home/")
    said = text_of(answer)
    assert "SEK 595.00 a month, plus usage (excl. VAT)" in said
    assert used in said
    assert steps in said
    assert b'<progress value="225"' in answer.content
    assert "What you use until then is added." in said


def test_a_discount_that_still_holds_is_shown(
    visitor: Client, customer: Customer, seller: Seller, plan: Plan
) -> None:
    coupon = CouponFactory(seller=seller, name="A fifth off", forever=True)
    started(customer, plan, coupons=[coupon])
    said = text_of(visitor.get("/portal/home/"))
    assert "Discount: A fifth off" in said
    # 310 less 62, with VAT.
    assert "Next payment SEK 310.00 on 1 April 2026" in said
    assert "Discount −SEK 62.00 VAT SEK 62.00" in said


def test_the_reasons_of_the_next_payment_add_up_to_it(
    visitor: Client, subscription: Subscription
) -> None:
    said = text_of(visitor.get(f"/portal/subscriptions/{subscription.public_id}/"))
    assert "Small 1–30 April 2026 SEK 310.00 VAT SEK 77.50" in said


@pytest.mark.parametrize("language", ["en", "sv"])
def test_what_people_write_stays_text(client: Client, seller: Seller, language: str) -> None:
    customer = CustomerFactory(
        seller=seller, name="<script>alert(1)</script>", language=language, city="<b>Town</b>"
    )
    started(customer, plan_of(seller, "310", name="<img src=x onerror=alert(1)>"))
    sign_in(client, customer)
    for name in ("home", "invoices", "details"):
        page = client.get(reverse(f"portal:{name}")).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<b>Town" not in page


def test_an_ended_subscription_is_listed_last_and_offers_nothing(
    visitor: Client, customer: Customer, subscription: Subscription
) -> None:
    actions.cancel(subscription, as_of=DAY, actor="test", when="now")
    said = text_of(visitor.get("/portal/home/"))
    assert "Ended Small Its last day was 1 March 2026." in said
    page = visitor.get(f"/portal/subscriptions/{subscription.public_id}/").content.decode()
    for deed in ("change", "coupon", "pause", "resume", "cancel", "undo", "withdraw"):
        assert f"/{deed}/" not in page


@pytest.mark.parametrize(
    ("are_inclusive", "said"),
    [
        ([True, True], "SEK 1 (incl. VAT)"),
        ([False], "SEK 1 (excl. VAT)"),
        ([True, False], "SEK 1"),
    ],
)
def test_an_amount_says_whether_vat_is_in_it(are_inclusive: list[bool], said: str) -> None:
    prices = [PriceFactory.build(is_tax_inclusive=each) for each in are_inclusive]
    with translation.override("en"):
        assert with_tax("SEK 1", prices) == said


@pytest.mark.parametrize(
    ("model", "tiers", "english", "swedish"),
    [
        (
            "graduated",
            [("10", "249"), ("50", "219"), (None, "199")],
            "SEK 249.00 per unit for the first 10, then SEK 219.00 per unit up to 50, "
            "then SEK 199.00 per unit",
            "249,00 kr per enhet för de första 10, sedan 219,00 kr per enhet upp till 50, "
            "sedan 199,00 kr per enhet",
        ),
        (
            "volume",
            [("10", "249"), (None, "219")],
            "SEK 249.00 per unit up to 10, SEK 219.00 per unit for all of them if there are more",
            "249,00 kr per enhet upp till 10, 219,00 kr per enhet för alla om det blir fler",
        ),
        ("graduated", [(None, "5")], "SEK 5.00 per unit", "5,00 kr per enhet"),
    ],
)
def test_steps_of_a_price_say_for_how_many_units_each_is(
    model: str, tiers: list[tuple[str | None, str]], english: str, swedish: str
) -> None:
    price = PriceFactory.build(
        model=model,
        tiers=[
            {"up_to": up_to, "unit_amount": amount, "flat_amount": "0"} for up_to, amount in tiers
        ],
    ).terms()
    for language, said in (("en", english), ("sv", swedish)):
        with translation.override(language):
            assert ", ".join(units_of(price, "", "SEK")).replace(NO_BREAK, " ") == said


def test_what_is_kept_for_an_order_is_not_said_to_be_on_the_balance(
    visitor: Client, customer: Customer, subscription: Subscription, plan: Plan
) -> None:
    give = partial(
        give_credit, customer, currency="SEK", description="Sorry", as_of=DAY, actor="test"
    )
    record_payment(Invoice.objects.get(), as_of=DAY, actor="test")
    give(amount_minor=5000)
    buyer: Any = SimpleNamespace(seller=plan.seller, customer=customer, language="en")
    place(buyer, plan)
    cancel_page = reverse("portal:cancel", args=[subscription.public_id])
    for page in (reverse("portal:home"), cancel_page):
        assert "You have a balance" not in text_of(visitor.get(page))
    give(amount_minor=700)
    for page in (reverse("portal:home"), cancel_page):
        assert "You have a balance of SEK 7.00" in text_of(visitor.get(page))
