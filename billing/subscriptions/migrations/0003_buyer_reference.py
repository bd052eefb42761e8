import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

import customers.models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0002_item_stays_with_its_subscription"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="subscription",
            name="insert_insert",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="subscription",
            name="update_update",
        ),
        migrations.AddField(
            model_name="subscription",
            name="buyer_reference",
            field=customers.models.BuyerReferenceField(
                blank=True,
                db_default="",
                default="",
                help_text="On documents of this subscription, in place of the customer's.",
                max_length=100,
            ),
        ),
        migrations.AddField(
            model_name="subscriptionevent",
            name="buyer_reference",
            field=customers.models.BuyerReferenceField(
                blank=True,
                db_default="",
                default="",
                help_text="On documents of this subscription, in place of the customer's.",
                max_length=100,
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="subscription",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "subscriptions_subscriptionevent" ("access", "agreed_ends_on", "billed_through", "billed_until", "buyer_reference", "cancels_on", "currency", "customer_id", "ends_on", "external_id", "id", "is_final_usage_billed", "is_trial_usage_billed", "is_unused_credited_at_end", "is_unused_refunded_at_end", "metadata", "next_bill_on", "paid_from", "parked_reason", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "public_id", "quantities", "recorded_at", "seller_id", "starts_on", "status", "time_zone", "window_on") SELECT new_values."access", new_values."agreed_ends_on", new_values."billed_through", new_values."billed_until", new_values."buyer_reference", new_values."cancels_on", new_values."currency", new_values."customer_id", new_values."ends_on", new_values."external_id", new_values."id", new_values."is_final_usage_billed", new_values."is_trial_usage_billed", new_values."is_unused_credited_at_end", new_values."is_unused_refunded_at_end", new_values."metadata", new_values."next_bill_on", new_values."paid_from", new_values."parked_reason", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."plan_id", new_values."public_id", new_values."quantities", new_values."recorded_at", new_values."seller_id", new_values."starts_on", new_values."status", new_values."time_zone", new_values."window_on" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;',
                    hash="b34b9900b9380e9fa2d282f544c31739a0439b0a",
                    level="STATEMENT",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_7b204",
                    referencing="REFERENCING NEW TABLE AS new_values ",
                    table="subscriptions_subscription",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="subscription",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."access" IS DISTINCT FROM (NEW."access") OR OLD."buyer_reference" IS DISTINCT FROM (NEW."buyer_reference") OR OLD."cancels_on" IS DISTINCT FROM (NEW."cancels_on") OR OLD."ends_on" IS DISTINCT FROM (NEW."ends_on") OR OLD."metadata" IS DISTINCT FROM (NEW."metadata") OR OLD."parked_reason" IS DISTINCT FROM (NEW."parked_reason") OR OLD."plan_id" IS DISTINCT FROM (NEW."plan_id") OR OLD."status" IS DISTINCT FROM (NEW."status"))',
                    func='INSERT INTO "subscriptions_subscriptionevent" ("access", "agreed_ends_on", "billed_through", "billed_until", "buyer_reference", "cancels_on", "currency", "customer_id", "ends_on", "external_id", "id", "is_final_usage_billed", "is_trial_usage_billed", "is_unused_credited_at_end", "is_unused_refunded_at_end", "metadata", "next_bill_on", "paid_from", "parked_reason", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "public_id", "quantities", "recorded_at", "seller_id", "starts_on", "status", "time_zone", "window_on") VALUES (NEW."access", NEW."agreed_ends_on", NEW."billed_through", NEW."billed_until", NEW."buyer_reference", NEW."cancels_on", NEW."currency", NEW."customer_id", NEW."ends_on", NEW."external_id", NEW."id", NEW."is_final_usage_billed", NEW."is_trial_usage_billed", NEW."is_unused_credited_at_end", NEW."is_unused_refunded_at_end", NEW."metadata", NEW."next_bill_on", NEW."paid_from", NEW."parked_reason", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."plan_id", NEW."public_id", NEW."quantities", NEW."recorded_at", NEW."seller_id", NEW."starts_on", NEW."status", NEW."time_zone", NEW."window_on"); RETURN NULL;',
                    hash="a6efa32bcf536bb66c4b089b19e6ebbda881e82d",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_fb679",
                    table="subscriptions_subscription",
                    when="AFTER",
                ),
            ),
        ),
    ]
