"""What becomes of a debt: nothing is promised that cannot happen."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation import pgettext

from billing.api.resources.documents import DocumentDetail
from billing.checkout.offers import PATH, create_order
from billing.invoicing import documents
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.mail.words.common import how_to_pay
from billing.outbound.actions import hold, stop_charging
from billing.payments.booking import record_failure, record_payment
from billing.payments.gateways.base import Purpose
from billing.payments.gateways.sandbox.client import SandboxKind
from billing.payments.models import Payment, PaymentAllocation, PaymentMethod
from billing.payments.outlook import Outlook, Prospect, can_be_charged, what_becomes_of
from billing.payments.planning import release_planned
from catalog.models import Plan
from portal.debts import what_comes_of
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def gateway(settings: Any) -> None:
    """The gateway at which the cards are; nothing is asked of it."""
    settings.SANDBOX_URL = "http://127.0.0.1:9"


def owed(collection: str = "automatic", *, has_card: bool = True, **seller: Any) -> Invoice:
    made = SellerFactory(tax=[{"category": "S", "rate": "25"}], **seller)
    make_accounts(made)
    customer = CustomerFactory(seller=made, collection=collection)
    if has_card:
        PaymentMethod.objects.create(
            customer=customer, gateway="sandbox", gateway_id=customer.public_id, is_default=True
        )
    plan = PlanFactory(seller=made)
    PriceFactory(plan=plan)
    SubscriptionFactory(customer=customer, plan=plan)
    bill_due(made, DAY, actor="test")
    return Invoice.objects.select_related("seller", "customer").get(seller=made)


def outlook(invoice: Invoice) -> Outlook:
    invoice.refresh_from_db()
    return what_becomes_of(invoice, DAY)


def test_a_planned_charge_of_a_card_is_promised_for_its_day() -> None:
    seen = outlook(owed())
    assert (seen.prospect, seen.on) == (Prospect.CHARGE, DAY)


def test_who_has_no_card_is_not_told_that_it_is_charged() -> None:
    invoice = owed(has_card=False, bankgiro="5050-1055")
    assert outlook(invoice).prospect is Prospect.NEEDS_CARD
    with documents.in_its_language(invoice):
        assert documents.document_in_words(invoice)["payment"]["rows"]


def test_a_customer_by_invoice_who_has_a_card_pays_by_the_due_date() -> None:
    seen = outlook(owed("invoice"))
    assert (seen.prospect, seen.on) == (Prospect.PAY, DAY + timedelta(days=14))


def test_what_nobody_planned_to_charge_is_not_promised_to_be() -> None:
    invoice = owed()
    release_planned(invoice)
    assert outlook(invoice).prospect is Prospect.PAY
    record_failure(invoice, as_of=DAY, actor="test")
    assert outlook(invoice).prospect is Prospect.FAILED


@pytest.mark.parametrize(
    ("state", "prospect"),
    [("requires_action", Prospect.CONFIRM), ("unknown", Prospect.UNDER_WAY)],
)
def test_what_is_in_flight_is_neither_charged_nor_asked_for(state: str, prospect: Prospect) -> None:
    invoice = owed()
    Payment.objects.filter(allocations__invoice=invoice).update(state="created", gateway="sandbox")
    Payment.objects.filter(allocations__invoice=invoice).update(state=state)
    PaymentAllocation.objects.filter(invoice=invoice).update(state="in_flight")
    assert outlook(invoice).prospect is prospect


def test_no_card_page_is_offered_where_no_gateway_serves() -> None:
    assert outlook(owed("invoice")).has_card_page
    assert not outlook(owed("invoice", is_live=True, has_card=False)).has_card_page


@pytest.mark.parametrize(
    ("currency", "named"),
    [("SEK", ["bankgiro", "payee", "iban"]), ("EUR", ["payee", "iban"])],
)
def test_a_bankgiro_takes_kronor_alone_and_an_iban_names_its_payee(
    currency: str, named: list[str]
) -> None:
    letterhead = {"bankgiro": "5050-1055", "iban": "SE4550000000058398257466", "name": "Rost"}
    accounts = documents.accounts_of(letterhead, currency)
    assert list(accounts) == named
    assert accounts["payee"] == "Rost"


@pytest.mark.parametrize("currency", ["SEK", "EUR"])
def test_euro_are_not_asked_for_to_a_bankgiro(currency: str) -> None:
    invoice = owed("invoice", bankgiro="5050-1055")
    invoice.currency = currency
    with documents.in_its_language(invoice):
        rows = documents.document_in_words(invoice)["payment"]["rows"]
    for said in (rows, how_to_pay(invoice)):
        assert ("5050-1055" in str(said)) == (currency == "SEK")


def test_what_is_paid_is_settled() -> None:
    invoice = owed("invoice")
    record_payment(invoice, as_of=DAY, actor="test")
    assert outlook(invoice).prospect is Prospect.SETTLED


# What holds charges up


def _stop(what: str, invoice: Invoice, settings: Any) -> None:
    if what == "off":
        settings.OUTBOUND = False
    elif what == "hold":
        hold("restored", "Restored.")
    else:
        seller = None if what == "all" else invoice.seller.public_id
        stop_charging(seller=seller, reason="Wrong amounts.", actor="user:anna")


STOPS = pytest.mark.parametrize("what", ["all", "seller", "hold", "off"])


@STOPS
def test_no_day_is_promised_for_a_charge_while_charging_is_stopped(
    what: str, settings: Any
) -> None:
    invoice = owed()
    _stop(what, invoice, settings)
    seen = outlook(invoice)
    assert (seen.prospect, seen.has_card_page) == (Prospect.HELD, False)
    with documents.in_its_language(invoice):
        assert documents.document_in_words(invoice)["payment"]["rows"]


def test_another_sellers_kill_switch_holds_nothing_up_here() -> None:
    invoice = owed()
    stop_charging(seller=SellerFactory().public_id, reason="Theirs.", actor="user:anna")
    assert outlook(invoice).prospect is Prospect.CHARGE


def test_a_card_at_a_gateway_that_is_gone_is_promised_no_charge(settings: Any) -> None:
    invoice = owed()
    settings.SANDBOX_URL = ""
    assert outlook(invoice).prospect is Prospect.PAY
    assert not can_be_charged(invoice.customer)


def test_a_gateway_without_pages_is_no_way_to_pay_by_card(monkeypatch: Any) -> None:
    monkeypatch.setattr(SandboxKind, "purposes", {Purpose.CHARGE})
    found = outlook(owed())
    assert (found.prospect, found.has_card_page) == (Prospect.CHARGE, False)


def test_a_gateway_that_only_has_pages_charges_no_card(monkeypatch: Any) -> None:
    monkeypatch.setattr(SandboxKind, "purposes", {Purpose.PAY_ON_PAGE})
    found = outlook(owed())
    assert (found.prospect, found.has_card_page) == (Prospect.NEEDS_CARD, True)


NO_ACCOUNT = {"bankgiro": "", "plusgiro": "", "iban": "", "bic": ""}


@pytest.mark.parametrize("collection", ["automatic", "invoice"])
def test_who_can_pay_in_no_way_is_told_to_ask(collection: str, settings: Any) -> None:
    settings.SANDBOX_URL = ""
    invoice = owed(collection, has_card=False, **NO_ACCOUNT)
    assert outlook(invoice).prospect is Prospect.ASK
    with documents.in_its_language(invoice):
        payment = documents.document_in_words(invoice)["payment"]
    assert "skriv till oss" in payment["sentence"]


SAID = {
    Prospect.HELD: ("Card payments are stopped", "Kortbetalningar är tillfälligt stoppade"),
    Prospect.ASK: ("Write to us", "Skriv till oss"),
    Prospect.NEEDS_CARD: ("no card to take it from", "inget kort att dra"),
    Prospect.CHARGE: ("You do not need to do anything", "Du behöver inte göra något"),
    Prospect.PAY: ("Pay it by", "Betala senast den"),
}


@pytest.mark.parametrize("prospect", list(SAID))
@pytest.mark.parametrize("language", ["en", "sv"])
def test_pages_say_what_becomes_of_a_debt_in_both_languages(
    prospect: Prospect, language: str, settings: Any
) -> None:
    accounts = NO_ACCOUNT if prospect is Prospect.ASK else {}
    collection = "automatic" if prospect in _OF_CARDS else "invoice"
    invoice = owed(collection, has_card=prospect is not Prospect.NEEDS_CARD, **accounts)
    if prospect in {Prospect.HELD, Prospect.ASK}:
        _stop("all", invoice, settings)
    seen = outlook(invoice)
    assert seen.prospect is prospect
    with translation.override(language):
        said = what_comes_of(invoice, seen, DAY)
    assert SAID[prospect][language == "sv"] in said
    # Only a charge that will be made lets its reader off.
    lets_off = ("do not need to do anything" in said) or ("behöver inte göra något" in said)
    assert lets_off == (prospect is Prospect.CHARGE)


_OF_CARDS = {Prospect.HELD, Prospect.NEEDS_CARD, Prospect.CHARGE}


def test_the_api_tells_the_next_step() -> None:
    invoice = owed()
    shown = DocumentDetail.show(DocumentDetail.loaded(Invoice.objects.all()).get(pk=invoice.pk))
    assert shown["next_step"]["kind"] == "charge"
    stop_charging(seller=None, reason="Wrong amounts.", actor="user:anna")
    shown = DocumentDetail.show(DocumentDetail.loaded(Invoice.objects.all()).get(pk=invoice.pk))
    assert shown["next_step"]["kind"] == "held"


@STOPS
@pytest.mark.parametrize("language", ["en", "sv"])
def test_nothing_is_sold_that_cannot_be_paid_for_now(
    what: str, language: str, client: Client, settings: Any
) -> None:
    invoice = owed()
    plan = Plan.objects.get(seller=invoice.seller)
    _, token = create_order(invoice.seller, plan, as_of=DAY, actor="test", language=language)
    address = PATH.format(token=token)
    assert client.get(address).status_code == 200
    _stop(what, invoice, settings)
    page = client.get(address)
    assert page.status_code == 409
    with translation.override(language):
        said = pgettext("pay", "This cannot be ordered right now")
    assert said in page.content.decode()
    assert (said == "This cannot be ordered right now") == (language == "en")
