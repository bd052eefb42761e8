import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import billing.base.public_ids
import catalog.models
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
        ("subscriptions", "0001_initial"),
    ]

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="Meter",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="meter")),
                        ("code", models.CharField(max_length=80)),
                        ("name", models.CharField(blank=True, default="", max_length=200)),
                        (
                            "aggregation",
                            models.CharField(
                                choices=[
                                    ("sum", "Sum"),
                                    ("count", "Count"),
                                    ("max", "Max"),
                                    ("unique", "Unique"),
                                    ("last", "Last"),
                                ],
                                default="sum",
                                max_length=6,
                            ),
                        ),
                        (
                            "property",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Aggregate this property of the record.",
                                max_length=80,
                            ),
                        ),
                        (
                            "filter",
                            models.JSONField(
                                blank=True,
                                default=dict,
                                help_text="{property: value or list of values} a record must have.",
                            ),
                        ),
                        (
                            "is_carried",
                            models.BooleanField(
                                default=False,
                                help_text="The quantity goes over to the next period.",
                            ),
                        ),
                        (
                            "rounding_mode",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("", "None"),
                                    ("round", "Round"),
                                    ("ceil", "Ceil"),
                                    ("floor", "Floor"),
                                ],
                                default="",
                                max_length=5,
                            ),
                        ),
                        ("rounding_digits", models.SmallIntegerField(default=0)),
                        (
                            "is_whole",
                            models.BooleanField(
                                db_default=False,
                                default=False,
                                help_text="Records with a fraction, such as half a seat, are refused.",
                                verbose_name="whole units only",
                            ),
                        ),
                        (
                            "seller",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="meters",
                                to="customers.seller",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="UsageRecord",
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
                        (
                            "public_id",
                            billing.base.public_ids.PublicIdField(
                                db_default=django.db.models.functions.text.Concat(
                                    models.Value("use_"),
                                    django.db.models.functions.text.Left(
                                        django.db.models.functions.text.Replace(
                                            django.db.models.functions.comparison.Cast(
                                                django.contrib.postgres.functions.RandomUUID(),
                                                models.CharField(),
                                            ),
                                            models.Value("-"),
                                            models.Value(""),
                                        ),
                                        24,
                                    ),
                                ),
                                prefix="use",
                            ),
                        ),
                        ("key", models.CharField(blank=True, max_length=100, null=True)),
                        ("at", models.DateTimeField()),
                        ("on", models.DateField()),
                        ("quantity", catalog.models.AmountField(decimal_places=10, max_digits=24)),
                        (
                            "value",
                            catalog.models.AmountField(
                                decimal_places=10,
                                help_text="What the meter aggregates; empty where the filter leaves it out.",
                                max_digits=24,
                                null=True,
                            ),
                        ),
                        ("distinct", models.CharField(blank=True, default="", max_length=200)),
                        ("properties", models.JSONField(blank=True, default=dict)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        (
                            "withdrawn_at",
                            models.DateTimeField(blank=True, editable=False, null=True),
                        ),
                        (
                            "withdrawn_by",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                editable=False,
                                max_length=100,
                            ),
                        ),
                        (
                            "corrects",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="corrected_by",
                                to="usage.usagerecord",
                            ),
                        ),
                        (
                            "meter",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="usage.meter",
                            ),
                        ),
                        (
                            "subscription",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="usage_records",
                                to="subscriptions.subscription",
                            ),
                        ),
                    ],
                ),
            ]
        ),
        AtOnce(
            [
                migrations.AddConstraint(
                    model_name="meter",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "code"), name="meter_code_is_unique"
                    ),
                ),
                migrations.AddIndex(
                    model_name="usagerecord",
                    index=models.Index(
                        fields=["subscription", "on"], name="usage_of_subscription_by_day"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="usagerecord",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("withdrawn_at__isnull", True), ("withdrawn_by", "")),
                            models.Q(
                                ("withdrawn_at__isnull", False),
                                models.Q(("withdrawn_by", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="withdrawn_usage_says_by_whom",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="usagerecord",
                    constraint=models.UniqueConstraint(
                        fields=("subscription", "meter", "key"), name="usage_key_counts_once"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="usagerecord",
                    trigger=pgtrigger.compiler.Trigger(
                        name="usage_record_is_append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."at" IS DISTINCT FROM (NEW."at") OR OLD."corrects_id" IS DISTINCT FROM (NEW."corrects_id") OR OLD."distinct" IS DISTINCT FROM (NEW."distinct") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."key" IS DISTINCT FROM (NEW."key") OR OLD."meter_id" IS DISTINCT FROM (NEW."meter_id") OR OLD."on" IS DISTINCT FROM (NEW."on") OR OLD."properties" IS DISTINCT FROM (NEW."properties") OR OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."quantity" IS DISTINCT FROM (NEW."quantity") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."value" IS DISTINCT FROM (NEW."value"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="6ade440aeebda18668e0c7afeb07a5dca8069d45",
                            operation="UPDATE",
                            pgid="pgtrigger_usage_record_is_append_only_71544",
                            table="usage_usagerecord",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="usagerecord",
                    trigger=pgtrigger.compiler.Trigger(
                        name="usage_is_withdrawn_once",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."withdrawn_at" IS NOT NULL)',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="eaf36cc47cc7b7eee418be75d2ddc75bd005bc34",
                            operation="UPDATE",
                            pgid="pgtrigger_usage_is_withdrawn_once_12ecb",
                            table="usage_usagerecord",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="usagerecord",
                    trigger=pgtrigger.compiler.Trigger(
                        name="usage_record_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="1893ebaf5eaeb1744a316746c75e00defeae43b2",
                            operation="DELETE",
                            pgid="pgtrigger_usage_record_is_never_deleted_ae4fd",
                            table="usage_usagerecord",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
