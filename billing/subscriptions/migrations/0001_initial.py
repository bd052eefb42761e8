import django.contrib.postgres.constraints
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import billing.base.public_ids
import billing.subscriptions.models
import catalog.models
import customers.models
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("billing", "0001_extensions_and_cache"),
        ("catalog", "0002_initial"),
        ("customers", "0001_initial"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="Subscription",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="sub")),
                        ("external_id", models.CharField(blank=True, max_length=100, null=True)),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                max_length=3, validators=[customers.models.validate_currency]
                            ),
                        ),
                        ("time_zone", models.CharField(max_length=50)),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("incomplete", "Incomplete"),
                                    ("trialing", "Trialing"),
                                    ("active", "Active"),
                                    ("paused", "Paused"),
                                    ("ended", "Ended"),
                                ],
                                default="active",
                                max_length=10,
                            ),
                        ),
                        (
                            "access",
                            models.CharField(
                                choices=[
                                    ("full", "Full"),
                                    ("restricted", "Restricted"),
                                    ("none", "None"),
                                ],
                                default="full",
                                max_length=10,
                            ),
                        ),
                        ("starts_on", models.DateField()),
                        (
                            "paid_from",
                            models.DateField(help_text="The trial's end, or else the start."),
                        ),
                        (
                            "ends_on",
                            models.DateField(
                                blank=True,
                                help_text="The first day without service, once it is known.",
                                null=True,
                            ),
                        ),
                        (
                            "cancels_on",
                            models.DateField(
                                blank=True,
                                help_text="The end, where it came by canceling; may be undone.",
                                null=True,
                            ),
                        ),
                        (
                            "agreed_ends_on",
                            models.DateField(
                                blank=True,
                                help_text="The end agreed at the start: a fixed term.",
                                null=True,
                            ),
                        ),
                        (
                            "quantities",
                            models.JSONField(
                                blank=True,
                                default=dict,
                                help_text="{price code: quantity} that differ from the plan's.",
                            ),
                        ),
                        ("is_unused_credited_at_end", models.BooleanField(default=False)),
                        ("is_unused_refunded_at_end", models.BooleanField(default=False)),
                        ("is_final_usage_billed", models.BooleanField(default=True)),
                        ("is_trial_usage_billed", models.BooleanField(default=False)),
                        (
                            "billed_until",
                            models.DateField(
                                blank=True,
                                help_text="Days before it were billed elsewhere.",
                                null=True,
                            ),
                        ),
                        ("next_bill_on", models.DateField(blank=True, null=True)),
                        ("billed_through", models.DateField(blank=True, null=True)),
                        ("window_on", models.DateField(blank=True, null=True)),
                        ("parked_reason", models.TextField(blank=True, default="")),
                        ("metadata", models.JSONField(blank=True, default=dict)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        (
                            "customer",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="subscriptions",
                                to="customers.customer",
                            ),
                        ),
                        (
                            "plan",
                            models.ForeignKey(
                                db_index=False,
                                help_text="The present one.",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="subscriptions",
                                to="catalog.plan",
                            ),
                        ),
                        (
                            "seller",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="subscriptions",
                                to="customers.seller",
                            ),
                        ),
                    ],
                    options={
                        "permissions": [
                            ("pause_subscription", "Can pause a subscription"),
                            ("resume_subscription", "Can resume a subscription"),
                            ("cancel_subscription", "Can cancel a subscription"),
                            (
                                "undo_cancel_subscription",
                                "Can undo the canceling of a subscription",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Pause",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        ("starts_on", models.DateField()),
                        ("ends_on", models.DateField(blank=True, null=True)),
                        (
                            "unused",
                            models.CharField(
                                choices=[
                                    ("credit", "days paid ahead come back"),
                                    ("keep", "days paid ahead stay paid"),
                                    ("shift", "the periods move by the days paused"),
                                ],
                                default="credit",
                                max_length=6,
                            ),
                        ),
                        (
                            "subscription",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="pauses",
                                to="subscriptions.subscription",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["starts_on"],
                    },
                ),
                migrations.CreateModel(
                    name="CouponRedemption",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        ("starts_on", models.DateField()),
                        ("expires_on", models.DateField(blank=True, null=True)),
                        ("is_spent", models.BooleanField(default=False)),
                        (
                            "fixed_by",
                            models.BigIntegerField(
                                blank=True,
                                editable=False,
                                help_text="The document (its row id) that spent the coupon or fixed its end.",
                                null=True,
                            ),
                        ),
                        ("removed_on", models.DateField(blank=True, null=True)),
                        (
                            "coupon",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="redemptions",
                                to="catalog.coupon",
                            ),
                        ),
                        (
                            "customer",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="coupon_redemptions",
                                to="customers.customer",
                            ),
                        ),
                        (
                            "subscription",
                            models.ForeignKey(
                                blank=True,
                                help_text="Empty: for all that the customer has.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="coupon_redemptions",
                                to="subscriptions.subscription",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["id"],
                    },
                ),
                migrations.CreateModel(
                    name="BillingCycle",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        ("starts_on", models.DateField()),
                        (
                            "interval_unit",
                            models.CharField(
                                choices=[
                                    ("day", "Day"),
                                    ("week", "Week"),
                                    ("month", "Month"),
                                    ("year", "Year"),
                                ],
                                max_length=5,
                            ),
                        ),
                        (
                            "interval_count",
                            models.PositiveSmallIntegerField(
                                validators=[django.core.validators.MinValueValidator(1)]
                            ),
                        ),
                        ("anchor_on", models.DateField()),
                        ("anchor_day", models.PositiveSmallIntegerField()),
                        ("tail_starts_on", models.DateField(blank=True, null=True)),
                        ("tail_days", models.PositiveSmallIntegerField(blank=True, null=True)),
                        (
                            "subscription",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="cycles",
                                to="subscriptions.subscription",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["starts_on"],
                    },
                ),
                migrations.CreateModel(
                    name="SubscriptionEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        (
                            "public_id",
                            billing.base.public_ids.PublicIdField(prefix="sub", unique=False),
                        ),
                        ("external_id", models.CharField(blank=True, max_length=100, null=True)),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                max_length=3, validators=[customers.models.validate_currency]
                            ),
                        ),
                        ("time_zone", models.CharField(max_length=50)),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("incomplete", "Incomplete"),
                                    ("trialing", "Trialing"),
                                    ("active", "Active"),
                                    ("paused", "Paused"),
                                    ("ended", "Ended"),
                                ],
                                default="active",
                                max_length=10,
                            ),
                        ),
                        (
                            "access",
                            models.CharField(
                                choices=[
                                    ("full", "Full"),
                                    ("restricted", "Restricted"),
                                    ("none", "None"),
                                ],
                                default="full",
                                max_length=10,
                            ),
                        ),
                        ("starts_on", models.DateField()),
                        (
                            "paid_from",
                            models.DateField(help_text="The trial's end, or else the start."),
                        ),
                        (
                            "ends_on",
                            models.DateField(
                                blank=True,
                                help_text="The first day without service, once it is known.",
                                null=True,
                            ),
                        ),
                        (
                            "cancels_on",
                            models.DateField(
                                blank=True,
                                help_text="The end, where it came by canceling; may be undone.",
                                null=True,
                            ),
                        ),
                        (
                            "agreed_ends_on",
                            models.DateField(
                                blank=True,
                                help_text="The end agreed at the start: a fixed term.",
                                null=True,
                            ),
                        ),
                        (
                            "quantities",
                            models.JSONField(
                                blank=True,
                                default=dict,
                                help_text="{price code: quantity} that differ from the plan's.",
                            ),
                        ),
                        ("is_unused_credited_at_end", models.BooleanField(default=False)),
                        ("is_unused_refunded_at_end", models.BooleanField(default=False)),
                        ("is_final_usage_billed", models.BooleanField(default=True)),
                        ("is_trial_usage_billed", models.BooleanField(default=False)),
                        (
                            "billed_until",
                            models.DateField(
                                blank=True,
                                help_text="Days before it were billed elsewhere.",
                                null=True,
                            ),
                        ),
                        ("next_bill_on", models.DateField(blank=True, null=True)),
                        ("billed_through", models.DateField(blank=True, null=True)),
                        ("window_on", models.DateField(blank=True, null=True)),
                        ("parked_reason", models.TextField(blank=True, default="")),
                        ("metadata", models.JSONField(blank=True, default=dict)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        (
                            "customer",
                            models.ForeignKey(
                                db_constraint=False,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                related_query_name="+",
                                to="customers.customer",
                            ),
                        ),
                        (
                            "pgh_context",
                            models.ForeignKey(
                                db_constraint=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to="pghistory.context",
                            ),
                        ),
                        (
                            "pgh_obj",
                            models.ForeignKey(
                                db_constraint=False,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="events",
                                to="subscriptions.subscription",
                            ),
                        ),
                        (
                            "plan",
                            models.ForeignKey(
                                db_constraint=False,
                                help_text="The present one.",
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                related_query_name="+",
                                to="catalog.plan",
                            ),
                        ),
                        (
                            "seller",
                            models.ForeignKey(
                                db_constraint=False,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                related_query_name="+",
                                to="customers.seller",
                            ),
                        ),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="SubscriptionItem",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        ("key", models.CharField(max_length=80)),
                        (
                            "quantity",
                            catalog.models.AmountField(decimal_places=10, default=1, max_digits=24),
                        ),
                        (
                            "agreed_amount",
                            catalog.models.AmountField(
                                blank=True, decimal_places=10, max_digits=24, null=True
                            ),
                        ),
                        ("position", models.PositiveSmallIntegerField(default=0)),
                        ("starts_on", models.DateField()),
                        ("ends_on", models.DateField(blank=True, null=True)),
                        (
                            "keeps_paid",
                            models.BooleanField(
                                default=False,
                                help_text="Days billed ahead stay billed when this version ends.",
                            ),
                        ),
                        (
                            "price",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="items",
                                to="catalog.price",
                            ),
                        ),
                        (
                            "subscription",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="items",
                                to="subscriptions.subscription",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["starts_on", "position", "id"],
                    },
                ),
            ]
        ),
        AtOnce(
            [
                migrations.AddIndex(
                    model_name="subscription",
                    index=models.Index(
                        condition=models.Q(("next_bill_on__isnull", False), ("parked_reason", "")),
                        fields=["seller", "next_bill_on"],
                        include=("customer",),
                        name="subscription_is_due",
                    ),
                ),
                migrations.AddIndex(
                    model_name="subscription",
                    index=models.Index(
                        condition=models.Q(("parked_reason", ""), _negated=True),
                        fields=["seller"],
                        name="subscription_is_parked",
                    ),
                ),
                migrations.AddIndex(
                    model_name="subscription",
                    index=models.Index(
                        condition=models.Q(("paid_from__gt", models.F("starts_on"))),
                        fields=["seller", "paid_from"],
                        name="subscription_with_a_trial",
                    ),
                ),
                migrations.AddIndex(
                    model_name="subscription",
                    index=models.Index(
                        condition=models.Q(("external_id__isnull", False)),
                        fields=["external_id"],
                        name="subscription_by_external_id",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="subscription",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("external_id__isnull", False)),
                        fields=("seller", "external_id"),
                        name="subscription_external_id_is_unique",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="subscription",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("ends_on__isnull", True),
                            ("ends_on__gte", models.F("starts_on")),
                            _connector="OR",
                        ),
                        name="subscription_ends_after_it_starts",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="subscription",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("paid_from__gte", models.F("starts_on"))),
                        name="subscription_trial_is_not_negative",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="subscription",
                    trigger=pgtrigger.compiler.Trigger(
                        name="subscription_is_of_its_customers_seller",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n    IF (SELECT seller_id FROM customers_customer WHERE id = NEW.customer_id)\n       IS DISTINCT FROM NEW.seller_id THEN\n        RAISE EXCEPTION 'customer % is not a customer of seller %', NEW.customer_id, NEW.seller_id\n            USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n    ",
                            hash="e5b708ff8cbaad922bca36f0c891176d830ba3d0",
                            operation='INSERT OR UPDATE OF "customer_id", "seller_id"',
                            pgid="pgtrigger_subscription_is_of_its_customers_seller_2f7d0",
                            table="subscriptions_subscription",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="subscription",
                    trigger=pgtrigger.compiler.Trigger(
                        name="subscription_currency_is_never_changed",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."time_zone" IS DISTINCT FROM (NEW."time_zone"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="b146f0b5bbe56afdd5792ba010ce2040f7db0276",
                            operation="UPDATE",
                            pgid="pgtrigger_subscription_currency_is_never_changed_01132",
                            table="subscriptions_subscription",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="subscription",
                    trigger=pgtrigger.compiler.Trigger(
                        name="billed_subscription_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."billed_through" IS NOT NULL)',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="65e3cb67e79b6ec36daaa15e3359d8b1d2d25f0e",
                            operation="DELETE",
                            pgid="pgtrigger_billed_subscription_is_never_deleted_bbc2b",
                            table="subscriptions_subscription",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="subscription",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "subscriptions_subscriptionevent" ("access", "agreed_ends_on", "billed_through", "billed_until", "cancels_on", "currency", "customer_id", "ends_on", "external_id", "id", "is_final_usage_billed", "is_trial_usage_billed", "is_unused_credited_at_end", "is_unused_refunded_at_end", "metadata", "next_bill_on", "paid_from", "parked_reason", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "public_id", "quantities", "recorded_at", "seller_id", "starts_on", "status", "time_zone", "window_on") SELECT new_values."access", new_values."agreed_ends_on", new_values."billed_through", new_values."billed_until", new_values."cancels_on", new_values."currency", new_values."customer_id", new_values."ends_on", new_values."external_id", new_values."id", new_values."is_final_usage_billed", new_values."is_trial_usage_billed", new_values."is_unused_credited_at_end", new_values."is_unused_refunded_at_end", new_values."metadata", new_values."next_bill_on", new_values."paid_from", new_values."parked_reason", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."plan_id", new_values."public_id", new_values."quantities", new_values."recorded_at", new_values."seller_id", new_values."starts_on", new_values."status", new_values."time_zone", new_values."window_on" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;',
                            hash="a351a70c5d9d57f017ff7263008c2b3f06e0558a",
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
                            condition='WHEN (OLD."access" IS DISTINCT FROM (NEW."access") OR OLD."cancels_on" IS DISTINCT FROM (NEW."cancels_on") OR OLD."ends_on" IS DISTINCT FROM (NEW."ends_on") OR OLD."metadata" IS DISTINCT FROM (NEW."metadata") OR OLD."parked_reason" IS DISTINCT FROM (NEW."parked_reason") OR OLD."plan_id" IS DISTINCT FROM (NEW."plan_id") OR OLD."status" IS DISTINCT FROM (NEW."status"))',
                            func='INSERT INTO "subscriptions_subscriptionevent" ("access", "agreed_ends_on", "billed_through", "billed_until", "cancels_on", "currency", "customer_id", "ends_on", "external_id", "id", "is_final_usage_billed", "is_trial_usage_billed", "is_unused_credited_at_end", "is_unused_refunded_at_end", "metadata", "next_bill_on", "paid_from", "parked_reason", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "public_id", "quantities", "recorded_at", "seller_id", "starts_on", "status", "time_zone", "window_on") VALUES (NEW."access", NEW."agreed_ends_on", NEW."billed_through", NEW."billed_until", NEW."cancels_on", NEW."currency", NEW."customer_id", NEW."ends_on", NEW."external_id", NEW."id", NEW."is_final_usage_billed", NEW."is_trial_usage_billed", NEW."is_unused_credited_at_end", NEW."is_unused_refunded_at_end", NEW."metadata", NEW."next_bill_on", NEW."paid_from", NEW."parked_reason", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."plan_id", NEW."public_id", NEW."quantities", NEW."recorded_at", NEW."seller_id", NEW."starts_on", NEW."status", NEW."time_zone", NEW."window_on"); RETURN NULL;',
                            hash="ebeb9249fa42a843182d5ee853f1572533c452c9",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_fb679",
                            table="subscriptions_subscription",
                            when="AFTER",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="pause",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("ends_on__isnull", True),
                            ("ends_on__gte", models.F("starts_on")),
                            _connector="OR",
                        ),
                        name="pause_ends_after_it_starts",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="pause",
                    constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[
                            ("subscription", "="),
                            (billing.subscriptions.models.DateRange("starts_on", "ends_on"), "&&"),
                        ],
                        name="pauses_do_not_overlap",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="couponredemption",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("is_spent", False), ("removed_on__isnull", True)),
                        fields=("coupon", "customer", "subscription"),
                        name="coupon_is_had_once_at_a_time",
                        nulls_distinct=False,
                    ),
                ),
                migrations.AddConstraint(
                    model_name="billingcycle",
                    constraint=models.UniqueConstraint(
                        fields=("subscription", "starts_on"),
                        name="one_billing_cycle_starts_on_a_day",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="billingcycle",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("interval_count__gte", 1)),
                        name="billing_cycle_interval_is_positive",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="billingcycle",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("tail_days__isnull", True), ("tail_starts_on__isnull", True)),
                            models.Q(
                                ("tail_days__gte", 1),
                                ("tail_days__isnull", False),
                                ("tail_starts_on__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="billing_cycle_tail_is_whole",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="subscriptionevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="ee01a61a264c56e1f60dd6f483b8361280f99549",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_39b4f",
                            table="subscriptions_subscriptionevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="subscriptionitem",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("ends_on__isnull", True),
                            ("ends_on__gte", models.F("starts_on")),
                            _connector="OR",
                        ),
                        name="item_ends_after_it_starts",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="subscriptionitem",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("quantity__gt", 0)), name="item_quantity_is_positive"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="subscriptionitem",
                    constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[
                            ("subscription", "="),
                            ("key", "="),
                            (billing.subscriptions.models.DateRange("starts_on", "ends_on"), "&&"),
                        ],
                        name="item_has_one_version_at_a_time",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="subscriptionitem",
                    trigger=pgtrigger.compiler.Trigger(
                        name="billed_item_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n    IF OLD.starts_on <= (SELECT billed_through FROM subscriptions_subscription\n                         WHERE id = OLD.subscription_id) THEN\n        RAISE EXCEPTION 'item % has been billed', OLD.id USING ERRCODE = 'restrict_violation';\n    END IF;\n    RETURN OLD;\n",
                            hash="0e526bbf578d64c85b76c66a7e6d8197794f0d0a",
                            operation="DELETE",
                            pgid="pgtrigger_billed_item_is_never_deleted_d0fe3",
                            table="subscriptions_subscriptionitem",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
