import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import billing.base.public_ids
import billing.invoicing.coverage
import catalog.models
import customers.models
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("billing", "0001_extensions_and_cache"),
        ("catalog", "0002_initial"),
        ("customers", "0001_initial"),
    ]

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="InvoiceLine",
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
                        ("position", models.PositiveIntegerField()),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("recurring", "Recurring"),
                                    ("usage", "Usage"),
                                    ("minimum", "Minimum"),
                                    ("one_off", "One Off"),
                                    ("credit", "Credit"),
                                    ("discount", "Discount"),
                                    ("rounding", "Rounding"),
                                ],
                                max_length=9,
                            ),
                        ),
                        ("description", models.CharField(max_length=500)),
                        ("starts_on", models.DateField(null=True)),
                        ("ends_on", models.DateField(null=True)),
                        (
                            "quantity",
                            catalog.models.AmountField(decimal_places=10, max_digits=24, null=True),
                        ),
                        (
                            "unit_amount",
                            catalog.models.AmountField(
                                decimal_places=10,
                                help_text="In major units.",
                                max_digits=24,
                                null=True,
                            ),
                        ),
                        ("amount_minor", models.BigIntegerField()),
                        ("discount_minor", models.BigIntegerField(default=0)),
                        ("net_minor", models.BigIntegerField()),
                        (
                            "tax",
                            models.JSONField(
                                default=list,
                                help_text="Rates: [{category, rate, inclusive, name}], as resolved at issue.",
                            ),
                        ),
                        (
                            "revenue_account",
                            models.CharField(blank=True, default="", max_length=20),
                        ),
                        ("days", models.PositiveIntegerField(null=True)),
                        ("of_days", models.PositiveIntegerField(null=True)),
                        ("tiers", models.JSONField(null=True)),
                        (
                            "corrects",
                            models.ForeignKey(
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="corrected_by",
                                to="invoicing.invoiceline",
                            ),
                        ),
                        (
                            "price",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="catalog.price",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["invoice", "position"],
                    },
                ),
                migrations.CreateModel(
                    name="CustomerBalance",
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
                            "currency",
                            customers.models.CurrencyField(
                                max_length=3, validators=[customers.models.validate_currency]
                            ),
                        ),
                        ("balance_minor", models.BigIntegerField(default=0)),
                    ],
                ),
                migrations.CreateModel(
                    name="Invoice",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="inv")),
                        (
                            "kind",
                            models.CharField(
                                choices=[("invoice", "invoice"), ("credit_note", "credit note")],
                                default="invoice",
                                max_length=11,
                            ),
                        ),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("draft", "Draft"),
                                    ("open", "Open"),
                                    ("paid", "Paid"),
                                    ("void", "Void"),
                                    ("uncollectible", "Uncollectible"),
                                    ("issued", "Issued"),
                                ],
                                default="draft",
                                max_length=13,
                            ),
                        ),
                        ("number", models.CharField(max_length=40, null=True)),
                        (
                            "sequence",
                            models.PositiveBigIntegerField(
                                help_text="The number in its series.", null=True
                            ),
                        ),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                max_length=3, validators=[customers.models.validate_currency]
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
                        ("issued_on", models.DateField()),
                        ("due_on", models.DateField()),
                        (
                            "bill_to",
                            models.JSONField(
                                help_text="The customer as it stood on the day of issue."
                            ),
                        ),
                        (
                            "reference",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="OCR reference: digits, the last by Luhn.",
                                max_length=25,
                            ),
                        ),
                        ("subtotal_minor", models.BigIntegerField()),
                        ("discount_minor", models.BigIntegerField(default=0)),
                        ("net_minor", models.BigIntegerField()),
                        ("tax_minor", models.BigIntegerField(default=0)),
                        ("rounding_minor", models.BigIntegerField(default=0)),
                        ("total_minor", models.BigIntegerField()),
                        ("credit_applied_minor", models.BigIntegerField(default=0)),
                        ("amount_due_minor", models.BigIntegerField()),
                        ("paid_minor", models.BigIntegerField(db_default=0, default=0)),
                        ("credited_minor", models.BigIntegerField(db_default=0, default=0)),
                        (
                            "from_balance_minor",
                            models.BigIntegerField(
                                db_default=0,
                                default=0,
                                help_text="What the customer's balance has paid since the day of issue.",
                            ),
                        ),
                        (
                            "rounded_off_minor",
                            models.BigIntegerField(
                                db_default=0,
                                default=0,
                                help_text="A difference so small that it was closed as rounding when the money came.",
                            ),
                        ),
                        (
                            "credit_to",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("", "–"),
                                    ("balance", "the customer's balance"),
                                    ("refund", "a refund"),
                                ],
                                default="",
                                max_length=7,
                            ),
                        ),
                        ("closed_on", models.DateField(blank=True, null=True)),
                        (
                            "reason",
                            models.TextField(
                                blank=True,
                                default="",
                                help_text="Why it was voided or written off.",
                            ),
                        ),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "invoice",
                        "permissions": [
                            ("void_invoice", "Can void an invoice"),
                            ("write_off_invoice", "Can write off an invoice"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="InvoiceTax",
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
                        ("category", models.CharField(max_length=20)),
                        ("percent", models.DecimalField(decimal_places=4, max_digits=7)),
                        ("is_inclusive", models.BooleanField(default=False)),
                        ("name", models.CharField(blank=True, default="", max_length=100)),
                        ("net_minor", models.BigIntegerField()),
                        ("tax_minor", models.BigIntegerField()),
                    ],
                    options={
                        "verbose_name": "VAT group",
                    },
                ),
                migrations.CreateModel(
                    name="Letterhead",
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
                        ("digest", models.CharField(max_length=64)),
                        ("content", models.JSONField()),
                    ],
                ),
                migrations.CreateModel(
                    name="NumberGap",
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
                        ("kind", models.CharField(max_length=11)),
                        ("first", models.PositiveBigIntegerField()),
                        ("last", models.PositiveBigIntegerField()),
                        ("reason", models.CharField(max_length=300)),
                        ("recorded_by", models.CharField(max_length=80)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="NumberSeries",
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
                        ("kind", models.CharField(max_length=11)),
                        ("prefix", models.CharField(blank=True, default="", max_length=20)),
                        ("next_number", models.PositiveBigIntegerField(default=1)),
                    ],
                    options={
                        "verbose_name_plural": "number series",
                    },
                ),
                migrations.CreateModel(
                    name="OneOffItem",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="item")),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                max_length=3, validators=[customers.models.validate_currency]
                            ),
                        ),
                        ("amount_minor", models.BigIntegerField(help_text="May be negative.")),
                        ("description", models.CharField(max_length=500)),
                        (
                            "tax",
                            models.JSONField(
                                blank=True, help_text="As on the seller, for this item.", null=True
                            ),
                        ),
                        (
                            "revenue_account",
                            models.CharField(db_default="3041", default="3041", max_length=20),
                        ),
                        ("due_on", models.DateField()),
                        (
                            "waits",
                            models.BooleanField(
                                db_default=False,
                                default=False,
                                help_text="Waits for a regular bill, as long as one is to come.",
                                verbose_name="with the next bill",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="BalanceEntry",
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
                            "currency",
                            customers.models.CurrencyField(
                                max_length=3, validators=[customers.models.validate_currency]
                            ),
                        ),
                        (
                            "amount_minor",
                            models.BigIntegerField(
                                help_text="Positive: the customer has more with us."
                            ),
                        ),
                        ("description", models.CharField(blank=True, default="", max_length=200)),
                        ("effective_on", models.DateField()),
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
                                related_name="balance_entries",
                                to="customers.customer",
                            ),
                        ),
                        (
                            "takes_back",
                            models.OneToOneField(
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="taken_back_by",
                                to="invoicing.balanceentry",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "balance entries",
                    },
                ),
                migrations.CreateModel(
                    name="Coverage",
                    fields=[
                        (
                            "line",
                            models.OneToOneField(
                                db_constraint=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                primary_key=True,
                                related_name="coverage",
                                serialize=False,
                                to="invoicing.invoiceline",
                            ),
                        ),
                        (
                            "kind",
                            models.SmallIntegerField(
                                choices=[
                                    (0, "Recurring"),
                                    (1, "Usage"),
                                    (2, "Minimum"),
                                    (3, "Once"),
                                ]
                            ),
                        ),
                        ("part", models.SmallIntegerField(default=0)),
                        ("starts_on", models.DateField()),
                        ("ends_on", models.DateField()),
                        ("days", billing.invoicing.coverage.DateMultiRangeField()),
                        (
                            "amount_minor",
                            models.BigIntegerField(help_text="The line's amount before discount."),
                        ),
                        ("billed_minor", models.BigIntegerField()),
                        ("credited_minor", models.BigIntegerField(default=0)),
                        (
                            "quantity",
                            catalog.models.AmountField(
                                decimal_places=10,
                                help_text="Of usage: what the amount was rated on.",
                                max_digits=24,
                                null=True,
                            ),
                        ),
                        ("again_days", billing.invoicing.coverage.DateMultiRangeField(null=True)),
                    ],
                ),
            ]
        ),
    ]
