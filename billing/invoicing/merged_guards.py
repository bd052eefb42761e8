"""The database's guards around documents of customers who were merged into others."""

import pgtrigger

# Credit notes may be: they correct what such a customer was billed. Asked once a statement: a batch
# adds thousands, whose customers it holds.
INVOICE_IS_OF_NO_MERGED_CUSTOMER = pgtrigger.Trigger(
    name="invoice_is_of_no_merged_customer",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    level=pgtrigger.Statement,
    referencing=pgtrigger.Referencing(new="added"),
    func="""
    IF EXISTS (SELECT FROM customers_customer c
               WHERE c.merged_into_id IS NOT NULL
                 AND c.id IN (SELECT customer_id FROM added WHERE kind = 'invoice')) THEN
        RAISE EXCEPTION 'no invoice is issued to a customer who was merged into another'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_is_of_no_merged_customer';
    END IF;
    RETURN NULL;
""",
)
