"""What triggers of documents and balances ask, in PL/pgSQL."""

from typing import Final

# Asked once a statement: a batch adds thousands, whose customers it holds.
OF_NO_MERGED_CUSTOMER: Final = """
    IF EXISTS (SELECT FROM customers_customer c
               WHERE c.merged_into_id IS NOT NULL
                 AND c.id IN (SELECT customer_id FROM added WHERE kind = 'invoice')) THEN
        RAISE EXCEPTION 'no invoice is issued to a customer who was merged into another'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_is_of_no_merged_customer';
    END IF;
    RETURN NULL;
"""

KEPT_FOR_ORDERS: Final = """
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
"""
