"""An order that waits has nothing in the books; what the balance is to pay of it is kept for it."""

import re
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Any

import pgtrigger
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import translation

from billing.checkout.expiry import expire
from billing.checkout.models import Order
from billing.checkout.offers import create_order
from billing.checkout.placing import Choice, Consent, Details, place
from billing.engine.errors import Refused
from billing.invoicing import issuing, ordered
from billing.invoicing.actions import write_off
from billing.invoicing.balances import (
    Entry,
    balance_of,
    give_credit,
    move_balances,
    take_back_credit,
)
from billing.invoicing.batch import bill_due
from billing.invoicing.models import BalanceEntry, CustomerBalance, Invoice
from billing.invoicing.ordered import issue_ordered
from billing.invoicing.panels import BALANCES
from billing.invoicing.recognition import recognize
from billing.invoicing.voiding import void
from billing.ledger.models import Account, Transfer
from billing.payments.booking import record_payment
from billing.payments.from_balance import settle_from_balance
from billing.payments.models import Payment
from billing.payments.paying_out import pay_out_balance
from billing.payments.returns import mark_returned
from billing.subscriptions.actions import start
from billing.verification.books import broken_invariants
from catalog.models import Plan
from customers.calendar import today_of
from customers.models import Customer
from tests.factories import DAY, CustomerFactory, PlanFactory, PriceFactory, SellerFactory

pytestmark = pytest.mark.django_db
ASA = Details(
    name="Åsa Öberg",
    email="asa@example.com",
    address_line1="Kungsportsavenyen 10",
    postal_code="411 36",
    city="Göteborg",
    language="sv",
)
CONSENT = Consent(text="129,00 kr i månaden", language="sv", version="1")
NEXT_DAY, APRIL = DAY + timedelta(days=1), date(2026, 4, 1)


@pytest.fixture
def plan() -> Plan:
    """103.20 a month, 129.00 with VAT."""
    seller = SellerFactory(name="Rosteriet", tax=[{"category": "S", "rate": "25"}])
    plan: Plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan, amount=Decimal("103.20"))
    return plan


@pytest.fixture
def known(plan: Plan) -> Customer:
    """A customer who has 50.00 with us."""
    customer: Customer = CustomerFactory(seller=plan.seller)
    give(customer, 5000)
    return customer


def give(customer: Customer, minor: int) -> BalanceEntry:
    return give_credit(
        customer, currency="SEK", amount_minor=minor, description="Sorry", as_of=DAY, actor="test"
    )


def placed(plan: Plan, customer: Customer | None = None, on: date = DAY) -> Order:
    order, _ = create_order(plan.seller, plan, as_of=on, actor="test", customer=customer)
    return place(order, ASA, Choice(), CONSENT, as_of=on, actor="test")


def invoice_of(order: Order) -> Invoice:
    return Invoice.objects.get(order=order)


def booked(invoice: Invoice) -> dict[tuple[str, date], int]:
    """What an invoice's transfers have moved: minor units by account role, on each day."""
    moved: dict[tuple[str, date], int] = {}
    for transfer in Transfer.objects.filter(document="invoice", document_id=invoice.pk):
        for account, minor in (
            (transfer.debit_account, transfer.amount_minor),
            (transfer.credit_account, -transfer.amount_minor),
        ):
            key = (account.role, transfer.effective_on)
            moved[key] = moved.get(key, 0) + minor
    return {key: minor for key, minor in moved.items() if minor}


def moved_by_role(invoice: Invoice) -> dict[str, int]:
    """What an invoice's transfers have moved in all."""
    moved: dict[str, int] = {}
    for (role, _), minor in booked(invoice).items():
        moved[role] = moved.get(role, 0) + minor
    return moved


def held(customer: Customer) -> int:
    return CustomerBalance.objects.get(customer=customer).balance_minor


# Nothing in the books


def test_an_order_that_nobody_pays_is_never_in_the_books(plan: Plan) -> None:
    order = placed(plan)
    assert not Transfer.objects.exists()
    assert broken_invariants() == {}
    assert expire(order, as_of=NEXT_DAY, actor="tick")
    assert not Transfer.objects.exists()
    assert broken_invariants() == {}


def test_an_order_is_dated_and_booked_on_the_day_on_which_it_is_paid(plan: Plan) -> None:
    order = placed(plan)
    record_payment(invoice_of(order), as_of=NEXT_DAY, actor="test")
    invoice = invoice_of(order)
    assert (invoice.issued_on, invoice.status) == (NEXT_DAY, "paid")
    assert invoice.due_on >= NEXT_DAY
    assert booked(invoice) == {
        (Account.Role.RECEIVABLE, NEXT_DAY): 12_900,
        (Account.Role.DEFERRED_REVENUE, NEXT_DAY): -10_320,
        (Account.Role.VAT, NEXT_DAY): -2_580,
    }
    assert broken_invariants() == {}


def test_nothing_of_an_order_is_booked_in_a_month_that_is_over(plan: Plan) -> None:
    order, other = placed(plan, on=date(2026, 3, 31)), placed(plan, on=date(2026, 3, 31))
    record_payment(invoice_of(order), as_of=APRIL, actor="test")
    write_off(invoice_of(other), as_of=APRIL, actor="test")
    assert not Transfer.objects.filter(effective_on__lt=APRIL).exists()
    assert {invoice_of(each).issued_on for each in (order, other)} == {APRIL}
    assert broken_invariants() == {}


def test_numbers_and_days_of_invoices_go_the_same_way(plan: Plan) -> None:
    order = placed(plan)
    start(CustomerFactory(seller=plan.seller), plan, as_of=NEXT_DAY, actor="test")
    bill_due(plan.seller, NEXT_DAY)
    record_payment(invoice_of(order), as_of=NEXT_DAY, actor="test")
    numbered = Invoice.objects.order_by("sequence").values_list("issued_on", flat=True)
    assert list(numbered) == [NEXT_DAY, NEXT_DAY]


def test_money_that_came_before_the_order_dates_nothing_before_it(plan: Plan) -> None:
    order = placed(plan, on=NEXT_DAY)
    record_payment(invoice_of(order), as_of=NEXT_DAY, received_on=DAY, actor="test")
    assert invoice_of(order).issued_on == NEXT_DAY
    assert broken_invariants() == {}


def test_an_order_is_booked_as_any_invoice_of_the_same(plan: Plan) -> None:
    order = placed(plan)
    record_payment(invoice_of(order), as_of=DAY, actor="test")
    start(CustomerFactory(seller=plan.seller), plan, as_of=DAY, actor="test")
    bill_due(plan.seller, DAY)
    assert booked(invoice_of(order)) == booked(Invoice.objects.latest("id"))


def test_an_order_that_waits_over_the_end_of_the_month_earns_once_it_is_paid(plan: Plan) -> None:
    order = placed(plan, on=date(2026, 3, 31))
    assert recognize(plan.seller, as_of=APRIL) == 0
    record_payment(invoice_of(order), as_of=APRIL, actor="test")
    assert recognize(plan.seller, as_of=date(2026, 5, 1)) == 1
    # 30 of the 30 days from 31 March to 30 April are over.
    earned = Transfer.objects.get(document="recognition")
    assert (earned.amount_minor, earned.effective_on) == (10_320, date(2026, 4, 30))
    assert broken_invariants() == {}


def test_what_an_operator_voids_or_writes_off_of_an_order_adds_up(plan: Plan) -> None:
    given_up, voided = placed(plan), placed(plan)
    void(invoice_of(voided), as_of=DAY, actor="test")
    assert not Transfer.objects.exists()
    write_off(invoice_of(given_up), as_of=DAY, actor="test")
    assert invoice_of(given_up).number == "1"
    assert broken_invariants() == {}


# The balance


def test_a_balance_pays_its_part_when_the_order_is_paid(plan: Plan, known: Customer) -> None:
    order = placed(plan, known)
    assert invoice_of(order).amount_due_minor == 7_900
    assert (held(known), balance_of(known, "SEK")) == (5000, 0)
    assert broken_invariants() == {}
    payment = record_payment(invoice_of(order), as_of=NEXT_DAY, actor="test")
    assert payment.amount_minor == 7_900
    assert (held(known), invoice_of(order).status) == (0, "paid")
    assert booked(invoice_of(order))[Account.Role.CUSTOMER_BALANCE, NEXT_DAY] == 5000
    assert broken_invariants() == {}


def test_a_renewal_does_not_take_what_is_kept_and_gets_it_when_the_order_runs_out(
    plan: Plan, known: Customer
) -> None:
    start(known, plan, as_of=DAY, actor="test")
    order = placed(plan, known)
    bill_due(plan.seller, DAY)
    renewal = Invoice.objects.exclude(order=order).get()
    assert (renewal.amount_due_minor, held(known)) == (12_900, 5000)
    assert settle_from_balance(known, as_of=DAY, actor="test") == 0
    assert broken_invariants() == {}
    assert expire(order, as_of=NEXT_DAY, actor="tick")
    renewal.refresh_from_db()
    assert (renewal.from_balance_minor, renewal.left_minor, held(known)) == (5000, 7_900, 0)
    assert not Transfer.objects.filter(
        document="invoice", document_id=invoice_of(order).pk
    ).exists()
    assert broken_invariants() == {}


def test_two_orders_do_not_use_a_balance_twice(plan: Plan, known: Customer) -> None:
    first, second = placed(plan, known), placed(plan, known)
    assert [invoice_of(order).amount_due_minor for order in (first, second)] == [7_900, 12_900]
    for order in (second, first):
        record_payment(invoice_of(order), as_of=NEXT_DAY, actor="test")
        assert broken_invariants() == {}
    assert held(known) == 0


def test_what_comes_beside_what_is_kept_is_free(plan: Plan, known: Customer) -> None:
    placed(plan, known)
    give(known, 700)
    assert balance_of(known, "SEK") == 700
    assert balance_of(known, "EUR") == 0


def test_what_is_kept_is_neither_taken_back_nor_paid_out(plan: Plan, known: Customer) -> None:
    placed(plan, known)
    with pytest.raises(
        Refused, match="Only 0.00 SEK .* is free: orders .* keep the rest"
    ) as refused:
        take_back_credit(BalanceEntry.objects.get(), as_of=DAY, actor="test")
    assert refused.value.code == "credit_spent"
    with pytest.raises(Refused) as refused:
        pay_out_balance(known, currency="SEK", as_of=DAY, actor="test")
    assert refused.value.code == "balance_is_kept"


def test_what_is_not_taken_back_is_kept_or_has_paid_invoices_or_both(
    plan: Plan, known: Customer
) -> None:
    large = give(known, 25_000)
    start(known, plan, as_of=DAY, actor="test")
    bill_due(plan.seller, DAY)  # 129.00 of 300.00.
    with pytest.raises(Refused, match="Only 171.00 SEK is left .*: the rest has paid invoices"):
        take_back_credit(large, as_of=DAY, actor="test")
    take_back_credit(BalanceEntry.objects.earliest("pk"), as_of=DAY, actor="test")
    dearer = PlanFactory(seller=plan.seller)
    PriceFactory(plan=dearer, amount=Decimal(1000))
    placed(dearer, known)
    with pytest.raises(Refused, match="Only 0.00 .* keep a part of the rest, and the other part"):
        take_back_credit(large, as_of=DAY, actor="test")


def test_the_page_of_a_customer_says_what_is_kept_of_a_balance(plan: Plan, known: Customer) -> None:
    shown = partial(BALANCES.context, known)
    assert cells_of(shown()) == ["SEK", "SEK 50.00", "–"]
    placed(plan, known)
    give(known, 700)
    assert cells_of(shown()) == ["SEK", "SEK 57.00", "SEK 50.00"]
    with translation.override("sv"):
        said = shown()
    headers: Any = said["headers"]
    assert headers[-1]["title"] == "Varav reserverat för beställningar som väntar"
    assert cells_of(said) == ["SEK", "57,00 kr", "50,00 kr"]


def cells_of(panel: Any) -> list[str]:
    (row,) = panel["rows"]
    return [" ".join(cell.split()) for cell in re.findall("<td>(.*?)</td>", strip_spans(row))]


def strip_spans(html: str) -> str:
    return re.sub("</?span[^>]*>", "", html)


def test_the_database_keeps_what_an_order_is_to_draw(plan: Plan, known: Customer) -> None:
    placed(plan, known)
    taken = Entry(known.pk, "SEK", -1, None, "Taken")
    with (
        pytest.raises(IntegrityError, match="balance_has_what_is_kept_for_orders"),
        transaction.atomic(),
    ):
        move_balances([taken], DAY)


def test_a_balance_that_pays_all_of_it_is_kept_for_nothing(plan: Plan, known: Customer) -> None:
    give(known, 20_000)
    order = placed(plan, known)
    assert order.invoice is None
    assert balance_of(known, "SEK") == 25_000
    assert broken_invariants() == {}


@pytest.fixture
def overpaid(plan: Plan) -> Payment:
    """50.00 too much, by a customer whose first month is paid."""
    start(CustomerFactory(seller=plan.seller), plan, as_of=DAY, actor="test")
    bill_due(plan.seller, DAY)
    return record_payment(Invoice.objects.get(), as_of=DAY, actor="test", amount_minor=17_900)


def bad_debts() -> int:
    lost = Transfer.objects.filter(debit_account__role=Account.Role.BAD_DEBT)
    return sum(lost.values_list("amount_minor", flat=True))


def test_an_overpayment_that_returns_comes_off_the_balance_that_an_order_keeps(
    plan: Plan, overpaid: Payment
) -> None:
    order = placed(plan, overpaid.customer)
    assert balance_of(overpaid.customer, "SEK") == 0
    mark_returned(overpaid, as_of=NEXT_DAY, actor="test")
    assert (held(overpaid.customer), bad_debts()) == (0, 0)
    assert (invoice_of(order).status, invoice_of(order).number) == ("void", None)
    assert broken_invariants() == {}
    assert expire(order, as_of=NEXT_DAY, actor="tick")
    assert held(overpaid.customer) == 0
    assert broken_invariants() == {}


def test_an_overpayment_that_returns_leaves_an_order_that_the_rest_suffices_for(
    plan: Plan, overpaid: Payment
) -> None:
    first = placed(plan, overpaid.customer)
    give(overpaid.customer, 5000)
    second = placed(plan, overpaid.customer)
    mark_returned(overpaid, as_of=NEXT_DAY, actor="test")
    assert [invoice_of(order).status for order in (first, second)] == ["open", "void"]
    assert (held(overpaid.customer), bad_debts()) == (5000, 0)
    assert broken_invariants() == {}


def test_an_overpayment_that_returns_after_an_order_was_paid_with_it_is_lost(
    plan: Plan, overpaid: Payment
) -> None:
    record_payment(invoice_of(placed(plan, overpaid.customer)), as_of=DAY, actor="test")
    mark_returned(overpaid, as_of=NEXT_DAY, actor="test")
    assert (held(overpaid.customer), bad_debts()) == (0, 5000)
    assert broken_invariants() == {}


# What is found, and what an upgrade finds


def _book_as_before(order: Order) -> None:
    """As an order was booked that was placed before orders were kept out of the books."""
    with transaction.atomic():
        issue_ordered(order.seller, [invoice_of(order)], as_of=DAY, actor="test")
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(
                "UPDATE invoicing_invoice SET sequence = NULL, number = NULL, reference = ''"
                " WHERE id = %s",
                [invoice_of(order).pk],
            )
            cursor.execute("DELETE FROM events_event WHERE type = 'invoice.finalized'")
            cursor.execute("UPDATE invoicing_numberseries SET next_number = 1")
            cursor.execute("SET session_replication_role = DEFAULT")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def test_an_order_that_is_booked_while_it_waits_is_found(plan: Plan, known: Customer) -> None:
    order = placed(plan, known)
    _book_as_before(order)
    found = broken_invariants()
    assert any(
        invoice_of(order).public_id in line
        for line in found["what_is_only_ordered_is_not_in_the_books"]
    )
    assert {"receivable_is_what_customers_owe", "balances_pay_what_they_are_said_to"} <= {*found}


def _migrate() -> None:
    migration: Any = import_module("billing.invoicing.migrations.0010_order_is_booked_when_paid")
    with (
        pgtrigger.ignore("invoicing.BalanceEntry:what_is_only_ordered_moves_no_balance"),
        connection.cursor() as cursor,
    ):
        for statement in migration.TAKE_ORDERS_OUT_OF_THE_BOOKS:
            cursor.execute(statement)


def test_the_migration_takes_orders_that_wait_out_of_the_books(plan: Plan, known: Customer) -> None:
    order = placed(plan, known)
    _book_as_before(order)
    _migrate()
    assert set(moved_by_role(invoice_of(order)).values()) == {0}
    assert {day for _, day in booked(invoice_of(order))} == {DAY, today_of(plan.seller)}
    assert held(known) == 5000
    assert broken_invariants() == {}
    record_payment(invoice_of(order), as_of=NEXT_DAY, actor="test")
    assert (held(known), invoice_of(order).status) == (0, "paid")
    assert broken_invariants() == {}


def test_what_an_order_had_earned_comes_back_where_it_is_taken_out_of_the_books(
    plan: Plan,
) -> None:
    order = placed(plan)
    _book_as_before(order)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE invoicing_invoice SET sequence = 1, number = '1'")
        assert recognize(plan.seller, as_of=APRIL) == 1
        cursor.execute("UPDATE invoicing_invoice SET sequence = NULL, number = NULL")
        cursor.execute("SET session_replication_role = DEFAULT")
    _migrate()
    assert recognize(plan.seller, as_of=date(2026, 5, 1)) == 1
    last = Transfer.objects.filter(document="recognition").latest("id")
    assert (last.amount_minor, last.credit_account.role) == (10_320, "deferred_revenue")
    assert recognize(plan.seller, as_of=date(2026, 5, 1)) == 0
    assert broken_invariants() == {}


def test_what_is_booked_already_is_not_booked_again_when_it_is_paid(
    plan: Plan, known: Customer
) -> None:
    order = placed(plan, known)
    _book_as_before(order)
    record_payment(invoice_of(order), as_of=NEXT_DAY, actor="test")
    assert (held(known), invoice_of(order).status) == (0, "paid")
    assert broken_invariants() == {}


# What a program of before would still do


def test_an_order_that_is_booked_as_it_is_placed_is_refused(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "no_numbers", None)
    with (
        pytest.raises(IntegrityError, match="what_is_only_ordered_is_not_booked"),
        transaction.atomic(),
    ):
        placed(plan)


def test_an_order_that_is_numbered_and_not_booked_is_refused(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = placed(plan)
    monkeypatch.setattr(ordered, "_book", lambda *_: None)
    with (
        pytest.raises(IntegrityError, match="what_was_ordered_is_booked_with_its_number"),
        transaction.atomic(),
    ):
        issue_ordered(order.seller, [invoice_of(order)], as_of=DAY, actor="test")
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_balance_that_was_never_drawn_does_not_come_back(plan: Plan, known: Customer) -> None:
    invoice = invoice_of(placed(plan, known))
    back = Entry(known.pk, "SEK", invoice.credit_applied_minor, invoice.pk, "Void")
    with (
        pytest.raises(IntegrityError, match="what_is_only_ordered_moves_no_balance"),
        transaction.atomic(),
    ):
        move_balances([back], DAY)
