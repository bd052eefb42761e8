"""Every invariant is seen to hold for a company, and seen to fail when its rows are broken."""

import json
from datetime import date
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing.invoicing import actions as invoicing
from billing.invoicing import corrections, voiding
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.payments import booking as payments
from billing.payments.giving_back import mark_paid_back, reopen
from billing.payments.models import Refund
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import coupons
from billing.verification.books import INVARIANTS, broken_invariants
from customers.models import Seller
from dunning.cases import open_cases, step_due
from dunning.models import DunningChoice, DunningPolicy, DunningStep
from tests.factories import CouponFactory, CustomerFactory, PlanFactory, PriceFactory, SellerFactory

MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)
VAT_25 = [{"category": "S", "rate": "25"}]
BY_TEST: dict[str, Any] = {"as_of": APRIL, "actor": "test"}


@pytest.fixture
def company(db: None) -> Seller:
    """Six subscribers for two months, and all that can happen to their invoices."""
    seller = SellerFactory(tax=VAT_25, rounding="whole")
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan, amount=Decimal("99.50"))
    subscribed = []
    for _ in range(6):
        customer = CustomerFactory(seller=seller)
        subscribed.append(subscriptions.start(customer, plan, as_of=MARCH, actor="test"))
    coupon = CouponFactory(seller=seller)
    coupons.redeem_coupon(
        subscribed[5].customer, coupon, subscription=subscribed[5], as_of=MARCH, actor="test"
    )
    bill_due(seller, MARCH, actor="test")
    bill_due(seller, APRIL, actor="test")
    first = list(Invoice.objects.filter(issued_on=MARCH).order_by("sequence"))
    payments.record_payment(first[0], **BY_TEST)
    payments.record_payment(first[1], amount_minor=first[1].total_minor + 2000, **BY_TEST)
    payments.record_payment(first[2], **BY_TEST)
    for _ in range(2):
        corrections.credit(first[0], amount_minor=500, to=Invoice.CreditTo.REFUND, **BY_TEST)
    paid_back = Refund.objects.latest("id")
    mark_paid_back(paid_back, paid_on=APRIL, **BY_TEST)
    reopen(first[2], amount_minor=500, **BY_TEST)
    corrections.credit(first[3], amount_minor=2500, **BY_TEST)
    invoicing.write_off(first[4], **BY_TEST)
    voiding.void(first[5], **BY_TEST)
    invoicing.add_one_off(
        subscribed[1].customer, currency="SEK", amount_minor=700, description="Mug", **BY_TEST
    )
    bill_due(seller, APRIL, actor="test")
    corrections.credit(
        Invoice.objects.filter(issued_on=APRIL, kind="invoice").earliest("id"), **BY_TEST
    )
    policy = DunningPolicy.objects.create(seller=seller, code="own", name="Own")
    for days, kind in ((1, "restrict"), (9, "remind")):
        DunningStep.objects.create(policy=policy, since="due", days=days, kind=kind)
    DunningChoice.objects.create(seller=seller, policy=policy)
    assert open_cases(seller, MAY, "test")
    assert step_due(seller, MAY, "test")
    return seller


def test_a_company_that_was_never_tampered_with_passes(company: Seller) -> None:
    assert broken_invariants() == {}
    assert {status for (status,) in Invoice.objects.values_list("status")} >= {
        "open",
        "paid",
        "void",
        "uncollectible",
        "issued",
    }


def test_an_empty_installation_passes(db: None) -> None:
    assert broken_invariants() == {}


BREAKS = [
    ("numbers_are_without_gap", "UPDATE invoicing_invoice SET sequence = 900 WHERE sequence = 2"),
    ("numbers_are_without_gap", "UPDATE invoicing_numberseries SET next_number = 2"),
    ("guards_stand", "ALTER TABLE ledger_transfer DISABLE TRIGGER USER"),
    (
        "what_was_sealed_is_unchanged",
        "INSERT INTO seals_seal"
        " (chain, position, after, until, rows, columns, digest, mark, sealed_at)"
        " VALUES ('transfers', 1, 0, 1, 1, '{}', 'x', 'x', now())",
    ),
    (
        "nothing_live_is_dated_ahead",
        "WITH live AS (UPDATE customers_seller SET is_live = true)"
        " UPDATE invoicing_invoice SET issued_on = '2999-01-01' WHERE sequence = 1",
    ),
    (
        "nothing_live_is_dated_ahead",
        "WITH live AS (UPDATE customers_seller SET is_live = true)"
        " UPDATE payments_payment SET received_on = '2999-01-01'",
    ),
    (
        "no_charge_is_made_twice",
        "DROP INDEX charge_is_of_one_payment;"
        " UPDATE payments_payment SET source = 'gateway', gateway = 'sandbox', gateway_id = 'ch_1'",
    ),
    (
        "no_charge_is_made_twice",
        "DROP INDEX payment_is_sent_to_a_gateway_once;"
        " UPDATE payments_payment SET gateway_key = 'chg_1_1'",
    ),
    (
        "documents_add_up",
        "UPDATE invoicing_invoiceline SET amount_minor = amount_minor + 1"
        " WHERE kind = 'recurring' AND position = 1",
    ),
    ("documents_add_up", "DELETE FROM invoicing_invoiceline WHERE kind = 'rounding'"),
    ("documents_add_up", "UPDATE invoicing_invoicetax SET tax_minor = tax_minor + 1"),
    ("tax_groups_add_up", "UPDATE invoicing_invoicetax SET net_minor = net_minor + 1"),
    ("tax_groups_add_up", "UPDATE invoicing_invoicetax SET percent = 12"),
    (
        "receivable_is_what_customers_owe",
        "UPDATE invoicing_invoice SET credited_minor = credited_minor + 1 WHERE status = 'open'",
    ),
    (
        "receivable_is_what_customers_owe",
        "UPDATE ledger_transfer SET customer_id = (SELECT max(id) FROM customers_customer)"
        " WHERE document = 'payment'",
    ),
    (
        "balances_are_what_was_entered",
        "DELETE FROM invoicing_balanceentry WHERE amount_minor > 0",
    ),
    (
        "balances_are_what_was_entered",
        "UPDATE invoicing_balanceentry SET customer_id = (SELECT max(id) FROM customers_customer)"
        " WHERE amount_minor > 0",
    ),
    (
        "balances_are_what_was_entered",
        "UPDATE invoicing_customerbalance SET balance_minor = balance_minor + 1",
    ),
    ("balances_pay_what_they_are_said_to", "DELETE FROM invoicing_balanceentry"),
    (
        "balances_pay_what_they_are_said_to",
        "UPDATE invoicing_invoice SET from_balance_minor = from_balance_minor - 1"
        " WHERE from_balance_minor > 0",
    ),
    (
        "balances_have_what_is_kept_for_orders",
        "UPDATE invoicing_invoice SET sequence = NULL, number = NULL, reference = '',"
        " credit_applied_minor = 1, amount_due_minor = total_minor - 1"
        " WHERE status = 'open' AND paid_minor = 0 AND credited_minor = 0",
    ),
    (
        "what_is_only_ordered_is_not_in_the_books",
        "UPDATE invoicing_invoice SET sequence = NULL, number = NULL, reference = ''"
        " WHERE status = 'open' AND paid_minor = 0 AND credited_minor = 0",
    ),
    (
        "documents_are_in_the_books",
        "DELETE FROM ledger_transfer WHERE id = (SELECT min(id) FROM ledger_transfer)",
    ),
    (
        "invoices_are_paid_by_payments",
        "UPDATE payments_paymentallocation SET amount_minor = amount_minor - 1",
    ),
    (
        "invoices_are_paid_by_payments",
        "UPDATE invoicing_invoice SET status = 'paid' WHERE status = 'open'",
    ),
    (
        "losses_and_roundings_are_booked",
        "DELETE FROM ledger_transfer WHERE document = 'loss'",
    ),
    (
        "losses_and_roundings_are_booked",
        "UPDATE invoicing_invoice SET credited_minor = credited_minor + 1, rounded_off_minor = 1"
        " WHERE status = 'open'",
    ),
    (
        "payments_are_allocated_within_their_amount",
        "UPDATE payments_payment SET amount_minor = 1 WHERE refunded_minor = 0",
    ),
    (
        "payments_are_allocated_within_their_amount",
        "UPDATE payments_payment SET state = 'failed'",
    ),
    (
        "payments_are_allocated_within_their_amount",
        "DELETE FROM payments_refund",
    ),
    (
        "returned_payments_have_left_nothing",
        "UPDATE payments_payment SET state = 'returned', returned_on = received_on",
    ),
    (
        "payments_are_in_the_books",
        "DELETE FROM ledger_transfer WHERE document IN ('payment', 'refund')",
    ),
    (
        "money_owed_back_is_work_or_somebodys_word",
        "ALTER TABLE payments_refund DROP CONSTRAINT refund_by_hand_was_paid_by_somebody;"
        "UPDATE payments_refund SET paid_by = '' WHERE state = 'succeeded'",
    ),
    (
        "money_owed_back_is_work_or_somebodys_word",
        "UPDATE payments_refund SET state = 'succeeded', paid_on = refunded_on, paid_by = 'x'"
        " WHERE state = 'owed'",
    ),
    (
        "money_owed_back_is_work_or_somebodys_word",
        "UPDATE payments_refund SET state = 'created' WHERE state = 'owed'",
    ),
    (
        "receivable_is_what_customers_owe",
        "UPDATE payments_refund SET state = 'failed' WHERE state = 'owed'",
    ),
    (
        "coverage_is_within_its_line",
        "ALTER TABLE invoicing_coverage DROP CONSTRAINT coverage_lies_in_its_span;"
        "UPDATE invoicing_coverage SET days = '{[2025-01-01,2025-02-01)}'"
        " WHERE line_id = (SELECT min(line_id) FROM invoicing_coverage)",
    ),
    (
        "coverage_is_within_its_line",
        "ALTER TABLE invoicing_coverage DROP CONSTRAINT line_is_not_credited_beyond_its_amount;"
        "UPDATE invoicing_coverage SET credited_minor = billed_minor + 1",
    ),
    (
        "coverage_is_within_its_line",
        "UPDATE invoicing_coverage SET again_for_id = item_id, again_days = days",
    ),
    (
        "no_day_is_billed_twice",
        "ALTER TABLE invoicing_coverage DROP CONSTRAINT coverage_lies_in_its_span;"
        "UPDATE invoicing_coverage SET days = '{[2026-03-31,2026-04-02)}'",
    ),
    (
        "charges_have_coverage",
        "DELETE FROM invoicing_coverage WHERE line_id = (SELECT min(line_id)"
        " FROM invoicing_coverage)",
    ),
    (
        "charges_have_coverage",
        "UPDATE invoicing_invoice SET status = 'void' WHERE status = 'open'",
    ),
    (
        "lines_give_back_no_more_than_they_billed",
        "UPDATE invoicing_invoiceline SET amount_minor = 99999 WHERE corrects_id IS NOT NULL",
    ),
    (
        "credits_of_void_invoices_are_taken_back",
        "UPDATE invoicing_invoiceline SET amount_minor = -700, corrects_id ="
        " (SELECT l.id FROM invoicing_invoiceline l JOIN invoicing_invoice i ON i.id = l.invoice_id"
        "  WHERE i.status = 'void' AND l.net_minor > 0) WHERE description = 'Mug'",
    ),
    (
        "credited_invoices_have_their_rounding_back",
        "UPDATE invoicing_invoice SET rounding_minor = 0, total_minor = net_minor + tax_minor,"
        " amount_due_minor = net_minor + tax_minor WHERE kind = 'credit_note'",
    ),
    (
        "tax_groups_add_up",
        "UPDATE invoicing_invoicetax SET tax_minor = tax_minor - 450 WHERE invoice_id IN"
        " (SELECT id FROM invoicing_invoice WHERE kind = 'credit_note')",
    ),
    (
        "parties_agree",
        "UPDATE customers_customer SET seller_id = seller_id + 1"
        " WHERE id = (SELECT min(id) FROM customers_customer)",
    ),
    ("parties_agree", "UPDATE payments_payment SET currency = 'EUR'"),
    (
        "parties_agree",
        "UPDATE subscriptions_subscription"
        " SET customer_id = (SELECT max(id) FROM customers_customer)",
    ),
    (
        "parties_agree",
        "UPDATE invoicing_invoice SET subscription_id = NULL;"
        " UPDATE invoicing_invoiceline SET subscription_id = NULL;"
        " UPDATE invoicing_invoice SET customer_id = (SELECT max(id) FROM customers_customer)"
        " WHERE kind = 'credit_note'",
    ),
    (
        "merged_customers_have_nothing_to_come",
        "UPDATE customers_customer SET merged_into_id = (SELECT max(id) FROM customers_customer)"
        " WHERE id = (SELECT min(id) FROM customers_customer)",
    ),
    ("references_lead_to_rows", "UPDATE invoicing_invoiceline SET price_id = 987654"),
    ("references_lead_to_rows", "DELETE FROM ledger_account WHERE role = 'vat'"),
    ("documents_have_events", "DELETE FROM events_event WHERE type = 'invoice.finalized'"),
    (
        "documents_have_events",
        "DELETE FROM invoicing_invoice WHERE sequence = 1 AND kind = 'invoice'",
    ),
    (
        "events_are_on_their_way",
        "INSERT INTO events_delivery (event_id, subscriber, state, attempts, last_error)"
        " SELECT min(id), 'mail', 'pending', 0, '' FROM events_event",
    ),
    (
        "late_debts_follow_their_invoices",
        "UPDATE dunning_dunningcase SET status = 'stopped', closed_on = late_from",
    ),
    ("late_debts_follow_their_invoices", "DELETE FROM dunning_dunningaction"),
    (
        "late_debts_follow_their_invoices",
        "UPDATE dunning_dunningcase SET customer_id = customer_id + 1",
    ),
    (
        "late_debts_follow_their_invoices",
        "UPDATE invoicing_invoice SET status = 'void' WHERE status = 'open'",
    ),
    (
        "late_debts_follow_their_invoices",
        "ALTER TABLE dunning_dunningaction DROP CONSTRAINT dunning_step_is_taken_once_in_a_case;"
        " INSERT INTO dunning_dunningaction"
        " (case_id, step_id, kind, done_on, outcome)"
        " SELECT case_id, step_id, kind, done_on, outcome FROM dunning_dunningaction",
    ),
    ("access_is_what_late_debts_leave", "UPDATE subscriptions_subscription SET access = 'full'"),
    ("access_is_what_late_debts_leave", "UPDATE subscriptions_subscription SET access = 'none'"),
    ("access_is_what_late_debts_leave", "UPDATE dunning_dunningcase SET access = 'none'"),
    ("transfers_have_documents", "DELETE FROM invoicing_invoice WHERE kind = 'credit_note'"),
    (
        "transfers_have_documents",
        "UPDATE ledger_transfer SET document_id = 987654 WHERE document = 'payment'",
    ),
]


@pytest.mark.parametrize(("name", "statement"), BREAKS)
def test_a_broken_row_is_told_by_its_invariant(company: Seller, name: str, statement: str) -> None:
    _unguarded(statement)
    assert name in broken_invariants()


def test_every_invariant_is_seen_to_fail() -> None:
    assert {name for name, _ in BREAKS} == INVARIANTS.keys()


def test_verify_books_ends_well_and_counts_what_it_checked(company: Seller) -> None:
    out = StringIO()
    call_command("verify_books", stdout=out)
    assert "Checked 6 customers" in out.getvalue()
    assert f"All {len(INVARIANTS)} invariants hold." in out.getvalue()


def test_verify_books_fails_with_a_line_for_what_is_broken(company: Seller) -> None:
    _unguarded("DELETE FROM events_event WHERE type = 'invoice.finalized'")
    out = StringIO()
    with pytest.raises(CommandError, match="1 of"):
        call_command("verify_books", stdout=out)
    assert "documents_have_events: Document 1 was issued without an event." in out.getvalue()


def test_verify_books_tells_a_program_in_json(company: Seller) -> None:
    out = StringIO()
    call_command("verify_books", json=True, stdout=out)
    answer = json.loads(out.getvalue())
    assert answer["ok"] is True
    assert answer["counts"]["customers"] == 6
    assert answer["broken"] == {}


def _unguarded(statement: str) -> None:
    """Run a statement past triggers and foreign keys, as a careless repair would."""
    with connection.cursor() as cursor:
        # What the company still owes to deferred checks would keep tables from being altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        # It was for this statement only; with it on, the test's rollback is all the same.
        cursor.execute("SET session_replication_role = DEFAULT")
