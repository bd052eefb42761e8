import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import billing.base.public_ids
import customers.models
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("catalog", "0002_initial"),
        ("customers", "0001_initial"),
        ("invoicing", "0001_initial"),
    ]

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="GatewayCursor",
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
                        ("gateway", models.CharField(max_length=40, unique=True)),
                        ("event_id", models.CharField(max_length=80)),
                    ],
                ),
                migrations.CreateModel(
                    name="Order",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="chk")),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                max_length=3, validators=[customers.models.validate_currency]
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
                        (
                            "language",
                            models.CharField(
                                choices=[("en", "English"), ("sv", "Svenska")],
                                default="en",
                                max_length=5,
                            ),
                        ),
                        ("success_url", models.URLField(blank=True, default="", max_length=2000)),
                        ("cancel_url", models.URLField(blank=True, default="", max_length=2000)),
                        ("metadata", models.JSONField(blank=True, default=dict)),
                        ("token_hash", models.CharField(max_length=64, unique=True)),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("open", "Open"),
                                    ("placed", "Placed"),
                                    ("complete", "Complete"),
                                    ("expired", "Expired"),
                                ],
                                default="open",
                                max_length=8,
                            ),
                        ),
                        ("expires_at", models.DateTimeField()),
                        (
                            "details",
                            models.JSONField(
                                blank=True,
                                default=dict,
                                help_text="What the customer wrote of themselves.",
                            ),
                        ),
                        (
                            "consent",
                            models.JSONField(
                                blank=True,
                                default=dict,
                                help_text="The words agreed to, their language and version, when and from where.",
                            ),
                        ),
                        ("placed_at", models.DateTimeField(blank=True, null=True)),
                        ("closed_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Payment",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="pay")),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                max_length=3, validators=[customers.models.validate_currency]
                            ),
                        ),
                        ("amount_minor", models.BigIntegerField()),
                        ("refunded_minor", models.BigIntegerField(db_default=0, default=0)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("planned", "Planned"),
                                    ("created", "Created"),
                                    ("submitted", "Submitted"),
                                    ("requires_action", "Requires Action"),
                                    ("unknown", "Unknown"),
                                    ("succeeded", "Succeeded"),
                                    ("failed", "Failed"),
                                    ("canceled", "Canceled"),
                                ],
                                default="created",
                                max_length=15,
                            ),
                        ),
                        ("gateway", models.CharField(default="manual", max_length=40)),
                        (
                            "gateway_key",
                            models.CharField(
                                blank=True,
                                help_text="Idempotency key of the attempt, or the bank's reference; unique per gateway.",
                                max_length=80,
                                null=True,
                            ),
                        ),
                        ("planned_on", models.DateField(blank=True, null=True)),
                        ("received_on", models.DateField(blank=True, null=True)),
                        ("failure_code", models.CharField(blank=True, default="", max_length=60)),
                        (
                            "gateway_id",
                            models.CharField(
                                blank=True,
                                help_text="What the gateway calls the charge.",
                                max_length=80,
                                null=True,
                            ),
                        ),
                        (
                            "attempts",
                            models.PositiveSmallIntegerField(
                                db_default=0,
                                default=0,
                                help_text="How often the gateway was called about it.",
                            ),
                        ),
                        ("submitted_at", models.DateTimeField(blank=True, null=True)),
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "next_check_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="When it is tried, or asked for, again.",
                                null=True,
                            ),
                        ),
                        (
                            "action_url",
                            models.URLField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="Where the customer confirms or makes the payment.",
                                max_length=2000,
                            ),
                        ),
                        (
                            "attention",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="Why a person must look.",
                                max_length=300,
                            ),
                        ),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="PaymentAllocation",
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
                        ("amount_minor", models.BigIntegerField()),
                        ("refunded_minor", models.BigIntegerField(db_default=0, default=0)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("planned", "Planned"),
                                    ("in_flight", "In Flight"),
                                    ("settled", "Settled"),
                                    ("released", "Released"),
                                ],
                                max_length=9,
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="PaymentMethod",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="pm")),
                        ("gateway", models.CharField(max_length=40)),
                        ("gateway_id", models.CharField(max_length=80)),
                        (
                            "gateway_customer",
                            models.CharField(blank=True, db_default="", default="", max_length=80),
                        ),
                        (
                            "brand",
                            models.CharField(blank=True, db_default="", default="", max_length=40),
                        ),
                        (
                            "last4",
                            models.CharField(blank=True, db_default="", default="", max_length=4),
                        ),
                        (
                            "expires_on",
                            models.DateField(
                                blank=True, help_text="The last day it is good for.", null=True
                            ),
                        ),
                        ("is_default", models.BooleanField(db_default=False, default=False)),
                        (
                            "refused_code",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="Why its bank will never accept it again; it is not tried any more.",
                                max_length=60,
                            ),
                        ),
                        ("retired_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Refund",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="ref")),
                        ("amount_minor", models.BigIntegerField()),
                        ("refunded_on", models.DateField()),
                        ("reason", models.CharField(blank=True, default="", max_length=200)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("owed", "to be paid by hand"),
                                    ("created", "waits to be sent"),
                                    ("unknown", "sent, no answer yet"),
                                    ("succeeded", "Succeeded"),
                                    ("failed", "Failed"),
                                ],
                                db_default="owed",
                                default="owed",
                                max_length=9,
                            ),
                        ),
                        (
                            "is_return",
                            models.BooleanField(
                                db_default=False,
                                default=False,
                                help_text="The money went back by itself: nobody sent or pays anything.",
                            ),
                        ),
                        (
                            "to_account",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="The customer's account, where it is to be paid by hand and known.",
                                max_length=60,
                            ),
                        ),
                        (
                            "paid_on",
                            models.DateField(
                                blank=True, help_text="When a person has paid it.", null=True
                            ),
                        ),
                        (
                            "paid_by",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="Who said so.",
                                max_length=200,
                            ),
                        ),
                        (
                            "reference",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="The bank's, of the payment.",
                                max_length=80,
                            ),
                        ),
                        (
                            "gateway_id",
                            models.CharField(blank=True, max_length=80, null=True, unique=True),
                        ),
                        (
                            "gateway_key",
                            models.CharField(
                                blank=True,
                                help_text="Idempotency key, by which the gateway knows it.",
                                max_length=80,
                                null=True,
                                unique=True,
                            ),
                        ),
                        (
                            "failure_code",
                            models.CharField(blank=True, db_default="", default="", max_length=60),
                        ),
                        ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0)),
                        ("submitted_at", models.DateTimeField(blank=True, null=True)),
                        ("next_check_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "attention",
                            models.CharField(blank=True, db_default="", default="", max_length=300),
                        ),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="CheckoutSession",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="cs")),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("setup", "leaves a card"),
                                    ("payment", "pays an invoice"),
                                ],
                                max_length=7,
                            ),
                        ),
                        ("gateway", models.CharField(max_length=40)),
                        ("gateway_id", models.CharField(blank=True, max_length=80, null=True)),
                        ("url", models.URLField(blank=True, default="", max_length=2000)),
                        ("return_url", models.URLField(max_length=2000)),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("creating", "Creating"),
                                    ("open", "Open"),
                                    ("complete", "Complete"),
                                    ("expired", "Expired"),
                                ],
                                default="creating",
                                max_length=8,
                            ),
                        ),
                        (
                            "failure",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Why it was closed; while it is open, why the last card was refused.",
                                max_length=300,
                            ),
                        ),
                        ("next_check_at", models.DateTimeField(blank=True, null=True)),
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
                                related_name="checkout_sessions",
                                to="customers.customer",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="GatewayCustomer",
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
                        ("gateway", models.CharField(max_length=40)),
                        ("gateway_id", models.CharField(max_length=80)),
                        (
                            "customer",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="at_gateways",
                                to="customers.customer",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="GatewayEvent",
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
                        ("gateway", models.CharField(max_length=40)),
                        ("event_id", models.CharField(max_length=80)),
                        ("type", models.CharField(max_length=60)),
                        (
                            "body",
                            models.TextField(
                                help_text="As it came, or as the list of events gave it."
                            ),
                        ),
                        (
                            "is_polled",
                            models.BooleanField(
                                default=False, help_text="Found in the list, not by a hook."
                            ),
                        ),
                        ("received_at", models.DateTimeField()),
                        ("processed_at", models.DateTimeField(blank=True, null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("next_attempt_at", models.DateTimeField()),
                        ("parked_reason", models.CharField(blank=True, default="", max_length=300)),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("parked_reason", ""), _negated=True),
                                fields=["id"],
                                name="gateway_event_is_parked",
                            ),
                            models.Index(
                                condition=models.Q(
                                    ("parked_reason", ""), ("processed_at__isnull", True)
                                ),
                                fields=["next_attempt_at"],
                                name="gateway_event_waits",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("gateway", "event_id"), name="gateway_event_is_kept_once"
                            )
                        ],
                    },
                ),
            ]
        ),
        AtOnce(
            [
                pgtrigger.migrations.AddTrigger(
                    model_name="gatewayevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="gateway_event_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."gateway" IS DISTINCT FROM (NEW."gateway") OR OLD."event_id" IS DISTINCT FROM (NEW."event_id") OR OLD."type" IS DISTINCT FROM (NEW."type") OR OLD."body" IS DISTINCT FROM (NEW."body") OR OLD."is_polled" IS DISTINCT FROM (NEW."is_polled") OR OLD."received_at" IS DISTINCT FROM (NEW."received_at"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="6cffe47843abe7aee35bd2428be464c9a7e2289a",
                            operation="UPDATE",
                            pgid="pgtrigger_gateway_event_is_never_edited_5a50d",
                            table="payments_gatewayevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="gatewayevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="gateway_event_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="53ed6608a9cbd91d64c4cc196ebda4a328c62902",
                            operation="DELETE",
                            pgid="pgtrigger_gateway_event_is_never_deleted_a62bb",
                            table="payments_gatewayevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddField(
                    model_name="order",
                    name="coupon",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="catalog.coupon",
                    ),
                ),
                migrations.AddField(
                    model_name="order",
                    name="customer",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="customers.customer",
                    ),
                ),
                migrations.AddField(
                    model_name="order",
                    name="invoice",
                    field=models.OneToOneField(
                        blank=True,
                        help_text="Empty where nothing is to be paid at the start.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="order",
                        to="invoicing.invoice",
                    ),
                ),
                migrations.AddField(
                    model_name="order",
                    name="plan",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="catalog.plan",
                    ),
                ),
                migrations.AddField(
                    model_name="order",
                    name="seller",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="customers.seller",
                    ),
                ),
            ]
        ),
    ]
