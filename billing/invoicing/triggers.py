"""What triggers of documents ask, in PL/pgSQL."""

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
