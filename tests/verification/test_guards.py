"""That guards stand and that what they guard is unchanged: each invariant is seen to fail."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from billing.base import clock
from billing.base.triggers import FrozenOnce
from billing.invoicing.models import Invoice
from billing.payments.booking import record_payment
from billing.seals.models import Seal
from billing.seals.sealing import chains, seal_all
from billing.verification.books import broken_invariants
from billing.verification.guards import guards_stand, what_was_sealed_is_unchanged
from customers.models import Seller
from tests.verification.test_verification import company

__all__ = ["company"]

SEALED = "what_was_sealed_is_unchanged"


def behind_the_guards(statement: str) -> int:
    """Run a statement as who owns the tables can; returns the rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)
        changed = cursor.rowcount
        cursor.execute("SET LOCAL session_replication_role = origin")
        return changed


def test_all_guards_stand_in_a_database_that_was_migrated(company: Seller) -> None:
    assert list(guards_stand()) == []


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("ALTER TABLE ledger_transfer DISABLE TRIGGER USER", "is switched off"),
        ("ALTER TABLE subscriptions_subscriptionitem DROP CONSTRAINT {}", "is not there"),
        ("ALTER TABLE customers_customerevent DISABLE TRIGGER USER", "is switched off"),
        (
            "DO $$ DECLARE f text; BEGIN SELECT p.proname INTO f FROM pg_trigger t JOIN pg_proc p"
            " ON p.oid = t.tgfoid WHERE t.tgname LIKE '%letterhead_is_never_edited%' LIMIT 1;"
            " EXECUTE format('CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql"
            " AS ''BEGIN RETURN NEW; END''', f); END $$",
            "does something else",
        ),
        ("ALTER TABLE payments_payment DROP CONSTRAINT payment_is_positive", "is not there"),
        ("DROP INDEX {unique}", "is not there"),
    ],
)
def test_a_guard_that_does_not_stand_is_named(
    company: Seller, statement: str, sentence: str
) -> None:
    exclusion = _one(
        "SELECT conname FROM pg_constraint WHERE contype = 'x'"
        " AND conrelid = 'subscriptions_subscriptionitem'::regclass LIMIT 1"
    )
    unique = _one(
        "SELECT indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " WHERE i.indisunique AND c.relname = 'payments_payment' AND i.indpred IS NOT NULL LIMIT 1"
    )
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement.replace("{unique}", unique).replace("{}", exclusion))
    found = broken_invariants()
    assert list(found) == ["guards_stand"]
    assert all(sentence in one for one in found["guards_stand"])


def _one(query: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return str(cursor.fetchone()[0])


CHANGES = {
    "the buyer": """UPDATE invoicing_invoice SET bill_to = bill_to || '{"name": "X"}'""",
    "the date": "UPDATE invoicing_invoice SET issued_on = issued_on - 30, due_on = due_on - 30",
    "the due date": "UPDATE invoicing_invoice SET due_on = due_on + 300",
    "the number": "UPDATE invoicing_invoice SET number = 'X-' || id",
    "a line's text": "UPDATE invoicing_invoiceline SET description = 'consulting'",
    "a line's price": "UPDATE invoicing_invoiceline SET unit_amount = 1, quantity = 1",
    "a line's period": (
        "UPDATE invoicing_invoiceline SET starts_on = '2020-01-01', ends_on = '2020-02-01'"
    ),
    "the letterhead": """UPDATE invoicing_letterhead SET content = content || '{"iban": "X"}'""",
    "a transfer's account": (
        "UPDATE ledger_transfer"
        " SET debit_account_id = credit_account_id, credit_account_id = debit_account_id"
    ),
    "a transfer's date": "UPDATE ledger_transfer SET effective_on = effective_on - 400",
    "a payment's gateway id": (
        "UPDATE payments_payment"
        " SET source = 'gateway', gateway = 'sandbox', gateway_id = 'ch_' || id"
    ),
    "a payment's day": "UPDATE payments_payment SET received_on = received_on - 300",
    "an event's data": """UPDATE events_event SET data = '{"x": 1}'""",
    "an event": "DELETE FROM events_event WHERE type = 'payment.succeeded'",
    "history": "UPDATE customers_customerevent SET name = 'x'",
    "a row of history": "DELETE FROM customers_customerevent",
    "a seal": "UPDATE seals_seal SET digest = mark",
    "a seal in the chain": "DELETE FROM seals_seal WHERE position = 1",
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_somebody_changed_behind_the_guards_is_seen(company: Seller, what: str) -> None:
    assert seal_all(is_settled=True)
    assert broken_invariants() == {}
    add_a_second_seal()
    assert behind_the_guards(CHANGES[what])
    assert list(what_was_sealed_is_unchanged())


def add_a_second_seal() -> None:
    """So that the first of a chain has one that follows it."""
    first = Seal.objects.get(chain="events")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_event (public_id, seller, type, subject, occurred_on, actor, data)"
            " SELECT 'evt_more', seller, type, subject, occurred_on, actor, data"
            " FROM events_event LIMIT 1"
        )
    assert seal_all(is_settled=True) == 1
    assert Seal.objects.filter(chain="events", after=first.until).count() == 1
    assert list(what_was_sealed_is_unchanged()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments_payment SET gateway_id = 'ch_x' WHERE received_on IS NOT NULL",
        "UPDATE payments_payment SET received_on = received_on - 1",
        "UPDATE customers_customerevent SET name = 'x'",
        "DELETE FROM customers_customerevent",
        "UPDATE seals_seal SET digest = ''",
    ],
)
def test_the_guards_refuse_it(company: Seller, statement: str) -> None:
    seal_all(is_settled=True)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_what_is_sealed_twice_is_sealed_once(company: Seller) -> None:
    assert seal_all(is_settled=True) > 100
    assert seal_all(is_settled=True) == 0
    assert Seal.objects.filter(sealed_at__lte=clock.now()).exists()


def test_what_settles_a_document_later_breaks_no_seal(company: Seller) -> None:
    assert seal_all(is_settled=True)
    invoice = Invoice.objects.filter(kind="invoice", status="open").order_by("-id")[0]
    almost = invoice.left_minor - company.rounding_tolerance_minor
    record_payment(invoice, amount_minor=almost, as_of=invoice.issued_on, actor="test")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.rounded_off_minor) == ("paid", company.rounding_tolerance_minor)
    assert list(what_was_sealed_is_unchanged()) == []


def test_no_column_of_a_document_that_may_change_is_sealed(company: Seller) -> None:
    options: Any = Invoice._meta
    frozen, numbered = [each for each in options.triggers if isinstance(each, FrozenOnce)]
    # What has no number yet is in no chain.
    may_change = set(frozen.exclude or ()) - set(numbered.fields or ())
    assert may_change
    documents = [chain for chain in chains() if chain.model == "invoicing.Invoice"]
    assert documents
    for chain in documents:
        assert may_change <= set(chain.leaving_out)
