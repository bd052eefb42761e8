"""What must always be true of the books, asked of the rows themselves.

Each invariant is one or a few set-based queries and yields one sentence for each breach, so that
a hundred thousand invoices take seconds. None of them trusts a constraint, a trigger or a sum that
was kept: they are for after a restore, and for the day when a guard has failed.
"""

from collections.abc import Callable, Iterator

from billing.base.sql.read_only import read_only
from billing.verification import coverage, debts, documents, guards, money, references
from billing.verification.rows import rows_of

Invariant = Callable[[], Iterator[str]]

COUNTED = (
    "customers",
    "documents",
    "transfers",
    "payments",
    "events",
    "waiting_events",
    "pending_deliveries",
    "dead_deliveries",
)


def broken_invariants() -> dict[str, list[str]]:
    """Check all of :data:`INVARIANTS` on one snapshot; the breaches of each that is broken.

    The snapshot makes it safe to run while others bill: what is half done is not seen. Inside a
    caller's transaction its snapshot is used.
    """
    broken: dict[str, list[str]] = {}
    with read_only():
        for name, invariant in INVARIANTS.items():
            if breaches := list(invariant()):
                broken[name] = breaches
    return broken


def inventory() -> dict[str, int]:
    """How much there was to check, and which events are still on their way."""
    (row,) = rows_of(_INVENTORY)
    return dict(zip(COUNTED, row, strict=True))


INVARIANTS: dict[str, Invariant] = {
    invariant.__name__: invariant
    for invariant in (
        documents.numbers_are_without_gap,
        documents.nothing_live_is_dated_ahead,
        documents.documents_add_up,
        documents.tax_groups_add_up,
        money.receivable_is_what_customers_owe,
        money.balances_are_what_was_entered,
        money.balances_have_what_is_kept_for_orders,
        money.balances_pay_what_they_are_said_to,
        documents.credited_invoices_have_their_rounding_back,
        documents.documents_are_in_the_books,
        documents.what_is_only_ordered_is_not_in_the_books,
        money.no_charge_is_made_twice,
        money.invoices_are_paid_by_payments,
        money.losses_and_roundings_are_booked,
        money.payments_are_allocated_within_their_amount,
        money.payments_are_in_the_books,
        money.returned_payments_have_left_nothing,
        money.money_owed_back_is_work_or_somebodys_word,
        debts.late_debts_follow_their_invoices,
        debts.access_is_what_late_debts_leave,
        coverage.coverage_is_within_its_line,
        coverage.no_day_is_billed_twice,
        coverage.charges_have_coverage,
        coverage.lines_give_back_no_more_than_they_billed,
        coverage.credits_of_void_invoices_are_taken_back,
        references.references_lead_to_rows,
        references.parties_agree,
        references.merged_customers_have_nothing_to_come,
        documents.documents_have_events,
        references.events_are_on_their_way,
        references.transfers_have_documents,
        guards.guards_stand,
        guards.what_was_sealed_is_unchanged,
    )
}
_INVENTORY = """
    SELECT (SELECT count(*) FROM customers_customer),
           (SELECT count(*) FROM invoicing_invoice),
           (SELECT count(*) FROM ledger_transfer),
           (SELECT count(*) FROM payments_payment),
           (SELECT count(*) FROM events_event),
           (SELECT count(*) FROM events_event WHERE NOT is_fanned_out),
           (SELECT count(*) FROM events_delivery WHERE state = 'pending'),
           (SELECT count(*) FROM events_delivery WHERE state = 'dead')
"""
