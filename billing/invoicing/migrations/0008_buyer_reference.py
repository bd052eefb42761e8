import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

import customers.models


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0007_number_when_paid_holds"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="oneoffitem",
            name="billed_one_off_item_is_never_edited",
        ),
        migrations.AddField(
            model_name="oneoffitem",
            name="buyer_reference",
            field=customers.models.BuyerReferenceField(
                blank=True,
                db_default="",
                default="",
                help_text="On the document that it is on, in place of the subscription's or customer's.",
                max_length=100,
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="oneoffitem",
            trigger=pgtrigger.compiler.Trigger(
                name="billed_one_off_item_is_never_edited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN ((OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."amount_minor" IS DISTINCT FROM (NEW."amount_minor") OR OLD."description" IS DISTINCT FROM (NEW."description") OR OLD."tax" IS DISTINCT FROM (NEW."tax") OR OLD."revenue_account" IS DISTINCT FROM (NEW."revenue_account") OR OLD."buyer_reference" IS DISTINCT FROM (NEW."buyer_reference") OR OLD."due_on" IS DISTINCT FROM (NEW."due_on") OR OLD."waits" IS DISTINCT FROM (NEW."waits") OR OLD."reverses_id" IS DISTINCT FROM (NEW."reverses_id")) AND OLD."line_id" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="f1970f6959e6c5899ff60655791fb407b6f8b307",
                    operation="UPDATE",
                    pgid="pgtrigger_billed_one_off_item_is_never_edited_4c4f9",
                    table="invoicing_oneoffitem",
                    when="BEFORE",
                ),
            ),
        ),
    ]
