from decimal import Decimal

import django.contrib.postgres.fields
import django.core.validators
from django.db import migrations, models

import billing.base.public_ids
import catalog.models
import customers.models
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="Coupon",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="coup")),
                        ("code", models.CharField(max_length=80)),
                        ("name", models.CharField(blank=True, default="", max_length=200)),
                        (
                            "percent_off",
                            models.DecimalField(
                                blank=True,
                                decimal_places=4,
                                max_digits=7,
                                null=True,
                                validators=[
                                    django.core.validators.MinValueValidator(0),
                                    django.core.validators.MaxValueValidator(100),
                                ],
                            ),
                        ),
                        ("amount_off_minor", models.BigIntegerField(blank=True, null=True)),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                blank=True,
                                default="",
                                help_text="Of the amount.",
                                max_length=3,
                                validators=[customers.models.validate_currency],
                            ),
                        ),
                        (
                            "duration",
                            models.CharField(
                                choices=[
                                    ("once", "Once"),
                                    ("repeating", "Repeating"),
                                    ("forever", "Forever"),
                                ],
                                default="once",
                                max_length=10,
                            ),
                        ),
                        (
                            "periods",
                            models.PositiveSmallIntegerField(
                                blank=True,
                                help_text="Billing periods, for a repeating coupon.",
                                null=True,
                            ),
                        ),
                        (
                            "plans",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=80),
                                blank=True,
                                default=list,
                                help_text="Codes; empty: all.",
                            ),
                        ),
                        (
                            "prices",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=80),
                                blank=True,
                                default=list,
                                help_text="Codes; empty: all.",
                            ),
                        ),
                        ("is_active", models.BooleanField(default=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="CouponEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        (
                            "public_id",
                            billing.base.public_ids.PublicIdField(prefix="coup", unique=False),
                        ),
                        ("code", models.CharField(max_length=80)),
                        ("name", models.CharField(blank=True, default="", max_length=200)),
                        (
                            "percent_off",
                            models.DecimalField(
                                blank=True,
                                decimal_places=4,
                                max_digits=7,
                                null=True,
                                validators=[
                                    django.core.validators.MinValueValidator(0),
                                    django.core.validators.MaxValueValidator(100),
                                ],
                            ),
                        ),
                        ("amount_off_minor", models.BigIntegerField(blank=True, null=True)),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                blank=True,
                                default="",
                                help_text="Of the amount.",
                                max_length=3,
                                validators=[customers.models.validate_currency],
                            ),
                        ),
                        (
                            "duration",
                            models.CharField(
                                choices=[
                                    ("once", "Once"),
                                    ("repeating", "Repeating"),
                                    ("forever", "Forever"),
                                ],
                                default="once",
                                max_length=10,
                            ),
                        ),
                        (
                            "periods",
                            models.PositiveSmallIntegerField(
                                blank=True,
                                help_text="Billing periods, for a repeating coupon.",
                                null=True,
                            ),
                        ),
                        (
                            "plans",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=80),
                                blank=True,
                                default=list,
                                help_text="Codes; empty: all.",
                            ),
                        ),
                        (
                            "prices",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=80),
                                blank=True,
                                default=list,
                                help_text="Codes; empty: all.",
                            ),
                        ),
                        ("is_active", models.BooleanField(default=True)),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="Plan",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="plan")),
                        ("code", models.CharField(max_length=80)),
                        ("name", models.CharField(max_length=200)),
                        (
                            "family",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Plans of one family can be changed into each other.",
                                max_length=80,
                            ),
                        ),
                        (
                            "interval_unit",
                            models.CharField(
                                choices=[
                                    ("day", "Day"),
                                    ("week", "Week"),
                                    ("month", "Month"),
                                    ("year", "Year"),
                                ],
                                default="month",
                                max_length=5,
                            ),
                        ),
                        (
                            "interval_count",
                            models.PositiveSmallIntegerField(
                                default=1,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(1000),
                                ],
                            ),
                        ),
                        (
                            "trial_days",
                            models.PositiveSmallIntegerField(
                                default=0,
                                validators=[django.core.validators.MaxValueValidator(3650)],
                            ),
                        ),
                        ("is_trial_usage_billed", models.BooleanField(default=False)),
                        (
                            "cycles",
                            models.PositiveSmallIntegerField(
                                blank=True,
                                help_text="A fixed term that ends after so many whole periods.",
                                null=True,
                            ),
                        ),
                        (
                            "features",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.SlugField(db_index=False, max_length=80),
                                blank=True,
                                db_default=[],
                                default=list,
                                help_text="Codes of what its customers may use, such as reports, separated by commas.",
                            ),
                        ),
                        (
                            "is_active",
                            models.BooleanField(
                                default=True, help_text="Offered to new subscriptions."
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="PlanEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        (
                            "public_id",
                            billing.base.public_ids.PublicIdField(prefix="plan", unique=False),
                        ),
                        ("code", models.CharField(max_length=80)),
                        ("name", models.CharField(max_length=200)),
                        (
                            "family",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Plans of one family can be changed into each other.",
                                max_length=80,
                            ),
                        ),
                        (
                            "interval_unit",
                            models.CharField(
                                choices=[
                                    ("day", "Day"),
                                    ("week", "Week"),
                                    ("month", "Month"),
                                    ("year", "Year"),
                                ],
                                default="month",
                                max_length=5,
                            ),
                        ),
                        (
                            "interval_count",
                            models.PositiveSmallIntegerField(
                                default=1,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(1000),
                                ],
                            ),
                        ),
                        (
                            "trial_days",
                            models.PositiveSmallIntegerField(
                                default=0,
                                validators=[django.core.validators.MaxValueValidator(3650)],
                            ),
                        ),
                        ("is_trial_usage_billed", models.BooleanField(default=False)),
                        (
                            "cycles",
                            models.PositiveSmallIntegerField(
                                blank=True,
                                help_text="A fixed term that ends after so many whole periods.",
                                null=True,
                            ),
                        ),
                        (
                            "features",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.SlugField(db_index=False, max_length=80),
                                blank=True,
                                db_default=[],
                                default=list,
                                help_text="Codes of what its customers may use, such as reports, separated by commas.",
                            ),
                        ),
                        (
                            "is_active",
                            models.BooleanField(
                                default=True, help_text="Offered to new subscriptions."
                            ),
                        ),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="Price",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="price")),
                        ("code", models.CharField(max_length=80)),
                        ("name", models.CharField(blank=True, default="", max_length=200)),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                max_length=3, validators=[customers.models.validate_currency]
                            ),
                        ),
                        ("position", models.PositiveSmallIntegerField(default=0)),
                        (
                            "model",
                            models.CharField(
                                choices=[
                                    ("flat", "Flat"),
                                    ("per_unit", "Per Unit"),
                                    ("graduated", "Graduated"),
                                    ("volume", "Volume"),
                                    ("package", "Package"),
                                    ("percentage", "Percentage"),
                                    ("graduated_percentage", "Graduated Percentage"),
                                ],
                                default="flat",
                                max_length=20,
                            ),
                        ),
                        (
                            "billing",
                            models.CharField(
                                choices=[
                                    ("in_advance", "In Advance"),
                                    ("in_arrears", "In Arrears"),
                                    ("once", "Once"),
                                ],
                                default="in_advance",
                                max_length=10,
                            ),
                        ),
                        (
                            "amount",
                            catalog.models.AmountField(
                                decimal_places=10, default=Decimal("0"), max_digits=24
                            ),
                        ),
                        (
                            "tiers",
                            models.JSONField(
                                blank=True,
                                default=list,
                                help_text="[{up_to, unit_amount, flat_amount, rate}], strings.",
                            ),
                        ),
                        (
                            "meter",
                            models.CharField(
                                blank=True, default="", help_text="A meter's code.", max_length=80
                            ),
                        ),
                        (
                            "quantity",
                            catalog.models.AmountField(
                                decimal_places=10,
                                default=Decimal("1"),
                                max_digits=24,
                                validators=[django.core.validators.MinValueValidator(0)],
                            ),
                        ),
                        (
                            "package_size",
                            catalog.models.AmountField(
                                decimal_places=10, default=Decimal("1"), max_digits=24
                            ),
                        ),
                        (
                            "free_units",
                            catalog.models.AmountField(
                                decimal_places=10, default=Decimal("0"), max_digits=24
                            ),
                        ),
                        (
                            "rate",
                            catalog.models.AmountField(
                                decimal_places=10,
                                default=Decimal("0"),
                                help_text="Percent.",
                                max_digits=24,
                            ),
                        ),
                        (
                            "fixed_amount",
                            catalog.models.AmountField(
                                decimal_places=10,
                                default=Decimal("0"),
                                help_text="For each event.",
                                max_digits=24,
                            ),
                        ),
                        ("free_events", models.PositiveIntegerField(blank=True, null=True)),
                        (
                            "free_value",
                            catalog.models.AmountField(
                                blank=True, decimal_places=10, max_digits=24, null=True
                            ),
                        ),
                        (
                            "event_minimum",
                            catalog.models.AmountField(
                                blank=True, decimal_places=10, max_digits=24, null=True
                            ),
                        ),
                        (
                            "event_maximum",
                            catalog.models.AmountField(
                                blank=True, decimal_places=10, max_digits=24, null=True
                            ),
                        ),
                        (
                            "minimum_amount",
                            catalog.models.AmountField(
                                blank=True,
                                decimal_places=10,
                                help_text="For each period.",
                                max_digits=24,
                                null=True,
                            ),
                        ),
                        ("is_prorated", models.BooleanField(default=True)),
                        (
                            "is_tax_inclusive",
                            models.BooleanField(
                                default=False,
                                help_text="With rates of the rate table: the price includes the tax.",
                            ),
                        ),
                        (
                            "tax",
                            models.JSONField(
                                blank=True, help_text="As on the seller, for this price.", null=True
                            ),
                        ),
                        ("is_used", models.BooleanField(default=False, editable=False)),
                        (
                            "is_active",
                            models.BooleanField(
                                default=True, help_text="Offered to new subscriptions."
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["plan", "position", "id"],
                    },
                ),
                migrations.CreateModel(
                    name="PriceEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        (
                            "public_id",
                            billing.base.public_ids.PublicIdField(prefix="price", unique=False),
                        ),
                        ("code", models.CharField(max_length=80)),
                        ("name", models.CharField(blank=True, default="", max_length=200)),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                max_length=3, validators=[customers.models.validate_currency]
                            ),
                        ),
                        ("position", models.PositiveSmallIntegerField(default=0)),
                        (
                            "model",
                            models.CharField(
                                choices=[
                                    ("flat", "Flat"),
                                    ("per_unit", "Per Unit"),
                                    ("graduated", "Graduated"),
                                    ("volume", "Volume"),
                                    ("package", "Package"),
                                    ("percentage", "Percentage"),
                                    ("graduated_percentage", "Graduated Percentage"),
                                ],
                                default="flat",
                                max_length=20,
                            ),
                        ),
                        (
                            "billing",
                            models.CharField(
                                choices=[
                                    ("in_advance", "In Advance"),
                                    ("in_arrears", "In Arrears"),
                                    ("once", "Once"),
                                ],
                                default="in_advance",
                                max_length=10,
                            ),
                        ),
                        (
                            "amount",
                            catalog.models.AmountField(
                                decimal_places=10, default=Decimal("0"), max_digits=24
                            ),
                        ),
                        (
                            "tiers",
                            models.JSONField(
                                blank=True,
                                default=list,
                                help_text="[{up_to, unit_amount, flat_amount, rate}], strings.",
                            ),
                        ),
                        (
                            "meter",
                            models.CharField(
                                blank=True, default="", help_text="A meter's code.", max_length=80
                            ),
                        ),
                        (
                            "quantity",
                            catalog.models.AmountField(
                                decimal_places=10,
                                default=Decimal("1"),
                                max_digits=24,
                                validators=[django.core.validators.MinValueValidator(0)],
                            ),
                        ),
                        (
                            "package_size",
                            catalog.models.AmountField(
                                decimal_places=10, default=Decimal("1"), max_digits=24
                            ),
                        ),
                        (
                            "free_units",
                            catalog.models.AmountField(
                                decimal_places=10, default=Decimal("0"), max_digits=24
                            ),
                        ),
                        (
                            "rate",
                            catalog.models.AmountField(
                                decimal_places=10,
                                default=Decimal("0"),
                                help_text="Percent.",
                                max_digits=24,
                            ),
                        ),
                        (
                            "fixed_amount",
                            catalog.models.AmountField(
                                decimal_places=10,
                                default=Decimal("0"),
                                help_text="For each event.",
                                max_digits=24,
                            ),
                        ),
                        ("free_events", models.PositiveIntegerField(blank=True, null=True)),
                        (
                            "free_value",
                            catalog.models.AmountField(
                                blank=True, decimal_places=10, max_digits=24, null=True
                            ),
                        ),
                        (
                            "event_minimum",
                            catalog.models.AmountField(
                                blank=True, decimal_places=10, max_digits=24, null=True
                            ),
                        ),
                        (
                            "event_maximum",
                            catalog.models.AmountField(
                                blank=True, decimal_places=10, max_digits=24, null=True
                            ),
                        ),
                        (
                            "minimum_amount",
                            catalog.models.AmountField(
                                blank=True,
                                decimal_places=10,
                                help_text="For each period.",
                                max_digits=24,
                                null=True,
                            ),
                        ),
                        ("is_prorated", models.BooleanField(default=True)),
                        (
                            "is_tax_inclusive",
                            models.BooleanField(
                                default=False,
                                help_text="With rates of the rate table: the price includes the tax.",
                            ),
                        ),
                        (
                            "tax",
                            models.JSONField(
                                blank=True, help_text="As on the seller, for this price.", null=True
                            ),
                        ),
                        ("is_used", models.BooleanField(default=False, editable=False)),
                        (
                            "is_active",
                            models.BooleanField(
                                default=True, help_text="Offered to new subscriptions."
                            ),
                        ),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="Product",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="prod")),
                        ("name", models.CharField(max_length=200)),
                        ("description", models.TextField(blank=True, default="")),
                        (
                            "tax_category",
                            models.CharField(
                                default="standard",
                                help_text="A category of the rate table.",
                                max_length=20,
                            ),
                        ),
                        (
                            "supply",
                            models.CharField(
                                choices=[
                                    ("digital", "digital service"),
                                    ("service", "other service"),
                                    ("goods", "Goods"),
                                ],
                                db_default="digital",
                                default="digital",
                                help_text="Decides in which country a buyer abroad is taxed.",
                                max_length=7,
                            ),
                        ),
                        (
                            "revenue_account",
                            models.CharField(
                                default="3041",
                                help_text="The bookkeeping account of its revenue.",
                                max_length=20,
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="ProductEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        (
                            "public_id",
                            billing.base.public_ids.PublicIdField(prefix="prod", unique=False),
                        ),
                        ("name", models.CharField(max_length=200)),
                        ("description", models.TextField(blank=True, default="")),
                        (
                            "tax_category",
                            models.CharField(
                                default="standard",
                                help_text="A category of the rate table.",
                                max_length=20,
                            ),
                        ),
                        (
                            "supply",
                            models.CharField(
                                choices=[
                                    ("digital", "digital service"),
                                    ("service", "other service"),
                                    ("goods", "Goods"),
                                ],
                                db_default="digital",
                                default="digital",
                                help_text="Decides in which country a buyer abroad is taxed.",
                                max_length=7,
                            ),
                        ),
                        (
                            "revenue_account",
                            models.CharField(
                                default="3041",
                                help_text="The bookkeeping account of its revenue.",
                                max_length=20,
                            ),
                        ),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
            ]
        ),
    ]
