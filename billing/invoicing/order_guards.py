"""The database's guards around documents that are only ordered, and what balances keep for them.

Programs of before booked an order as it was placed, and drew on the balance then. Where one of them
is still at work, it must not go on with that, nor number an order that was taken out of the books.
"""

import pgtrigger

BALANCE_HAS_WHAT_IS_KEPT = pgtrigger.Trigger(
    name="balance_has_what_is_kept_for_orders",
    when=pgtrigger.After,
    operation=pgtrigger.UpdateOf("balance_minor"),
    condition=pgtrigger.Q(old__balance_minor__gt=pgtrigger.F("new__balance_minor")),
    func="""
    IF NEW.balance_minor < (
        SELECT coalesce(sum(o.credit_applied_minor), 0) FROM invoicing_invoice o
        WHERE o.customer_id = NEW.customer_id AND o.currency = NEW.currency
          AND o.sequence IS NULL AND o.status = 'open' AND o.credit_applied_minor > 0)
    THEN
        RAISE EXCEPTION 'customer %: an order that waits is to draw on this balance',
            NEW.customer_id USING ERRCODE = 'check_violation',
            CONSTRAINT = 'balance_has_what_is_kept_for_orders';
    END IF;
    RETURN NULL;
""",
)

# A batch writes transfers before the documents that they are of.
ORDERED_IS_NOT_BOOKED = pgtrigger.Trigger(
    name="what_is_only_ordered_is_not_booked",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    level=pgtrigger.Statement,
    referencing=pgtrigger.Referencing(new="added"),
    func="""
    IF EXISTS (
        SELECT FROM added a JOIN ledger_transfer t
            ON t.document_id = a.id AND t.document = 'invoice'
        WHERE a.sequence IS NULL AND a.status = 'open')
    THEN
        RAISE EXCEPTION 'what is only ordered is booked when it gets its number'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'what_is_only_ordered_is_not_booked';
    END IF;
    RETURN NULL;
""",
)

ORDERED_MOVES_NO_BALANCE = pgtrigger.Trigger(
    name="what_is_only_ordered_moves_no_balance",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    level=pgtrigger.Statement,
    referencing=pgtrigger.Referencing(new="added"),
    func="""
    IF EXISTS (
        SELECT FROM added a JOIN invoicing_invoice o ON o.id = a.invoice_id
        WHERE o.sequence IS NULL)
    THEN
        RAISE EXCEPTION 'what is only ordered draws on a balance when it gets its number'
            USING ERRCODE = 'check_violation',
            CONSTRAINT = 'what_is_only_ordered_moves_no_balance';
    END IF;
    RETURN NULL;
""",
)

# Looked at when all is written: the number comes first.
NUMBERED_IS_BOOKED = pgtrigger.Trigger(
    name="what_was_ordered_is_booked_with_its_number",
    when=pgtrigger.After,
    operation=pgtrigger.UpdateOf("sequence"),
    timing=pgtrigger.Deferred,
    condition=pgtrigger.Q(
        old__sequence__isnull=True,
        new__sequence__isnull=False,
        new__kind="invoice",
        new__total_minor__gt=0,
    ),
    func="""
    IF NOT EXISTS (
        SELECT FROM (
            SELECT debit_account_id AS account_id, amount_minor FROM ledger_transfer
            WHERE document = 'invoice' AND document_id = NEW.id
            UNION ALL
            SELECT credit_account_id, -amount_minor FROM ledger_transfer
            WHERE document = 'invoice' AND document_id = NEW.id
        ) moved GROUP BY account_id HAVING sum(amount_minor) <> 0)
    THEN
        RAISE EXCEPTION 'document %: it has its number and is not booked', NEW.number
            USING ERRCODE = 'check_violation',
            CONSTRAINT = 'what_was_ordered_is_booked_with_its_number';
    END IF;
    RETURN NULL;
""",
)
