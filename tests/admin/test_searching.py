"""What people type into the desk's search: amounts, cards, addresses, names without accents."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing.base import clock
from billing.desk.amounts import amounts_in
from billing.desk.model_admin import BigReadOnly
from billing.desk.searching import FOUND_MAX, search
from billing.events.models import Delivery, Event, Trouble
from billing.invoicing.models import CreditNote, Invoice
from billing.jobs.models import Heartbeat, JobRun
from billing.payments.gateway_events import GatewayEvent
from billing.payments.models import Payment, PaymentMethod
from billing.subscriptions.models import Subscription
from customers.models import Customer
from tests.admin.conftest import Rows
from tests.admin.shown import url
from tests.factories import (
    CustomerFactory,
    InvoiceFactory,
    PaymentFactory,
    SellerFactory,
    SubscriptionFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def asa(db: None) -> Customer:
    return CustomerFactory(
        name="Åsa Öberg-Müller",
        email="bokhandel@exempel.se",
        organisation_number="556016-0680",
        address_line1="Västra Hamngatan 12",
        postal_code="411 17",
        city="Göteborg",
    )


@pytest.fixture
def erik(db: None) -> Customer:
    return CustomerFactory(name="Erik Ek", email="erik@example.com", city="Lund")


def found(client: Client, model: Any, term: str) -> list[Any]:
    page = client.get(url(model, "changelist"), {"q": term})
    return sorted(row.pk for row in page.context["cl"].result_list)


@pytest.mark.parametrize(
    "term",
    [
        *("asa oberg", "ÅSA", "muller", "berg-m", "as"),
        *("exempel.se", "handel@", "BOKHANDEL"),
        *("vastra hamngatan", "hamngatan 12", "goteborg", "411 17", "Göteborg", "öberg göteborg"),
        *("556016-0680", "016-06"),
    ],
)
def test_a_customer_is_found_by_any_part_of_name_or_address_without_accents(
    anna: Client, asa: Customer, erik: Customer, term: str
) -> None:
    assert found(anna, Customer, term) == [asa.pk]


@pytest.mark.parametrize("term", ["oberg lund", "exempel.com", "vastra gotaland", "12345"])
def test_who_is_not_called_so_is_not_found(
    anna: Client, asa: Customer, erik: Customer, term: str
) -> None:
    assert found(anna, Customer, term) == []


@pytest.mark.parametrize("model", [Invoice, Subscription, Payment])
def test_what_a_customer_has_is_found_by_the_customers_name_and_address(
    anna: Client, asa: Customer, erik: Customer, model: Any
) -> None:
    rows = {}
    for customer in (asa, erik):
        subscription = SubscriptionFactory(customer=customer)
        invoice = InvoiceFactory(customer=customer)
        payment = PaymentFactory(customer=customer, invoice=invoice)
        rows[customer.pk] = {Invoice: invoice, Subscription: subscription, Payment: payment}
    for term in ("oberg", "andel@exem"):
        assert found(anna, model, term) == [rows[asa.pk][model].pk]


@pytest.mark.parametrize(
    "term", ["1234,50", "1234.50", "1 234,50 kr", "SEK 1,234.50", "1.234,50 SEK", "1234,5"]
)
def test_documents_and_payments_are_found_by_their_amount(
    anna: Client, erik: Customer, term: str
) -> None:
    invoice = InvoiceFactory(customer=erik, lines=[{"amount_minor": 98_760}])
    assert invoice.total_minor == 123_450  # With 25 % VAT.
    payment = PaymentFactory(customer=erik, invoice=invoice, amount_minor=123_450)
    InvoiceFactory(customer=erik, lines=[{"amount_minor": 9_876}])
    line = {"kind": "credit", "amount_minor": 98_760, "corrects": invoice.lines.get()}
    note = InvoiceFactory(customer=erik, credit_note=True, lines=[line])
    assert found(anna, Invoice, term) == [invoice.pk]
    assert found(anna, Payment, term) == [payment.pk]
    assert found(anna, CreditNote, term) == [note.pk]


def test_an_amount_counts_in_its_own_currency(anna: Client) -> None:
    yen = CustomerFactory(seller=SellerFactory(currency="JPY"))
    in_yen = InvoiceFactory(customer=yen, currency="JPY", lines=[{"amount_minor": 400}])
    kronor = InvoiceFactory(lines=[{"amount_minor": 40_000}])
    InvoiceFactory(lines=[{"amount_minor": 400}])
    assert found(anna, Invoice, "500") == sorted([in_yen.pk, kronor.pk])
    assert found(anna, Invoice, "500 SEK") == [kronor.pk]
    assert found(anna, Invoice, "JPY 500") == [in_yen.pk]


def test_a_number_is_a_number_before_it_is_an_amount(anna: Client) -> None:
    invoice = InvoiceFactory()
    InvoiceFactory(lines=[{"amount_minor": 80 * int(str(invoice.number))}])
    assert found(anna, Invoice, str(invoice.number)) == [invoice.pk]


@pytest.mark.parametrize("term", ["4242", "•••• 4242", "**** 4242", "x4242"])
def test_who_left_a_card_and_what_it_paid_are_found_by_its_last_four_figures(
    anna: Client, erik: Customer, asa: Customer, term: str
) -> None:
    cards = [
        PaymentMethod.objects.create(
            customer=erik, gateway="sandbox", gateway_id=f"card_{number}", last4=last
        )
        for number, last in enumerate(("4242", "4242", "1881"))
    ]
    payment = PaymentFactory(customer=erik, payment_method=cards[0])
    PaymentFactory(customer=asa)
    assert found(anna, Customer, term) == [erik.pk]
    assert found(anna, Payment, term) == [payment.pk]
    assert found(anna, Customer, "0000") == []


def test_the_field_in_the_menu_finds_the_same(anna: Client, asa: Customer) -> None:
    invoice = InvoiceFactory(customer=asa, lines=[{"amount_minor": 98_760}])
    home = anna.get(reverse("admin:index")).content.decode()
    assert "opencommand" in home and "desk-search" in home
    for term, row in (("goteborg", asa), ("1234,50", invoice)):
        shown = anna.get(reverse("admin:search"), {"s": term}).content.decode()
        assert url(type(row), "change", row.pk) in shown


@pytest.mark.parametrize(
    ("term", "minor"),
    [
        ("1,234", {"SEK": {123_400}, "KWD": {1_234, 1_234_000}}),
        ("-25,00 sek", {"SEK": {-2_500}}),
        ("19:-", {"SEK": {1_900}, "JPY": {19}}),
        ("1 234 567 kr", {"SEK": {123_456_700}}),
    ],
)
def test_what_an_amount_may_mean(term: str, minor: dict[str, set[int]]) -> None:
    for currency, expected in minor.items():
        assert {each for each, codes in amounts_in(term) if currency in codes} == expected


@pytest.mark.parametrize("term", ["", "Anna", "BG 123-4567", "2026-03-01", "9" * 60, "1e5", "-"])
def test_what_is_no_amount_means_none(term: str) -> None:
    assert list(amounts_in(term)) == []


def test_the_index_serves_what_is_typed(asa: Customer) -> None:
    rows = Customer.objects.alias(typed=Customer.TYPED).filter(typed__contains="oberg")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "customer_by_what_is_typed" in rows.explain()
    assert FOUND_MAX >= rows.count() == 1


# What gateways told


def test_what_a_gateway_told_is_found_by_an_id_in_it_however_long_it_is(
    anna: Client, rows: Rows
) -> None:
    given = {"gateway": "sandbox", "type": "charge.succeeded", "received_at": clock.now()}
    given["next_attempt_at"] = clock.now()
    told = GatewayEvent.objects.create(
        event_id="evt_1", body='{"data": {"charge": "ch_12-aB", "for": "pay_3"}}', **given
    )
    # So many words make no vector.
    long = "pay_4 " + " ".join(f"z{number:x}" for number in range(400_000))
    longer = GatewayEvent.objects.create(event_id="evt_2", body=long, **given)
    for term in ("ch_12-aB", "CH_12-AB", "evt_1", "pay_3"):
        assert found(anna, GatewayEvent, term) == [told.pk], term
    assert found(anna, GatewayEvent, "pay_4") == [longer.pk]
    assert found(anna, GatewayEvent, "ch_13") == []


@pytest.mark.parametrize("term", ["invoice.fin", "INVOICE.", "invoice.finalized"])
def test_an_event_is_found_by_how_its_type_begins(anna: Client, rows: Rows, term: str) -> None:
    assert found(anna, Event, term) == [rows[Event].pk]
    assert found(anna, Delivery, term) == [rows[Delivery].pk]
    assert found(anna, Event, "voice") == []


# What finds it

# What anybody might type: an address, a name, an amount, a card, a number, the ids of things.
TERMS = (
    *("anna@example.com", "Åsa Öberg", "199,50 kr", "4242", "1042"),
    *("inv_000000000000000000000001", "sub_000000000000000000000001"),
)
BIG = sorted(
    (page for page in admin.site._registry.values() if isinstance(page, BigReadOnly)),
    key=lambda page: page.opts.label,
)
# Of these there is one for each colleague, for each job a day, or for each fault.
SMALL = {AccessAttempt, AccessLog, Heartbeat, JobRun, LogEntry, Trouble}


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("listed", BIG, ids=lambda listed: listed.opts.label_lower)
def test_an_index_finds_what_is_searched_in_a_big_list(
    db: None, listed: BigReadOnly, term: str
) -> None:
    """Tables of tests are small: where walks are forbidden, one is left where no index would do."""
    big = {each.opts.db_table for each in BIG if each.model not in SMALL} | {"customers_customer"}
    walked: list[str] = []
    is_asking = False

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal is_asking
        # The last key of a table is at the end of its index.
        if sql.startswith("SELECT") and "MAX(" not in sql and not is_asking:
            is_asking = True
            # In what order the newest are read says nothing of how they are found.
            found = re.sub(r" ORDER BY .*", "", sql)
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {found}", params[: found.count("%s")])
                walked.extend(f"{each}: {sql}" for each in _unfound(cursor.fetchone()[0], big))
            is_asking = False
        return execute(sql, params, many, context)

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    with connection.execute_wrapper(watch):
        list(search(listed.model._base_manager.all(), term, listed.search_fields)[:1])
    assert walked == []


def _unfound(plan: Any, big: set[str]) -> Iterator[str]:
    """The big tables in a plan that are read without an index that says which rows."""
    nodes = [plan[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", ())
        is_found = node["Node Type"] == "Bitmap Heap Scan" or "Index Cond" in node
        if node.get("Relation Name") in big and not is_found:
            yield node["Relation Name"]
