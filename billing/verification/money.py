"""Money: what is owed, what was paid, and what lies on customers' balances."""

from collections.abc import Iterator

from billing.verification.rows import money, rows_of


def receivable_is_what_customers_owe() -> Iterator[str]:
    """A person's receivable in a currency is what is left to pay of the open invoices.

    Less what is owed back by hand. It is a person's, since a credit note for the customer who stays
    may correct what one who was merged was billed, and each is booked on its own customer.
    """
    for customer, currency, booked, owed in rows_of(_RECEIVABLE):
        yield (
            f"Customer {customer}: the receivable account says {money(booked, currency)}, "
            f"the open invoices {money(owed, currency)}."
        )


def balances_are_what_was_entered() -> Iterator[str]:
    """A customer's balance, its entries and the books' account, of a person, say the same."""
    for customer, currency, booked, kept, entered in rows_of(_BALANCES):
        yield (
            f"Customer {customer}: the balance is {money(kept, currency)}, its entries sum to "
            f"{money(entered, currency)}, the account says {money(booked, currency)}."
        )


def balances_have_what_is_kept_for_orders() -> Iterator[str]:
    """What an order that waits was told that the balance pays is still there when it is paid."""
    for customer, currency, kept, balance in rows_of(_KEPT_FOR_ORDERS):
        yield (
            f"Customer {customer}: {money(kept, currency)} is kept for orders, and the balance is "
            f"{money(balance, currency)}."
        )


def balances_pay_what_they_are_said_to() -> Iterator[str]:
    """What an invoice says the balance has paid is what was entered, and still counts."""
    for number, currency, said, entered in rows_of(_FROM_BALANCE):
        yield (
            f"Invoice {number}: {money(said, currency)} is marked as paid from the balance, "
            f"{money(entered, currency)} was taken off it."
        )


def no_charge_is_made_twice() -> Iterator[str]:
    """A gateway's charge, and a key under which it was asked for one, are of one payment each."""
    for gateway, what, count in rows_of(_CHARGED_TWICE):
        yield f"{gateway}: {what} is of {count} payments, and counts as money for each of them."


def invoices_are_paid_by_payments() -> Iterator[str]:
    """What an invoice says is paid are its settled allocations, and its status fits."""
    for number, currency, paid, settled in rows_of(_PAID):
        yield (
            f"Invoice {number}: {money(paid, currency)} is marked as paid, "
            f"{money(settled, currency)} is allocated to it."
        )
    for number, status, currency, left in rows_of(_STATUS):
        yield f"Invoice {number} is {status} with {money(left, currency)} left to pay."


def losses_and_roundings_are_booked() -> Iterator[str]:
    """What is booked as lost, VAT and all, is what is written off; so is what was rounded off."""
    for number, currency, what, booked, said in rows_of(_LET_GO):
        yield (
            f"Invoice {number}: {money(booked, currency)} is booked as {what}, and "
            f"{money(said, currency)} is."
        )


def payments_are_allocated_within_their_amount() -> Iterator[str]:
    """No payment settles more than it brought, and only a successful one settles anything."""
    for payment, state, currency, amount, settled in rows_of(_ALLOCATED):
        yield (
            f"Payment {payment} ({state}) of {money(amount, currency)} settles "
            f"{money(settled, currency)}."
        )
    for payment, kept, allocated, refunded in rows_of(_REFUNDED):
        yield (
            f"Payment {payment}: refunded says {kept}, its allocations {allocated}, "
            f"its refunds {refunded} (minor units)."
        )


def returned_payments_have_left_nothing() -> Iterator[str]:
    """What has come back is out of the books again, and pays no invoice."""
    for payment, currency, booked, settled in rows_of(_RETURNED):
        yield (
            f"Payment {payment} was returned: {money(booked, currency)} of it is still on the "
            f"clearing account, and {money(settled, currency)} still settles invoices."
        )


def payments_are_in_the_books() -> Iterator[str]:
    """The clearing account holds what customers have paid and not got back, or not yet."""
    for customer, currency, booked, received in rows_of(_CLEARING):
        yield (
            f"Customer {customer}: the clearing account says {money(booked, currency)}, "
            f"the payments less refunds {money(received, currency)}."
        )


def money_owed_back_is_work_or_somebodys_word() -> Iterator[str]:
    """What no gateway can pay back is owed and unbooked, or paid on somebody's word and booked."""
    for refund, state, what in rows_of(_OWED_BACK):
        yield f"Refund {refund} ({state}) {what}."


_BY_HAND = "p.source = 'hand'"
_OWED_BACK = f"""
    WITH checked AS (
        SELECT r.id, r.public_id, r.state, concat_ws(' and ',
            CASE WHEN {_BY_HAND} AND r.state NOT IN ('owed', 'succeeded')
                 THEN 'waits for a gateway, though none has the money' END,
            CASE WHEN NOT {_BY_HAND} AND r.state = 'owed'
                 THEN 'waits for a person, though a gateway has the money' END,
            CASE WHEN {_BY_HAND} AND r.state = 'succeeded'
                  AND (r.paid_on IS NULL OR r.paid_by = '')
                 THEN 'counts as paid, though nobody has said so' END,
            CASE WHEN (r.state = 'owed') = EXISTS (
                     SELECT FROM ledger_transfer t
                     WHERE t.document = 'refund' AND t.document_id = r.id
                       AND t.amount_minor = r.amount_minor)
                  AND r.state <> 'failed'
                 THEN CASE WHEN r.state = 'owed' THEN 'is booked before it is paid'
                           ELSE 'is not booked' END END) AS what
        FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
    )
    SELECT public_id, state, what FROM checked WHERE what <> '' ORDER BY id
"""  # noqa: S608 -- put together from constants of this module only.
_CHARGED_TWICE = """
    SELECT gateway, gateway_id, count(*) FROM payments_payment
    WHERE gateway_id IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1
    UNION ALL
    SELECT gateway, gateway_key, count(*) FROM payments_payment
    WHERE starts_with(gateway_key, 'chg_') GROUP BY 1, 2 HAVING count(*) > 1
"""
_BOOKS = """
    SELECT COALESCE({whose}, 0) AS customer_id, t.currency,
           sum(CASE WHEN d.role = '{role}' THEN t.amount_minor ELSE 0 END
             - CASE WHEN c.role = '{role}' THEN t.amount_minor ELSE 0 END) AS booked
    FROM ledger_transfer t
    JOIN ledger_account d ON d.id = t.debit_account_id
    JOIN ledger_account c ON c.id = t.credit_account_id
    LEFT JOIN customers_customer w ON w.id = t.customer_id
    WHERE '{role}' IN (d.role, c.role) GROUP BY 1, 2
"""
# What was booked on a merged customer is the other's. That its balance is empty is said by its
# entries, which sum to nothing.
_OF_PERSON = "COALESCE(w.merged_into_id, t.customer_id)"
_RECEIVABLE = f"""
    WITH books AS ({_BOOKS.format(role="receivable", whose=_OF_PERSON)}), owed AS (
        SELECT {_OF_PERSON} AS customer_id, t.currency,
               sum(t.amount_due_minor - t.paid_minor - t.credited_minor) AS owed
        FROM (
            SELECT customer_id, currency, amount_due_minor, paid_minor, credited_minor
            FROM invoicing_invoice WHERE status = 'open' AND sequence IS NOT NULL
            UNION ALL
            SELECT p.customer_id, p.currency, 0, r.amount_minor, 0
            FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
            WHERE r.state = 'owed'
        ) t LEFT JOIN customers_customer w ON w.id = t.customer_id
        GROUP BY 1, 2
    )
    SELECT COALESCE(c.public_id, 'unknown'), currency, b.booked, o.owed
    FROM books b FULL JOIN owed o USING (customer_id, currency)
    LEFT JOIN customers_customer c ON c.id = customer_id
    WHERE COALESCE(b.booked, 0) <> COALESCE(o.owed, 0)
    ORDER BY customer_id, currency
"""  # noqa: S608 -- put together from constants of this module only.
_BALANCES = f"""
    WITH books AS ({_BOOKS.format(role="customer_balance", whose=_OF_PERSON)}), entered AS (
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
_KEPT_FOR_ORDERS = """
    SELECT c.public_id, o.currency, o.kept, b.balance_minor
    FROM (SELECT customer_id, currency, sum(credit_applied_minor) AS kept FROM invoicing_invoice
          WHERE sequence IS NULL AND status = 'open' AND credit_applied_minor > 0 GROUP BY 1, 2) o
    JOIN customers_customer c ON c.id = o.customer_id
    LEFT JOIN invoicing_customerbalance b USING (customer_id, currency)
    WHERE o.kept > coalesce(b.balance_minor, 0)
    ORDER BY 1, 2
"""
# A void invoice has given back what the balance paid when it was billed; it took nothing later.
# What is only ordered has taken nothing yet.
_FROM_BALANCE = """
    SELECT d.number, d.currency, d.said, d.entered
    FROM (
        SELECT i.id, coalesce(i.number, i.public_id) AS number, i.currency,
               CASE WHEN i.status = 'void' OR i.sequence IS NULL THEN 0
                    ELSE i.credit_applied_minor END
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
_PAID = """
    SELECT d.number, d.currency, d.paid_minor, s.settled
    FROM invoicing_invoice d LEFT JOIN (
        SELECT invoice_id, sum(amount_minor - refunded_minor) AS settled
        FROM payments_paymentallocation WHERE state = 'settled' GROUP BY 1
    ) s ON s.invoice_id = d.id
    WHERE d.paid_minor <> COALESCE(s.settled, 0)
    ORDER BY d.id
"""
# Each such posting goes against the receivable: what is let go on its credit, what comes back on
# its debit.
_LET_GO = """
    WITH booked AS (
        SELECT t.document_id, t.document AS what,
               sum(CASE WHEN c.role = 'receivable' THEN t.amount_minor
                        ELSE -t.amount_minor END) AS minor
        FROM ledger_transfer t JOIN ledger_account c ON c.id = t.credit_account_id
        WHERE t.document IN ('loss', 'rounding') GROUP BY 1, 2
    ), said AS (
        SELECT id, number, currency, 'loss' AS what,
               amount_due_minor - paid_minor - credited_minor AS minor
        FROM invoicing_invoice WHERE status = 'uncollectible'
        UNION ALL
        SELECT id, number, currency, 'rounding', rounded_off_minor
        FROM invoicing_invoice WHERE rounded_off_minor <> 0
    )
    SELECT COALESCE(s.number, i.number), COALESCE(s.currency, i.currency),
           COALESCE(s.what, b.what), COALESCE(b.minor, 0), COALESCE(s.minor, 0)
    FROM said s FULL JOIN booked b ON b.document_id = s.id AND b.what = s.what
    LEFT JOIN invoicing_invoice i ON i.id = b.document_id
    WHERE COALESCE(b.minor, 0) <> COALESCE(s.minor, 0)
    ORDER BY 1, 3
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
    -- What has settled no invoice is paid back of the balance, without an allocation.
    LEFT JOIN (SELECT payment_id, sum(minor) AS minor
               FROM (SELECT payment_id, refunded_minor AS minor FROM payments_paymentallocation
                     UNION ALL
                     SELECT payment_id, amount_minor FROM payments_refund
                     WHERE invoice_id IS NULL AND state <> 'failed') known
               GROUP BY 1) a ON a.payment_id = p.id
    LEFT JOIN (SELECT payment_id, sum(amount_minor) AS minor
               FROM payments_refund WHERE state <> 'failed' GROUP BY 1) r ON r.payment_id = p.id
    WHERE p.refunded_minor <> COALESCE(a.minor, 0) OR p.refunded_minor <> COALESCE(r.minor, 0)
    ORDER BY p.id
"""
_RETURNED = """
    WITH moved AS (
        SELECT p.id, p.public_id, p.currency,
            COALESCE((
                SELECT sum(CASE WHEN d.role = 'clearing' THEN t.amount_minor ELSE 0 END
                         - CASE WHEN c.role = 'clearing' THEN t.amount_minor ELSE 0 END)
                FROM ledger_transfer t
                JOIN ledger_account d ON d.id = t.debit_account_id
                JOIN ledger_account c ON c.id = t.credit_account_id
                WHERE (t.document = 'payment' AND t.document_id = p.id)
                   OR (t.document = 'refund' AND t.document_id IN (
                           SELECT r.id FROM payments_refund r WHERE r.payment_id = p.id))
            ), 0) AS booked,
            COALESCE((
                SELECT sum(a.amount_minor - a.refunded_minor) FROM payments_paymentallocation a
                WHERE a.payment_id = p.id AND a.state = 'settled'
            ), 0) AS settled
        FROM payments_payment p WHERE p.state = 'returned'
    )
    SELECT public_id, currency, booked, settled FROM moved
    WHERE booked <> 0 OR settled <> 0
    ORDER BY id
"""
_CLEARING = f"""
    WITH books AS ({_BOOKS.format(role="clearing", whose="t.customer_id")}), received AS (
        SELECT customer_id, currency, sum(amount_minor - refunded_minor) AS received
        FROM (
            SELECT customer_id, currency, amount_minor, refunded_minor
            FROM payments_payment WHERE state = 'succeeded'
            UNION ALL
            SELECT p.customer_id, p.currency, r.amount_minor, 0
            FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
            WHERE r.state = 'owed'
        ) moved GROUP BY 1, 2
    )
    SELECT COALESCE(c.public_id, 'unknown'), currency, b.booked, r.received
    FROM books b FULL JOIN received r USING (customer_id, currency)
    LEFT JOIN customers_customer c ON c.id = customer_id
    WHERE COALESCE(b.booked, 0) <> COALESCE(r.received, 0)
    ORDER BY customer_id, currency
"""  # noqa: S608 -- put together from constants of this module only.
