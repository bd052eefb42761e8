"""References: rows that name each other are there, and are the same party's."""

from collections.abc import Iterator

import pgtrigger

from billing.base.triggers import ReferencesExist, unconstrained_keys
from billing.verification.rows import rows_of


def references_lead_to_rows() -> Iterator[str]:
    """Keys that no constraint checks name rows that are there."""
    for model, trigger in pgtrigger.registered():
        for key in unconstrained_keys(model) if isinstance(trigger, ReferencesExist) else ():
            table, target = model._meta.db_table, key.related_model._meta.db_table
            query = _DANGLING.format(table=table, column=key.column, target=target)
            for (missing,) in rows_of(query):
                yield f"{table}: {key.column} {missing} is not in {target}."


def parties_agree() -> Iterator[str]:
    """Rows that hang together are of one seller, one person and one currency.

    A document is its subscription's customer's, or of one that was merged into that one.
    """
    for what, name in rows_of(_PARTIES):
        yield f"{what} {name} joins rows of different sellers, customers or currencies."


def merged_customers_have_nothing_to_come() -> Iterator[str]:
    """What is still to come of a merged customer is the other's, in whom no chain goes on."""
    for customer, what in rows_of(_LEFT_WITH_MERGED):
        yield f"Customer {customer} was merged into another and has {what}."


def events_are_on_their_way() -> Iterator[str]:
    """An event with deliveries has been fanned out; one that waits has none."""
    for event, type in rows_of(_HALF_FANNED_OUT):
        yield f"Event {event} ({type}) has deliveries but waits for its fan-out."


def transfers_have_documents() -> Iterator[str]:
    """What a transfer was written for is there, and is the same customer's."""
    for transfer, document, document_id in rows_of(_ORPHANED_TRANSFERS):
        yield f"Transfer {transfer} was written for {document} {document_id}, which is not there."


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
       OR s.customer_id <> COALESCE(c.merged_into_id, c.id) OR d.currency <> s.currency
    UNION ALL
    SELECT 'A line of document', COALESCE(d.number, d.public_id) FROM invoicing_invoiceline l
    JOIN invoicing_invoice d ON d.id = l.invoice_id
    JOIN customers_customer c ON c.id = d.customer_id
    LEFT JOIN subscriptions_subscription s ON s.id = l.subscription_id
    LEFT JOIN invoicing_invoiceline o ON o.id = l.corrects_id
    LEFT JOIN invoicing_invoice b ON b.id = o.invoice_id
    LEFT JOIN customers_customer w ON w.id = b.customer_id
    WHERE s.customer_id <> COALESCE(c.merged_into_id, c.id)
       OR d.currency <> s.currency OR d.currency <> b.currency
       OR COALESCE(w.merged_into_id, w.id) <> COALESCE(c.merged_into_id, c.id)
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
_LEFT_WITH_MERGED = """
    WITH merged AS (SELECT id, public_id, seller_id, merged_into_id FROM customers_customer
                    WHERE merged_into_id IS NOT NULL)
    SELECT m.public_id, 'a subscription' FROM merged m
    JOIN subscriptions_subscription s ON s.customer_id = m.id
    UNION ALL
    SELECT m.public_id, 'a coupon' FROM merged m
    JOIN subscriptions_couponredemption r ON r.customer_id = m.id
    WHERE NOT r.is_spent AND r.removed_on IS NULL
    UNION ALL
    SELECT m.public_id, 'a one-off item to bill' FROM merged m
    JOIN invoicing_oneoffitem o ON o.customer_id = m.id WHERE o.line_id IS NULL
    UNION ALL
    SELECT m.public_id, 'money on its balance' FROM merged m
    JOIN invoicing_customerbalance b ON b.customer_id = m.id WHERE b.balance_minor <> 0
    UNION ALL
    SELECT m.public_id, 'a card' FROM merged m
    JOIN payments_paymentmethod p ON p.customer_id = m.id
    UNION ALL
    SELECT m.public_id, 'an order' FROM merged m
    JOIN payments_order o ON o.customer_id = m.id WHERE o.status IN ('open', 'placed')
    UNION ALL
    SELECT m.public_id, 'been merged into one that does not stay, or is another seller''s'
    FROM merged m JOIN customers_customer c ON c.id = m.merged_into_id
    WHERE c.merged_into_id IS NOT NULL OR c.seller_id <> m.seller_id
    ORDER BY 1, 2
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
    LEFT JOIN invoicing_invoice d
      ON t.document IN ('invoice', 'loss', 'rounding') AND d.id = t.document_id
    LEFT JOIN payments_payment p ON t.document = 'payment' AND p.id = t.document_id
    LEFT JOIN payments_refund r ON t.document = 'refund' AND r.id = t.document_id
    LEFT JOIN payments_payment o ON o.id = r.payment_id
    LEFT JOIN invoicing_balanceentry b ON t.document = 'balance' AND b.id = t.document_id
    WHERE t.document <> 'recognition'
      AND t.customer_id IS DISTINCT FROM
          COALESCE(d.customer_id, p.customer_id, o.customer_id, b.customer_id, -1)
    ORDER BY t.id
"""
