import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

# What was ordered before and waits without a number was booked as it was placed. It is taken out of
# the books by the opposite of each transfer, its balance comes back and is kept there for it. An
# order that has its number stays booked, as every document is that has one.
TAKE_ORDERS_OUT_OF_THE_BOOKS = [
    """
    INSERT INTO ledger_transfer (seller_id, customer_id, debit_account_id, credit_account_id,
        currency, amount_minor, book_amount_minor, book_rate, effective_on, document, document_id)
    SELECT t.seller_id, t.customer_id, t.credit_account_id, t.debit_account_id,
        t.currency, t.amount_minor, t.book_amount_minor, t.book_rate, t.effective_on, t.document,
        t.document_id
    FROM ledger_transfer t JOIN invoicing_invoice o ON o.id = t.document_id
    WHERE t.document = 'invoice' AND o.sequence IS NULL AND o.status = 'open' ORDER BY t.id
    """,
    """
    WITH returned AS (
        INSERT INTO invoicing_balanceentry
            (customer_id, currency, amount_minor, description, invoice_id, effective_on)
        SELECT customer_id, currency, -amount_minor, description, invoice_id, effective_on
        FROM invoicing_balanceentry WHERE invoice_id IN (
            SELECT id FROM invoicing_invoice
            WHERE sequence IS NULL AND status = 'open' AND credit_applied_minor > 0)
        RETURNING customer_id, currency, amount_minor
    )
    UPDATE invoicing_customerbalance b SET balance_minor = b.balance_minor + r.minor
    FROM (SELECT customer_id, currency, sum(amount_minor) AS minor FROM returned GROUP BY 1, 2) r
    WHERE r.customer_id = b.customer_id AND r.currency = b.currency
    """,
]


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0009_order_keeps_its_balance"),
        ("ledger", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(TAKE_ORDERS_OUT_OF_THE_BOOKS, migrations.RunSQL.noop),
        pgtrigger.migrations.AddTrigger(
            model_name="customerbalance",
            trigger=pgtrigger.compiler.Trigger(
                name="balance_has_what_is_kept_for_orders",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."balance_minor" > (NEW."balance_minor"))',
                    func="\n    IF NEW.balance_minor < (\n        SELECT coalesce(sum(o.credit_applied_minor), 0) FROM invoicing_invoice o\n        WHERE o.customer_id = NEW.customer_id AND o.currency = NEW.currency\n          AND o.sequence IS NULL AND o.status = 'open' AND o.credit_applied_minor > 0)\n    THEN\n        RAISE EXCEPTION 'customer %: an order that waits is to draw on this balance',\n            NEW.customer_id USING ERRCODE = 'check_violation',\n            CONSTRAINT = 'balance_has_what_is_kept_for_orders';\n    END IF;\n    RETURN NULL;\n",
                    hash="33bdc52faef606437294a12303bbd341be697cb0",
                    operation='UPDATE OF "balance_minor"',
                    pgid="pgtrigger_balance_has_what_is_kept_for_orders_88b7e",
                    table="invoicing_customerbalance",
                    when="AFTER",
                ),
            ),
        ),
    ]
