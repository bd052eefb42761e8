import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0001_initial"),
        ("invoicing", "0005_document_by_amount"),
        ("subscriptions", "0002_item_stays_with_its_subscription"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="invoice",
            name="live_document_is_not_dated_ahead",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="invoice",
            name="issued_document_is_never_edited",
        ),
        migrations.RemoveConstraint(
            model_name="invoice",
            name="issued_document_has_a_number",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="live_document_is_not_dated_ahead",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n            IF EXISTS (SELECT FROM added r JOIN customers_seller s ON s.id = r.seller_id\n                       WHERE \n            s.is_live AND r.issued_on > ((clock_timestamp() + interval '1 minute')\n                AT TIME ZONE s.time_zone)::date AND NOT (COALESCE(r.number, '') LIKE 'preview %')\n        ) THEN\n                RAISE EXCEPTION 'issued_on of a live seller is still to come'\n                    USING ERRCODE = 'check_violation', CONSTRAINT = 'live_document_is_not_dated_ahead';\n            END IF;\n            RETURN NULL;\n        ",
                    hash="c0e7780e13b9b98b398ba4e83ac6dfe9e44b7064",
                    level="STATEMENT",
                    operation="INSERT",
                    pgid="pgtrigger_live_document_is_not_dated_ahead_543e7",
                    referencing="REFERENCING NEW TABLE AS added ",
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
                    condition='WHEN ((OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."language" IS DISTINCT FROM (NEW."language") OR OLD."issued_on" IS DISTINCT FROM (NEW."issued_on") OR OLD."due_on" IS DISTINCT FROM (NEW."due_on") OR OLD."letterhead_id" IS DISTINCT FROM (NEW."letterhead_id") OR OLD."subtotal_minor" IS DISTINCT FROM (NEW."subtotal_minor") OR OLD."discount_minor" IS DISTINCT FROM (NEW."discount_minor") OR OLD."net_minor" IS DISTINCT FROM (NEW."net_minor") OR OLD."tax_minor" IS DISTINCT FROM (NEW."tax_minor") OR OLD."rounding_minor" IS DISTINCT FROM (NEW."rounding_minor") OR OLD."total_minor" IS DISTINCT FROM (NEW."total_minor") OR OLD."credit_applied_minor" IS DISTINCT FROM (NEW."credit_applied_minor") OR OLD."amount_due_minor" IS DISTINCT FROM (NEW."amount_due_minor") OR OLD."credit_to" IS DISTINCT FROM (NEW."credit_to") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at")) AND NOT (OLD."status" = \'draft\'))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="5ae38808f4dd5b41d89af5653ddb54782de48d77",
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
                    condition='WHEN ((OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."sequence" IS DISTINCT FROM (NEW."sequence") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."bill_to" IS DISTINCT FROM (NEW."bill_to")) AND OLD."sequence" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="6f9f85bd2d5fe8ff293e09eff8ec2382f88e89fb",
                    operation="UPDATE",
                    pgid="pgtrigger_numbered_document_is_never_edited_8a667",
                    table="invoicing_invoice",
                    when="BEFORE",
                ),
            ),
        ),
        AddConstraintNotValid(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("credited_minor", 0),
                        ("number__isnull", True),
                        ("paid_minor", 0),
                        ("reference", ""),
                        ("sequence__isnull", True),
                    ),
                    models.Q(
                        models.Q(("status", "draft"), _negated=True),
                        ("number__isnull", False),
                        ("sequence__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="issued_document_has_a_number",
            ),
        ),
    ]
