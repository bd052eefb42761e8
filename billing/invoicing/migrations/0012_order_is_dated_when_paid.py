import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0011_line_unit")]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="invoice",
            name="issued_document_is_never_edited",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="invoice",
            name="numbered_document_is_never_edited",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="live_order_is_not_dated_ahead",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n            IF EXISTS (SELECT FROM (SELECT NEW.*) r JOIN customers_seller s ON s.id = r.seller_id\n                       WHERE \n            s.is_live AND r.issued_on > ((clock_timestamp() + interval '1 minute')\n                AT TIME ZONE s.time_zone)::date AND NOT (false)\n        ) THEN\n                RAISE EXCEPTION 'issued_on of a live seller is still to come'\n                    USING ERRCODE = 'check_violation', CONSTRAINT = 'live_order_is_not_dated_ahead';\n            END IF;\n            RETURN NULL;\n        ",
                    hash="7b363a3f5a4a69c348e737712abb13ff7464b6b8",
                    operation='UPDATE OF "issued_on"',
                    pgid="pgtrigger_live_order_is_not_dated_ahead_1ba01",
                    table="invoicing_invoice",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="issued_document_is_never_edited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN ((OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."language" IS DISTINCT FROM (NEW."language") OR OLD."letterhead_id" IS DISTINCT FROM (NEW."letterhead_id") OR OLD."subtotal_minor" IS DISTINCT FROM (NEW."subtotal_minor") OR OLD."discount_minor" IS DISTINCT FROM (NEW."discount_minor") OR OLD."net_minor" IS DISTINCT FROM (NEW."net_minor") OR OLD."tax_minor" IS DISTINCT FROM (NEW."tax_minor") OR OLD."rounding_minor" IS DISTINCT FROM (NEW."rounding_minor") OR OLD."total_minor" IS DISTINCT FROM (NEW."total_minor") OR OLD."credit_applied_minor" IS DISTINCT FROM (NEW."credit_applied_minor") OR OLD."amount_due_minor" IS DISTINCT FROM (NEW."amount_due_minor") OR OLD."credit_to" IS DISTINCT FROM (NEW."credit_to") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at")) AND NOT (OLD."status" = \'draft\'))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="a5aec9badefda50f78a3536c8001b3eadb8c582e",
                    operation="UPDATE",
                    pgid="pgtrigger_issued_document_is_never_edited_a86ea",
                    table="invoicing_invoice",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="numbered_document_is_never_edited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN ((OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."sequence" IS DISTINCT FROM (NEW."sequence") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."issued_on" IS DISTINCT FROM (NEW."issued_on") OR OLD."due_on" IS DISTINCT FROM (NEW."due_on") OR OLD."bill_to" IS DISTINCT FROM (NEW."bill_to")) AND OLD."sequence" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="74edde625ccbbaffc41f410c6109a4cbba4a3ad5",
                    operation="UPDATE",
                    pgid="pgtrigger_numbered_document_is_never_edited_8a667",
                    table="invoicing_invoice",
                    when="BEFORE",
                ),
            ),
        ),
    ]
