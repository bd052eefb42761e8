"""What must always be true of the books, asked of the rows themselves.

Each invariant is one or a few set-based queries and yields one sentence for each breach, so that
a hundred thousand invoices take seconds. None of them trusts a constraint, a trigger or a sum that
was kept: they are for after a restore, and for the day when a guard has failed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pgtrigger
from django.db import connection, transaction

from billing.engine.money import major_string
from billing.events.triggers import ReferencesExist, unconstrained_keys

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
    is_outermost = not connection.in_atomic_block
    broken: dict[str, list[str]] = {}
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for name, invariant in INVARIANTS.items():
            if breaches := list(invariant()):
                broken[name] = breaches
    return broken


def inventory() -> dict[str, int]:
    """How much there was to check, and which events are still on their way."""
    (row,) = _rows(_INVENTORY)
    return dict(zip(COUNTED, row, strict=True))


def numbers_are_without_gap() -> Iterator[str]:
    """From a series' first document on, every number is there once, and the next one is known."""
    for seller, kind, previous, sequence in _rows(_GAPS):
        if previous == sequence:
            yield f"{seller}: {kind} number {sequence} is there twice."
        else:
            yield f"{seller}: {kind} numbers {previous + 1} to {sequence - 1} are missing."
    for seller, kind, last, next_number in _rows(_NEXT_NUMBERS):
        yield f"{seller}: the last {kind} is number {last}, but the next would be {next_number}."


def documents_add_up() -> Iterator[str]:
    """Subtotal, discount, net, tax, rounding and total are the sums of lines and VAT groups."""
    for number, *_, what in _rows(_SUMS):
        yield f"Document {number}: {what} not the sum of its lines and VAT groups."


def tax_groups_add_up() -> Iterator[str]:
    """A VAT group's net is that of its lines; on invoices its tax is the rate's part of it."""
    for number, category, percent, of_group, of_lines in _rows(_TAX_GROUPS):
        yield (
            f"Document {number}: the VAT group {category} {percent.normalize():f} % says a net of "
            f"{of_group or 0}, its lines {of_lines or 0} (minor units)."
        )
    for number, category, percent, net, tax in _rows(_TAX_OF_GROUPS):
        yield (
            f"Document {number}: {tax} is not {percent.normalize():f} % of {net} "
            f"(minor units, VAT group {category})."
        )


def receivable_is_what_customers_owe() -> Iterator[str]:
    """A customer's receivable in a currency is what is left to pay of the open invoices."""
    for customer, currency, booked, owed in _rows(_RECEIVABLE):
        yield (
            f"Customer {customer}: the receivable account says {_money(booked, currency)}, "
            f"the open invoices {_money(owed, currency)}."
        )


def balances_are_what_was_entered() -> Iterator[str]:
    """A customer's balance, its entries and the books' account say the same."""
    for customer, currency, booked, kept, entered in _rows(_BALANCES):
        yield (
            f"Customer {customer}: the balance is {_money(kept, currency)}, its entries sum to "
            f"{_money(entered, currency)}, the account says {_money(booked, currency)}."
        )


def balances_pay_what_they_are_said_to() -> Iterator[str]:
    """What an invoice says the balance has paid is what was entered, and still counts."""
    for number, currency, said, entered in _rows(_FROM_BALANCE):
        yield (
            f"Invoice {number}: {_money(said, currency)} is marked as paid from the balance, "
            f"{_money(entered, currency)} was taken off it."
        )


def documents_are_in_the_books() -> Iterator[str]:
    """Each document's transfers are its net, tax and rounding; a void one's cancel out."""
    for number, status, net, tax, rounding in _rows(_BOOKED):
        yield (
            f"Document {number} ({status}): its transfers come to net {net}, tax {tax} and "
            f"rounding {rounding} (minor units), which is not what it says."
        )


def invoices_are_paid_by_payments() -> Iterator[str]:
    """What an invoice says is paid are its settled allocations, and its status fits."""
    for number, currency, paid, settled in _rows(_PAID):
        yield (
            f"Invoice {number}: {_money(paid, currency)} is marked as paid, "
            f"{_money(settled, currency)} is allocated to it."
        )
    for number, status, currency, left in _rows(_STATUS):
        yield f"Invoice {number} is {status} with {_money(left, currency)} left to pay."


def payments_are_allocated_within_their_amount() -> Iterator[str]:
    """No payment settles more than it brought, and only a successful one settles anything."""
    for payment, state, currency, amount, settled in _rows(_ALLOCATED):
        yield (
            f"Payment {payment} ({state}) of {_money(amount, currency)} settles "
            f"{_money(settled, currency)}."
        )
    for payment, kept, allocated, refunded in _rows(_REFUNDED):
        yield (
            f"Payment {payment}: refunded says {kept}, its allocations {allocated}, "
            f"its refunds {refunded} (minor units)."
        )


def payments_are_in_the_books() -> Iterator[str]:
    """The clearing account holds what customers have paid and not got back."""
    for customer, currency, booked, received in _rows(_CLEARING):
        yield (
            f"Customer {customer}: the clearing account says {_money(booked, currency)}, "
            f"the payments less refunds {_money(received, currency)}."
        )


def late_debts_follow_their_invoices() -> Iterator[str]:
    """A case that goes on is of an invoice that is owed, and has taken each step once."""
    for case, number, what in _rows(_CASES):
        yield f"Case {case} of invoice {number} {what}."


def access_is_what_late_debts_leave() -> Iterator[str]:
    """A subscription's access is the least that any late debt for it leaves, and full without."""
    for subscription, access, left in _rows(_ACCESS):
        yield f"Subscription {subscription} has access {access}, its late debts leave {left}."


def coverage_is_within_its_line() -> Iterator[str]:
    """Coverage lies inside its line's days, on its item, and gives back no more than was billed."""
    for number, position, what in _rows(_COVERAGE):
        yield f"Document {number}, line {position}: {what}."


def no_day_is_billed_twice() -> Iterator[str]:
    """No item is billed twice for a day of one kind, whether or not the constraint is there."""
    for subscription, key, line, other, day in _rows(_BILLED_TWICE):
        yield (
            f"Subscription {subscription}: {key} is billed twice from {day or 'the start'}, "
            f"by lines {other} and {line}."
        )


def charges_have_coverage() -> Iterator[str]:
    """Every charge of a subscription covers its days, and nothing that was voided covers any."""
    for number, position, is_void in _rows(_UNCOVERED):
        what = "covers days though it is void" if is_void else "is a charge without coverage"
        yield f"Document {number}, line {position} {what}."


def lines_give_back_no_more_than_they_billed() -> Iterator[str]:
    """All corrections of a line together stay within its amount after discount."""
    for number, position, currency, billed, given_back in _rows(_GIVEN_BACK):
        yield (
            f"Document {number}, line {position} billed {_money(billed, currency)}, and "
            f"{_money(given_back, currency)} of it was given back."
        )


def parties_agree() -> Iterator[str]:
    """Rows that hang together are of one seller, one customer and one currency."""
    for what, name in _rows(_PARTIES):
        yield f"{what} {name} joins rows of different sellers, customers or currencies."


def documents_have_events() -> Iterator[str]:
    """Each document has its event, and each such event its document."""
    for number in _rows(_WITHOUT_EVENT):
        yield f"Document {number[0]} was issued without an event."
    for event, type, subject in _rows(_WITHOUT_DOCUMENT):
        yield f"Event {event} ({type}) tells of {subject}, which is not there."


def events_are_on_their_way() -> Iterator[str]:
    """An event with deliveries has been fanned out; one that waits has none."""
    for event, type in _rows(_HALF_FANNED_OUT):
        yield f"Event {event} ({type}) has deliveries but waits for its fan-out."


def transfers_have_documents() -> Iterator[str]:
    """What a transfer was written for is there, and is the same customer's."""
    for transfer, document, document_id in _rows(_ORPHANED_TRANSFERS):
        yield f"Transfer {transfer} was written for {document} {document_id}, which is not there."


def references_lead_to_rows() -> Iterator[str]:
    """Keys that no constraint checks name rows that are there."""
    for model, trigger in pgtrigger.registered():
        for key in unconstrained_keys(model) if isinstance(trigger, ReferencesExist) else ():
            table, target = model._meta.db_table, key.related_model._meta.db_table
            query = _DANGLING.format(table=table, column=key.column, target=target)
            for (missing,) in _rows(query):
                yield f"{table}: {key.column} {missing} is not in {target}."


INVARIANTS: dict[str, Invariant] = {
    invariant.__name__: invariant
    for invariant in (
        numbers_are_without_gap,
        documents_add_up,
        tax_groups_add_up,
        receivable_is_what_customers_owe,
        balances_are_what_was_entered,
        balances_pay_what_they_are_said_to,
        documents_are_in_the_books,
        invoices_are_paid_by_payments,
        payments_are_allocated_within_their_amount,
        payments_are_in_the_books,
        late_debts_follow_their_invoices,
        access_is_what_late_debts_leave,
        coverage_is_within_its_line,
        no_day_is_billed_twice,
        charges_have_coverage,
        lines_give_back_no_more_than_they_billed,
        references_lead_to_rows,
        parties_agree,
        documents_have_events,
        events_are_on_their_way,
        transfers_have_documents,
    )
}


def _rows(query: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def _money(minor: int | None, currency: str) -> str:
    return f"{major_string(int(minor or 0), currency)} {currency}"


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
_GAPS = """
    SELECT s.name, d.kind, d.previous, d.sequence
    FROM (SELECT seller_id, kind, sequence,
                 lag(sequence) OVER (PARTITION BY seller_id, kind ORDER BY sequence) AS previous
          FROM invoicing_invoice WHERE sequence IS NOT NULL) d
    JOIN customers_seller s ON s.id = d.seller_id
    WHERE d.sequence <> d.previous + 1
    ORDER BY s.id, d.kind, d.sequence
"""
_NEXT_NUMBERS = """
    SELECT s.name, d.kind, d.last, n.next_number
    FROM (SELECT seller_id, kind, max(sequence) AS last
          FROM invoicing_invoice WHERE sequence IS NOT NULL GROUP BY 1, 2) d
    JOIN customers_seller s ON s.id = d.seller_id
    LEFT JOIN invoicing_numberseries n ON n.seller_id = d.seller_id AND n.kind = d.kind
    WHERE n.next_number IS DISTINCT FROM d.last + 1
    ORDER BY s.id, d.kind
"""
_SUMS = """
    WITH lines AS (
        SELECT invoice_id,
               sum(amount_minor) FILTER (WHERE kind NOT IN ('discount', 'rounding')) AS subtotal,
               sum(discount_minor) AS discount,
               -sum(amount_minor) FILTER (WHERE kind = 'discount') AS shown_discount,
               sum(amount_minor) FILTER (WHERE kind = 'rounding') AS rounding,
               sum(net_minor) AS net
        FROM invoicing_invoiceline GROUP BY 1
    ), taxes AS (
        SELECT invoice_id, sum(tax_minor) AS tax FROM invoicing_invoicetax GROUP BY 1
    ), checked AS (
        SELECT d.id, COALESCE(d.number, d.public_id) AS number, concat_ws(', ',
            CASE WHEN d.subtotal_minor <> COALESCE(l.subtotal, 0) THEN 'the subtotal is' END,
            CASE WHEN d.discount_minor <> COALESCE(l.discount, 0)
                   OR d.discount_minor <> COALESCE(l.shown_discount, 0)
                 THEN 'the discount is' END,
            CASE WHEN d.net_minor <> COALESCE(l.net, 0) THEN 'the net is' END,
            CASE WHEN d.tax_minor <> COALESCE(t.tax, 0) THEN 'the tax is' END,
            CASE WHEN d.rounding_minor <> COALESCE(l.rounding, 0) THEN 'the rounding is' END,
            CASE WHEN d.total_minor <> d.net_minor + d.tax_minor + d.rounding_minor
                   OR d.amount_due_minor <> d.total_minor - d.credit_applied_minor
                 THEN 'the total is' END) AS what
        FROM invoicing_invoice d
        LEFT JOIN lines l ON l.invoice_id = d.id
        LEFT JOIN taxes t ON t.invoice_id = d.id
    )
    SELECT number, id, what FROM checked WHERE what <> '' ORDER BY id
"""
_TAX_GROUPS = """
    WITH of_groups AS (
        SELECT invoice_id, category, percent, sum(net_minor) AS net
        FROM invoicing_invoicetax GROUP BY 1, 2, 3
    ), of_lines AS (
        SELECT l.invoice_id, COALESCE(r ->> 'category', 'S') AS category,
               (r ->> 'rate')::numeric AS percent, sum(l.net_minor) AS net
        FROM invoicing_invoiceline l, jsonb_array_elements(l.tax) r GROUP BY 1, 2, 3
    )
    SELECT COALESCE(d.number, d.public_id), category, percent, g.net, l.net
    FROM of_groups g FULL JOIN of_lines l USING (invoice_id, category, percent)
    JOIN invoicing_invoice d ON d.id = invoice_id
    WHERE COALESCE(g.net, 0) <> COALESCE(l.net, 0)
    ORDER BY d.id
"""
# A credit note by hand that takes the last of an invoice takes the tax that is left, to the cent.
_TAX_OF_GROUPS = """
    SELECT COALESCE(d.number, d.public_id), t.category, t.percent, t.net_minor, t.tax_minor
    FROM invoicing_invoicetax t JOIN invoicing_invoice d ON d.id = t.invoice_id
    WHERE d.kind = 'invoice' AND NOT t.is_inclusive
      AND t.tax_minor <> round(t.net_minor * t.percent / 100)
    ORDER BY d.id
"""
_BOOKS = """
    SELECT COALESCE(t.customer_id, 0) AS customer_id, t.currency,
           sum(CASE WHEN d.role = '{role}' THEN t.amount_minor ELSE 0 END
             - CASE WHEN c.role = '{role}' THEN t.amount_minor ELSE 0 END) AS booked
    FROM ledger_transfer t
    JOIN ledger_account d ON d.id = t.debit_account_id
    JOIN ledger_account c ON c.id = t.credit_account_id
    WHERE '{role}' IN (d.role, c.role) GROUP BY 1, 2
"""
_RECEIVABLE = f"""
    WITH books AS ({_BOOKS.format(role="receivable")}), owed AS (
        SELECT customer_id, currency,
               sum(amount_due_minor - paid_minor - credited_minor) AS owed
        FROM invoicing_invoice WHERE status = 'open' GROUP BY 1, 2
    )
    SELECT COALESCE(c.public_id, 'unknown'), currency, b.booked, o.owed
    FROM books b FULL JOIN owed o USING (customer_id, currency)
    LEFT JOIN customers_customer c ON c.id = customer_id
    WHERE COALESCE(b.booked, 0) <> COALESCE(o.owed, 0)
    ORDER BY customer_id, currency
"""  # noqa: S608 -- put together from constants of this module only.
_BALANCES = f"""
    WITH books AS ({_BOOKS.format(role="customer_balance")}), entered AS (
        SELECT customer_id, currency, sum(amount_minor) AS entered
        FROM invoicing_balanceentry GROUP BY 1, 2
    ), kept AS (
        SELECT customer_id, currency, sum(balance_minor) AS kept
        FROM invoicing_customerbalance GROUP BY 1, 2
    )
    SELECT COALESCE(c.public_id, 'unknown'), currency, -b.booked, k.kept, e.entered
    FROM books b FULL JOIN kept k USING (customer_id, currency)
    FULL JOIN entered e USING (customer_id, currency)
    LEFT JOIN customers_customer c ON c.id = customer_id
    WHERE COALESCE(-b.booked, 0) <> COALESCE(k.kept, 0)
       OR COALESCE(k.kept, 0) <> COALESCE(e.entered, 0)
    ORDER BY customer_id, currency
"""  # noqa: S608 -- put together from constants of this module only.
# A void invoice has given back what the balance paid when it was billed; it took nothing later.
_FROM_BALANCE = """
    SELECT d.number, d.currency, d.said, d.entered
    FROM (
        SELECT i.id, i.number, i.currency,
               CASE WHEN i.status = 'void' THEN 0 ELSE i.credit_applied_minor END
                   + i.from_balance_minor AS said,
               -COALESCE(e.entered, 0) AS entered
        FROM invoicing_invoice i LEFT JOIN (
            SELECT invoice_id, sum(amount_minor) AS entered
            FROM invoicing_balanceentry GROUP BY 1
        ) e ON e.invoice_id = i.id
        WHERE i.kind = 'invoice'
    ) d
    WHERE d.said <> d.entered
    ORDER BY d.id
"""
_BOOKED = """
    WITH sides AS (
        SELECT document_id, credit_account_id AS account_id, amount_minor
        FROM ledger_transfer WHERE document = 'invoice'
        UNION ALL
        SELECT document_id, debit_account_id, -amount_minor
        FROM ledger_transfer WHERE document = 'invoice'
    ), booked AS (
        SELECT s.document_id,
               COALESCE(sum(s.amount_minor)
                   FILTER (WHERE a.role IN ('revenue', 'deferred_revenue')), 0) AS net,
               COALESCE(sum(s.amount_minor) FILTER (WHERE a.role = 'vat'), 0) AS tax,
               COALESCE(sum(s.amount_minor) FILTER (WHERE a.role = 'rounding'), 0) AS rounding
        FROM sides s JOIN ledger_account a ON a.id = s.account_id GROUP BY 1
    ), said AS (
        SELECT id, number, status,
               CASE WHEN status = 'void' THEN 0 WHEN kind = 'invoice' THEN 1 ELSE -1 END AS sign,
               net_minor, tax_minor, rounding_minor
        FROM invoicing_invoice WHERE status <> 'draft'
    )
    SELECT d.number, d.status, COALESCE(b.net, 0), COALESCE(b.tax, 0), COALESCE(b.rounding, 0)
    FROM said d LEFT JOIN booked b ON b.document_id = d.id
    WHERE COALESCE(b.net, 0) <> d.sign * d.net_minor
       OR COALESCE(b.tax, 0) <> d.sign * d.tax_minor
       OR COALESCE(b.rounding, 0) <> d.sign * d.rounding_minor
    ORDER BY d.id
"""
_PAID = """
    SELECT d.number, d.currency, d.paid_minor, s.settled
    FROM invoicing_invoice d LEFT JOIN (
        SELECT invoice_id, sum(amount_minor - refunded_minor) AS settled
        FROM payments_paymentallocation WHERE state = 'settled' GROUP BY 1
    ) s ON s.invoice_id = d.id
    WHERE d.paid_minor <> COALESCE(s.settled, 0)
    ORDER BY d.id
"""
_STATUS = """
    SELECT number, status, currency, amount_due_minor - paid_minor - credited_minor
    FROM invoicing_invoice
    WHERE (status = 'paid' AND amount_due_minor <> paid_minor + credited_minor)
       OR (status = 'open' AND amount_due_minor <= paid_minor + credited_minor)
    ORDER BY id
"""
_ALLOCATED = """
    SELECT p.public_id, p.state, p.currency, p.amount_minor, s.settled
    FROM payments_payment p JOIN (
        SELECT payment_id, sum(amount_minor) AS settled
        FROM payments_paymentallocation WHERE state = 'settled' GROUP BY 1
    ) s ON s.payment_id = p.id
    WHERE s.settled > p.amount_minor OR p.state <> 'succeeded'
    ORDER BY p.id
"""
_REFUNDED = """
    SELECT p.public_id, p.refunded_minor, COALESCE(a.minor, 0), COALESCE(r.minor, 0)
    FROM payments_payment p
    LEFT JOIN (SELECT payment_id, sum(refunded_minor) AS minor
               FROM payments_paymentallocation GROUP BY 1) a ON a.payment_id = p.id
    LEFT JOIN (SELECT payment_id, sum(amount_minor) AS minor
               FROM payments_refund WHERE state <> 'failed' GROUP BY 1) r ON r.payment_id = p.id
    WHERE p.refunded_minor <> COALESCE(a.minor, 0) OR p.refunded_minor <> COALESCE(r.minor, 0)
    ORDER BY p.id
"""
_CLEARING = f"""
    WITH books AS ({_BOOKS.format(role="clearing")}), received AS (
        SELECT customer_id, currency, sum(amount_minor - refunded_minor) AS received
        FROM payments_payment WHERE state = 'succeeded' GROUP BY 1, 2
    )
    SELECT COALESCE(c.public_id, 'unknown'), currency, b.booked, r.received
    FROM books b FULL JOIN received r USING (customer_id, currency)
    LEFT JOIN customers_customer c ON c.id = customer_id
    WHERE COALESCE(b.booked, 0) <> COALESCE(r.received, 0)
    ORDER BY customer_id, currency
"""  # noqa: S608 -- put together from constants of this module only.
# What was written off by hand is noticed by the next sweep; all else closes its case at once.
_CASES = """
    WITH taken AS (
        SELECT case_id, count(*) AS steps, count(DISTINCT step_id) AS kinds,
               bool_or(kind = 'cancel' OR kind IN ('restrict', 'suspend') AND outcome = '')
                   AS is_limited
        FROM dunning_dunningaction GROUP BY 1
    ), checked AS (
        SELECT k.id, k.public_id, d.number, concat_ws(' and ',
            CASE WHEN t.steps > t.kinds THEN 'has taken a step twice' END,
            CASE WHEN k.access <> 'full' AND NOT COALESCE(t.is_limited, false)
                 THEN 'limits access without such a step' END,
            CASE WHEN k.access <> 'full' AND k.status IN ('recovered', 'stopped')
                 THEN 'is ' || k.status || ' and limits access' END,
            CASE WHEN k.status = 'open' AND (d.status IN ('paid', 'void') OR d.kind <> 'invoice')
                 THEN 'is open though nothing is owed' END,
            CASE WHEN k.seller_id <> d.seller_id OR k.customer_id <> d.customer_id
                 THEN 'is another customer''s' END) AS what
        FROM dunning_dunningcase k
        JOIN invoicing_invoice d ON d.id = k.invoice_id
        LEFT JOIN taken t ON t.case_id = k.id
    )
    SELECT public_id, number, what FROM checked WHERE what <> '' ORDER BY id
"""
# What has ended or not begun has no access that a debt could take.
_ACCESS = """
    WITH demands AS (
        SELECT DISTINCT l.subscription_id, k.access
        FROM dunning_dunningcase k
        JOIN invoicing_invoiceline l ON l.invoice_id = k.invoice_id
        WHERE k.status IN ('open', 'exhausted') AND k.access <> 'full'
          AND l.subscription_id IS NOT NULL
    ), wanted AS (
        SELECT subscription_id,
               CASE WHEN bool_or(access = 'none') THEN 'none' ELSE 'restricted' END AS access
        FROM demands GROUP BY 1
    )
    SELECT s.public_id, s.access, COALESCE(w.access, 'full')
    FROM subscriptions_subscription s LEFT JOIN wanted w ON w.subscription_id = s.id
    WHERE s.status NOT IN ('ended', 'incomplete') AND s.access <> COALESCE(w.access, 'full')
    ORDER BY s.id
"""
# What is bought once (kind 3) covers all days that there are, so that it cannot be billed again.
_COVERAGE = """
    WITH checked AS (
        SELECT d.id, d.number, l.position, concat_ws(', ',
            CASE WHEN c.credited_minor > c.billed_minor OR c.credited_minor < 0
                 THEN 'more is given back than was billed' END,
            CASE WHEN c.kind <> 3
                  AND NOT c.days <@ datemultirange(daterange(c.starts_on, c.ends_on))
                 THEN 'the days covered are not days of the line' END,
            CASE WHEN c.starts_on IS DISTINCT FROM l.starts_on
                   OR c.ends_on IS DISTINCT FROM l.ends_on
                 THEN 'line and coverage tell different days' END,
            CASE WHEN i.subscription_id <> c.subscription_id
                   OR l.subscription_id IS DISTINCT FROM c.subscription_id
                 THEN 'line, item and coverage are of different subscriptions' END) AS what
        FROM invoicing_coverage c
        JOIN invoicing_invoiceline l ON l.id = c.line_id
        JOIN invoicing_invoice d ON d.id = l.invoice_id
        JOIN subscriptions_subscriptionitem i ON i.id = c.item_id
    )
    SELECT number, position, what FROM checked WHERE what <> '' ORDER BY id, position
"""
# Each span against the furthest end before it: one sort, however many rows an item has.
_BILLED_TWICE = """
    WITH billed AS (
        SELECT c.item_id, c.kind, c.part, c.line_id,
               COALESCE(lower(span), '-infinity') AS start,
               COALESCE(upper(span), 'infinity') AS stop
        FROM invoicing_coverage c, unnest(c.days) AS spans (span)
    ), ordered AS (
        SELECT *, max(stop) OVER earlier AS reached, lag(line_id) OVER by_start AS other
        FROM billed
        WINDOW by_start AS (PARTITION BY item_id, kind, part ORDER BY start, stop, line_id),
               earlier AS (by_start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    SELECT s.public_id, i.key, o.line_id, o.other,
           CASE WHEN isfinite(o.start) THEN o.start::text END
    FROM ordered o
    JOIN subscriptions_subscriptionitem i ON i.id = o.item_id
    JOIN subscriptions_subscription s ON s.id = i.subscription_id
    WHERE o.start < o.reached
    ORDER BY o.line_id
"""
_UNCOVERED = """
    SELECT d.number, l.position, d.status = 'void'
    FROM invoicing_invoiceline l
    JOIN invoicing_invoice d ON d.id = l.invoice_id
    LEFT JOIN invoicing_coverage c ON c.line_id = l.id
    WHERE CASE WHEN d.status = 'void' THEN c.line_id IS NOT NULL
               ELSE c.line_id IS NULL AND d.status <> 'draft'
                AND l.kind IN ('recurring', 'usage', 'minimum') END
    ORDER BY d.id, l.position
"""
# On a credit note a line says what the customer gets, on an invoice what the customer pays.
_GIVEN_BACK = """
    SELECT d.number, l.position, d.currency, l.amount_minor - l.discount_minor, g.given_back
    FROM (
        SELECT l.corrects_id,
               sum(CASE WHEN d.kind = 'credit_note' THEN 1 ELSE -1 END
                   * (l.amount_minor - l.discount_minor)) AS given_back
        FROM invoicing_invoiceline l JOIN invoicing_invoice d ON d.id = l.invoice_id
        WHERE l.corrects_id IS NOT NULL AND d.status <> 'void' GROUP BY 1
    ) g
    JOIN invoicing_invoiceline l ON l.id = g.corrects_id
    JOIN invoicing_invoice d ON d.id = l.invoice_id
    WHERE g.given_back > abs(l.amount_minor - l.discount_minor)
    ORDER BY d.id, l.position
"""
# Live and test never mix because all that hangs together is of one seller.
_PARTIES = """
    SELECT 'Subscription', s.public_id FROM subscriptions_subscription s
    JOIN customers_customer c ON c.id = s.customer_id
    JOIN catalog_plan p ON p.id = s.plan_id
    WHERE s.seller_id <> c.seller_id OR p.seller_id <> s.seller_id
    UNION ALL
    SELECT 'Item of subscription', s.public_id FROM subscriptions_subscriptionitem i
    JOIN subscriptions_subscription s ON s.id = i.subscription_id
    JOIN catalog_price r ON r.id = i.price_id
    JOIN catalog_plan p ON p.id = r.plan_id
    WHERE p.seller_id <> s.seller_id OR r.currency <> s.currency
    UNION ALL
    SELECT 'Document', COALESCE(d.number, d.public_id) FROM invoicing_invoice d
    JOIN customers_customer c ON c.id = d.customer_id
    JOIN invoicing_letterhead h ON h.id = d.letterhead_id
    LEFT JOIN subscriptions_subscription s ON s.id = d.subscription_id
    WHERE d.seller_id <> c.seller_id OR d.seller_id <> h.seller_id
       OR d.customer_id <> s.customer_id OR d.currency <> s.currency
    UNION ALL
    SELECT 'A line of document', COALESCE(d.number, d.public_id) FROM invoicing_invoiceline l
    JOIN invoicing_invoice d ON d.id = l.invoice_id
    LEFT JOIN subscriptions_subscription s ON s.id = l.subscription_id
    LEFT JOIN invoicing_invoiceline o ON o.id = l.corrects_id
    LEFT JOIN invoicing_invoice b ON b.id = o.invoice_id
    WHERE d.customer_id <> s.customer_id OR d.currency <> s.currency
       OR d.customer_id <> b.customer_id OR d.currency <> b.currency
    UNION ALL
    SELECT 'Payment', p.public_id FROM payments_payment p
    JOIN customers_customer c ON c.id = p.customer_id
    WHERE p.seller_id <> c.seller_id
    UNION ALL
    SELECT 'Allocation of payment', p.public_id FROM payments_paymentallocation a
    JOIN payments_payment p ON p.id = a.payment_id
    JOIN invoicing_invoice d ON d.id = a.invoice_id
    WHERE p.customer_id <> d.customer_id OR p.currency <> d.currency
    UNION ALL
    SELECT 'One-off item', o.public_id FROM invoicing_oneoffitem o
    JOIN customers_customer c ON c.id = o.customer_id
    WHERE o.seller_id <> c.seller_id
    UNION ALL
    SELECT 'Transfer', t.id::text FROM ledger_transfer t
    JOIN ledger_account d ON d.id = t.debit_account_id
    JOIN ledger_account k ON k.id = t.credit_account_id
    LEFT JOIN customers_customer c ON c.id = t.customer_id
    WHERE t.seller_id <> d.seller_id OR t.seller_id <> k.seller_id OR t.seller_id <> c.seller_id
"""
_WITHOUT_EVENT = """
    SELECT d.number FROM invoicing_invoice d
    WHERE d.status <> 'draft' AND NOT EXISTS (
        SELECT 1 FROM events_event e
        WHERE e.subject = d.public_id AND e.type IN ('invoice.finalized', 'credit_note.issued'))
    ORDER BY d.id
"""
_WITHOUT_DOCUMENT = """
    SELECT e.public_id, e.type, e.subject FROM events_event e
    WHERE e.type IN ('invoice.finalized', 'credit_note.issued') AND NOT EXISTS (
        SELECT 1 FROM invoicing_invoice d WHERE d.public_id = e.subject)
    ORDER BY e.id
"""
_HALF_FANNED_OUT = """
    SELECT e.public_id, e.type FROM events_event e
    WHERE NOT e.is_fanned_out AND EXISTS (
        SELECT 1 FROM events_delivery d WHERE d.event_id = e.id)
    ORDER BY e.id
"""
_DANGLING = """
    SELECT DISTINCT f.{column} FROM {table} f LEFT JOIN {target} t ON t.id = f.{column}
    WHERE f.{column} IS NOT NULL AND t.id IS NULL ORDER BY f.{column}
"""
_ORPHANED_TRANSFERS = """
    SELECT t.id, t.document, t.document_id FROM ledger_transfer t
    LEFT JOIN invoicing_invoice d ON t.document = 'invoice' AND d.id = t.document_id
    LEFT JOIN payments_payment p ON t.document = 'payment' AND p.id = t.document_id
    LEFT JOIN payments_refund r ON t.document = 'refund' AND r.id = t.document_id
    LEFT JOIN payments_payment o ON o.id = r.payment_id
    LEFT JOIN invoicing_balanceentry b ON t.document = 'balance' AND b.id = t.document_id
    WHERE t.document <> 'recognition'
      AND t.customer_id IS DISTINCT FROM
          COALESCE(d.customer_id, p.customer_id, o.customer_id, b.customer_id, -1)
    ORDER BY t.id
"""
