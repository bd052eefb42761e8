import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

# What was ordered before and waits without a number was booked as it was placed. It is taken out of
# the books by the opposite of each transfer, today, since the month may be reported; its balance comes
# back and is kept there for it. An order that has its number stays booked, as every document is that
# has one. Whoever is about to write a document is waited for, and goes on when this is done, under the
# guards that it ends with.
TAKE_ORDERS_OUT_OF_THE_BOOKS = [
    "LOCK TABLE invoicing_invoice IN SHARE ROW EXCLUSIVE MODE",
    """
    INSERT INTO ledger_transfer (seller_id, customer_id, debit_account_id, credit_account_id,
        currency, amount_minor, book_amount_minor, book_rate, effective_on, document, document_id)
    SELECT t.seller_id, t.customer_id, t.credit_account_id, t.debit_account_id,
        t.currency, t.amount_minor, t.book_amount_minor, t.book_rate,
        greatest(t.effective_on, (now() AT TIME ZONE s.time_zone)::date), t.document, t.document_id
    FROM ledger_transfer t JOIN invoicing_invoice o ON o.id = t.document_id
        JOIN customers_seller s ON s.id = t.seller_id
    WHERE t.document = 'invoice' AND o.sequence IS NULL AND o.status = 'open' ORDER BY t.id
    """,
    """
    WITH returned AS (
        INSERT INTO invoicing_balanceentry
            (customer_id, currency, amount_minor, description, invoice_id, effective_on)
        SELECT e.customer_id, e.currency, -e.amount_minor, e.description, e.invoice_id,
            greatest(e.effective_on, (now() AT TIME ZONE s.time_zone)::date)
        FROM invoicing_balanceentry e JOIN invoicing_invoice o ON o.id = e.invoice_id
            JOIN customers_seller s ON s.id = o.seller_id
        WHERE o.sequence IS NULL AND o.status = 'open' AND o.credit_applied_minor > 0
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
        pgtrigger.migrations.AddTrigger(
            model_name="balanceentry",
            trigger=pgtrigger.compiler.Trigger(
                name="what_is_only_ordered_moves_no_balance",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n    IF EXISTS (\n        SELECT FROM added a JOIN invoicing_invoice o ON o.id = a.invoice_id\n        WHERE o.sequence IS NULL)\n    THEN\n        RAISE EXCEPTION 'what is only ordered draws on a balance when it gets its number'\n            USING ERRCODE = 'check_violation',\n            CONSTRAINT = 'what_is_only_ordered_moves_no_balance';\n    END IF;\n    RETURN NULL;\n",
                    hash="350a703b4a9683a1e2b3e5e969466e317c8fcede",
                    level="STATEMENT",
                    operation="INSERT",
                    pgid="pgtrigger_what_is_only_ordered_moves_no_balance_eaa25",
                    referencing="REFERENCING NEW TABLE AS added ",
                    table="invoicing_balanceentry",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="what_is_only_ordered_is_not_booked",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n    IF EXISTS (\n        SELECT FROM added a JOIN ledger_transfer t\n            ON t.document_id = a.id AND t.document = 'invoice'\n        WHERE a.sequence IS NULL AND a.status = 'open')\n    THEN\n        RAISE EXCEPTION 'what is only ordered is booked when it gets its number'\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'what_is_only_ordered_is_not_booked';\n    END IF;\n    RETURN NULL;\n",
                    hash="c3dbb568543d3a4cffc0af67812b5e1f8ecee931",
                    level="STATEMENT",
                    operation="INSERT",
                    pgid="pgtrigger_what_is_only_ordered_is_not_booked_02516",
                    referencing="REFERENCING NEW TABLE AS added ",
                    table="invoicing_invoice",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="what_was_ordered_is_booked_with_its_number",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (NEW."kind" = \'invoice\' AND NEW."sequence" IS NOT NULL AND NEW."total_minor" > 0 AND OLD."sequence" IS NULL)',
                    constraint="CONSTRAINT",
                    func="\n    IF NOT EXISTS (\n        SELECT FROM (\n            SELECT debit_account_id AS account_id, amount_minor FROM ledger_transfer\n            WHERE document = 'invoice' AND document_id = NEW.id\n            UNION ALL\n            SELECT credit_account_id, -amount_minor FROM ledger_transfer\n            WHERE document = 'invoice' AND document_id = NEW.id\n        ) moved GROUP BY account_id HAVING sum(amount_minor) <> 0)\n    THEN\n        RAISE EXCEPTION 'document %: it has its number and is not booked', NEW.number\n            USING ERRCODE = 'check_violation',\n            CONSTRAINT = 'what_was_ordered_is_booked_with_its_number';\n    END IF;\n    RETURN NULL;\n",
                    hash="614328d9e54a6ebe591976d7de07d0e834229838",
                    operation='UPDATE OF "sequence"',
                    pgid="pgtrigger_what_was_ordered_is_booked_with_its_number_4118b",
                    table="invoicing_invoice",
                    timing="DEFERRABLE INITIALLY DEFERRED",
                    when="AFTER",
                ),
            ),
        ),
    ]
