import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("catalog", "0001_initial"),
        ("customers", "0001_initial"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        AtOnce(
            [
                migrations.AddField(
                    model_name="coupon",
                    name="seller",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="coupons",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="couponevent",
                    name="pgh_context",
                    field=models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                migrations.AddField(
                    model_name="couponevent",
                    name="pgh_obj",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="catalog.coupon",
                    ),
                ),
                migrations.AddField(
                    model_name="couponevent",
                    name="seller",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="plan",
                    name="seller",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="plans",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="planevent",
                    name="pgh_context",
                    field=models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                migrations.AddField(
                    model_name="planevent",
                    name="pgh_obj",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="catalog.plan",
                    ),
                ),
                migrations.AddField(
                    model_name="planevent",
                    name="seller",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="price",
                    name="plan",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="prices",
                        to="catalog.plan",
                    ),
                ),
                migrations.AddField(
                    model_name="priceevent",
                    name="pgh_context",
                    field=models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                migrations.AddField(
                    model_name="priceevent",
                    name="pgh_obj",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="catalog.price",
                    ),
                ),
                migrations.AddField(
                    model_name="priceevent",
                    name="plan",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="catalog.plan",
                    ),
                ),
                migrations.AddField(
                    model_name="product",
                    name="seller",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="products",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="planevent",
                    name="product",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="catalog.product",
                    ),
                ),
                migrations.AddField(
                    model_name="plan",
                    name="product",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="plans",
                        to="catalog.product",
                    ),
                ),
                migrations.AddField(
                    model_name="productevent",
                    name="pgh_context",
                    field=models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                migrations.AddField(
                    model_name="productevent",
                    name="pgh_obj",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="catalog.product",
                    ),
                ),
                migrations.AddField(
                    model_name="productevent",
                    name="seller",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="customers.seller",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="coupon",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "code"), name="coupon_code_is_unique"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="coupon",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("amount_off_minor__isnull", True), ("percent_off__isnull", False)
                            ),
                            models.Q(
                                ("amount_off_minor__gt", 0),
                                ("amount_off_minor__isnull", False),
                                ("percent_off__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="coupon_is_percent_or_amount",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="coupon",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("percent_off__isnull", True),
                            models.Q(("percent_off__gte", 0), ("percent_off__lte", 100)),
                            _connector="OR",
                        ),
                        name="coupon_percent_is_in_range",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="coupon",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("duration", "repeating"), _negated=True),
                            models.Q(("periods__gte", 1), ("periods__isnull", False)),
                            _connector="OR",
                        ),
                        name="repeating_coupon_has_periods",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="coupon",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "catalog_couponevent" ("amount_off_minor", "code", "currency", "duration", "id", "is_active", "name", "percent_off", "periods", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plans", "prices", "public_id", "seller_id") VALUES (NEW."amount_off_minor", NEW."code", NEW."currency", NEW."duration", NEW."id", NEW."is_active", NEW."name", NEW."percent_off", NEW."periods", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."plans", NEW."prices", NEW."public_id", NEW."seller_id"); RETURN NULL;',
                            hash="b21a9105ae39ddd6760cbcdf3319ca28902cc241",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_3a6de",
                            table="catalog_coupon",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="coupon",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "catalog_couponevent" ("amount_off_minor", "code", "currency", "duration", "id", "is_active", "name", "percent_off", "periods", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plans", "prices", "public_id", "seller_id") VALUES (NEW."amount_off_minor", NEW."code", NEW."currency", NEW."duration", NEW."id", NEW."is_active", NEW."name", NEW."percent_off", NEW."periods", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."plans", NEW."prices", NEW."public_id", NEW."seller_id"); RETURN NULL;',
                            hash="c7a6ee3cd0bdbb2d5d3f9d95720bed9a964e1972",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_67935",
                            table="catalog_coupon",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="couponevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="0882c135eded96a9a0e2a4eada33fdf69ab498c4",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_5c0b5",
                            table="catalog_couponevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="price",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("is_active", True)),
                        fields=("plan", "code", "currency"),
                        name="active_price_code_is_unique",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="price",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("quantity__gte", 0)), name="price_quantity_not_negative"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="price",
                    trigger=pgtrigger.compiler.Trigger(
                        name="used_price_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN ((OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."plan_id" IS DISTINCT FROM (NEW."plan_id") OR OLD."code" IS DISTINCT FROM (NEW."code") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."position" IS DISTINCT FROM (NEW."position") OR OLD."model" IS DISTINCT FROM (NEW."model") OR OLD."billing" IS DISTINCT FROM (NEW."billing") OR OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."tiers" IS DISTINCT FROM (NEW."tiers") OR OLD."meter" IS DISTINCT FROM (NEW."meter") OR OLD."quantity" IS DISTINCT FROM (NEW."quantity") OR OLD."package_size" IS DISTINCT FROM (NEW."package_size") OR OLD."free_units" IS DISTINCT FROM (NEW."free_units") OR OLD."rate" IS DISTINCT FROM (NEW."rate") OR OLD."fixed_amount" IS DISTINCT FROM (NEW."fixed_amount") OR OLD."free_events" IS DISTINCT FROM (NEW."free_events") OR OLD."free_value" IS DISTINCT FROM (NEW."free_value") OR OLD."event_minimum" IS DISTINCT FROM (NEW."event_minimum") OR OLD."event_maximum" IS DISTINCT FROM (NEW."event_maximum") OR OLD."minimum_amount" IS DISTINCT FROM (NEW."minimum_amount") OR OLD."is_prorated" IS DISTINCT FROM (NEW."is_prorated") OR OLD."is_tax_inclusive" IS DISTINCT FROM (NEW."is_tax_inclusive") OR OLD."tax" IS DISTINCT FROM (NEW."tax")) AND OLD."is_used")',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="5eb0ba33a1f95596d5241e2bd9bbd9d0a06191d5",
                            operation="UPDATE",
                            pgid="pgtrigger_used_price_is_never_edited_5f196",
                            table="catalog_price",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="price",
                    trigger=pgtrigger.compiler.Trigger(
                        name="used_price_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."is_used")',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="fb455208089674c933e82f8b44b97c0f7026b6b1",
                            operation="DELETE",
                            pgid="pgtrigger_used_price_is_never_deleted_6557a",
                            table="catalog_price",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="price",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "catalog_priceevent" ("amount", "billing", "code", "currency", "event_maximum", "event_minimum", "fixed_amount", "free_events", "free_units", "free_value", "id", "is_active", "is_prorated", "is_tax_inclusive", "is_used", "meter", "minimum_amount", "model", "name", "package_size", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "position", "public_id", "quantity", "rate", "tax", "tiers") VALUES (NEW."amount", NEW."billing", NEW."code", NEW."currency", NEW."event_maximum", NEW."event_minimum", NEW."fixed_amount", NEW."free_events", NEW."free_units", NEW."free_value", NEW."id", NEW."is_active", NEW."is_prorated", NEW."is_tax_inclusive", NEW."is_used", NEW."meter", NEW."minimum_amount", NEW."model", NEW."name", NEW."package_size", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."plan_id", NEW."position", NEW."public_id", NEW."quantity", NEW."rate", NEW."tax", NEW."tiers"); RETURN NULL;',
                            hash="0bbffd67898f1af2cb12ce5e3b03a37307809988",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_e6258",
                            table="catalog_price",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="price",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "catalog_priceevent" ("amount", "billing", "code", "currency", "event_maximum", "event_minimum", "fixed_amount", "free_events", "free_units", "free_value", "id", "is_active", "is_prorated", "is_tax_inclusive", "is_used", "meter", "minimum_amount", "model", "name", "package_size", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "position", "public_id", "quantity", "rate", "tax", "tiers") VALUES (NEW."amount", NEW."billing", NEW."code", NEW."currency", NEW."event_maximum", NEW."event_minimum", NEW."fixed_amount", NEW."free_events", NEW."free_units", NEW."free_value", NEW."id", NEW."is_active", NEW."is_prorated", NEW."is_tax_inclusive", NEW."is_used", NEW."meter", NEW."minimum_amount", NEW."model", NEW."name", NEW."package_size", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."plan_id", NEW."position", NEW."public_id", NEW."quantity", NEW."rate", NEW."tax", NEW."tiers"); RETURN NULL;',
                            hash="2478d870595d211f7d10742b989f0f878de1c26d",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_5a6c7",
                            table="catalog_price",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="priceevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="d21c89d850cc177a0af4727fcc8f22faf35da550",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_4b97d",
                            table="catalog_priceevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="product",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "name"), name="product_name_is_unique"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="product",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "catalog_productevent" ("description", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "public_id", "revenue_account", "seller_id", "supply", "tax_category") VALUES (NEW."description", NEW."id", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."public_id", NEW."revenue_account", NEW."seller_id", NEW."supply", NEW."tax_category"); RETURN NULL;',
                            hash="c657e64391bd6ddf635c5c3b6dc35764ba273d30",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_ae3fa",
                            table="catalog_product",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="product",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "catalog_productevent" ("description", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "public_id", "revenue_account", "seller_id", "supply", "tax_category") VALUES (NEW."description", NEW."id", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."public_id", NEW."revenue_account", NEW."seller_id", NEW."supply", NEW."tax_category"); RETURN NULL;',
                            hash="ad97d0b4a2bcd91faaf211285b83db4b2bab2c89",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_580c5",
                            table="catalog_product",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="planevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="6506cc4c212d4730326c8413276bc93730c27f5c",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_212e1",
                            table="catalog_planevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="plan",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "code"), name="plan_code_is_unique"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="plan",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("interval_count__gte", 1)),
                        name="plan_interval_is_positive",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="plan",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "catalog_planevent" ("code", "cycles", "family", "features", "id", "interval_count", "interval_unit", "is_active", "is_trial_usage_billed", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", "public_id", "seller_id", "trial_days") VALUES (NEW."code", NEW."cycles", NEW."family", NEW."features", NEW."id", NEW."interval_count", NEW."interval_unit", NEW."is_active", NEW."is_trial_usage_billed", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."product_id", NEW."public_id", NEW."seller_id", NEW."trial_days"); RETURN NULL;',
                            hash="42852a195ce488cc4b0879b3f2fec7d113431dbe",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_2a406",
                            table="catalog_plan",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="plan",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "catalog_planevent" ("code", "cycles", "family", "features", "id", "interval_count", "interval_unit", "is_active", "is_trial_usage_billed", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", "public_id", "seller_id", "trial_days") VALUES (NEW."code", NEW."cycles", NEW."family", NEW."features", NEW."id", NEW."interval_count", NEW."interval_unit", NEW."is_active", NEW."is_trial_usage_billed", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."product_id", NEW."public_id", NEW."seller_id", NEW."trial_days"); RETURN NULL;',
                            hash="1e8c70a1a7964c38cb2f7e5547f1afcf67894241",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_3d50e",
                            table="catalog_plan",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="productevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="940e6199f2f19bd732620c5d3f2e10c3a68c0d21",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_582f1",
                            table="catalog_productevent",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
