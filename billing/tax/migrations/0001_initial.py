import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.core.validators
import django.db.models.deletion
import django_countries.fields
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("billing", "0001_extensions_and_cache"),
        ("customers", "0001_initial"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="TaxRate",
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
                        ("country", django_countries.fields.CountryField(max_length=2)),
                        ("category", models.CharField(max_length=20)),
                        (
                            "percent",
                            models.DecimalField(
                                decimal_places=4,
                                max_digits=7,
                                validators=[
                                    django.core.validators.MinValueValidator(0),
                                    django.core.validators.MaxValueValidator(100),
                                ],
                            ),
                        ),
                        (
                            "valid_from",
                            models.DateField(
                                blank=True, help_text="Empty: since before we know.", null=True
                            ),
                        ),
                        (
                            "valid_until",
                            models.DateField(
                                blank=True,
                                help_text="The first day without it; empty: until further notice.",
                                null=True,
                            ),
                        ),
                        (
                            "is_default",
                            models.BooleanField(
                                default=True, help_text="Picked for its category; one at a time."
                            ),
                        ),
                        ("source", models.CharField(blank=True, default="", max_length=300)),
                        ("note", models.CharField(blank=True, default="", max_length=300)),
                    ],
                    options={
                        "ordering": ["country", "category", "valid_from"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("percent__gte", 0), ("percent__lte", 100)),
                                name="tax_rate_is_in_range",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("valid_from__isnull", True),
                                    ("valid_until__isnull", True),
                                    ("valid_until__gt", models.F("valid_from")),
                                    _connector="OR",
                                ),
                                name="tax_rate_holds_for_some_days",
                            ),
                            django.contrib.postgres.constraints.ExclusionConstraint(
                                condition=models.Q(("is_default", True)),
                                expressions=[
                                    ("country", "="),
                                    ("category", "="),
                                    (
                                        models.Func(
                                            models.F("valid_from"),
                                            models.F("valid_until"),
                                            models.Value("[)"),
                                            function="daterange",
                                            output_field=django.contrib.postgres.fields.ranges.DateRangeField(),
                                        ),
                                        "&&",
                                    ),
                                ],
                                name="one_default_tax_rate_at_a_time",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TaxRegistration",
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
                            "scheme",
                            models.CharField(
                                choices=[
                                    ("home", "at home"),
                                    ("oss", "union one-stop shop (OSS)"),
                                    ("local", "in another country"),
                                ],
                                default="home",
                                max_length=5,
                            ),
                        ),
                        (
                            "country",
                            django_countries.fields.CountryField(
                                default="SE",
                                help_text="Where it is registered; for the one-stop shop the seller's own country.",
                                max_length=2,
                            ),
                        ),
                        (
                            "number",
                            models.CharField(
                                help_text="As registered, such as SE556677889901.", max_length=20
                            ),
                        ),
                        ("valid_from", models.DateField()),
                        (
                            "valid_until",
                            models.DateField(
                                blank=True,
                                help_text="The first day without it; empty: until further notice.",
                                null=True,
                            ),
                        ),
                        (
                            "seller",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="tax_registrations",
                                to="customers.seller",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "VAT registration",
                        "ordering": ["seller", "scheme", "country", "valid_from"],
                    },
                ),
                migrations.CreateModel(
                    name="TaxRegistrationEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        (
                            "scheme",
                            models.CharField(
                                choices=[
                                    ("home", "at home"),
                                    ("oss", "union one-stop shop (OSS)"),
                                    ("local", "in another country"),
                                ],
                                default="home",
                                max_length=5,
                            ),
                        ),
                        (
                            "country",
                            django_countries.fields.CountryField(
                                default="SE",
                                help_text="Where it is registered; for the one-stop shop the seller's own country.",
                                max_length=2,
                            ),
                        ),
                        (
                            "number",
                            models.CharField(
                                help_text="As registered, such as SE556677889901.", max_length=20
                            ),
                        ),
                        ("valid_from", models.DateField()),
                        (
                            "valid_until",
                            models.DateField(
                                blank=True,
                                help_text="The first day without it; empty: until further notice.",
                                null=True,
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
                                to="tax.taxregistration",
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
                    name="VatNumberCheck",
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
                        ("number", models.CharField(max_length=20)),
                        ("asked_at", models.DateTimeField()),
                        (
                            "answer",
                            models.CharField(
                                choices=[
                                    ("valid", "Valid"),
                                    ("invalid", "Invalid"),
                                    ("unknown", "Unknown"),
                                ],
                                max_length=7,
                            ),
                        ),
                        (
                            "consultation_number",
                            models.CharField(blank=True, default="", max_length=40),
                        ),
                        (
                            "name",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Whose it is, as VIES tells it.",
                                max_length=300,
                            ),
                        ),
                        (
                            "problem",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Why the answer is unknown.",
                                max_length=60,
                            ),
                        ),
                        (
                            "seller",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="vat_number_checks",
                                to="customers.seller",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "VAT number check",
                        "ordering": ["-asked_at", "-id"],
                    },
                ),
            ]
        ),
        AtOnce(
            [
                migrations.AddConstraint(
                    model_name="taxregistration",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("number", ""), _negated=True),
                        name="tax_registration_has_a_number",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="taxregistration",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("valid_until__isnull", True),
                            ("valid_until__gt", models.F("valid_from")),
                            _connector="OR",
                        ),
                        name="tax_registration_holds_for_some_days",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="taxregistration",
                    constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[
                            ("seller", "="),
                            ("scheme", "="),
                            ("country", "="),
                            (
                                models.Func(
                                    models.F("valid_from"),
                                    models.F("valid_until"),
                                    models.Value("[)"),
                                    function="daterange",
                                    output_field=django.contrib.postgres.fields.ranges.DateRangeField(),
                                ),
                                "&&",
                            ),
                        ],
                        name="one_tax_registration_at_a_time",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="taxregistration",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "tax_taxregistrationevent" ("country", "id", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "scheme", "seller_id", "valid_from", "valid_until") VALUES (NEW."country", NEW."id", NEW."number", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."scheme", NEW."seller_id", NEW."valid_from", NEW."valid_until"); RETURN NULL;',
                            hash="e736b6527cf6a23870f15dede329595f1649ca32",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_fbb6b",
                            table="tax_taxregistration",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="taxregistration",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "tax_taxregistrationevent" ("country", "id", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "scheme", "seller_id", "valid_from", "valid_until") VALUES (NEW."country", NEW."id", NEW."number", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."scheme", NEW."seller_id", NEW."valid_from", NEW."valid_until"); RETURN NULL;',
                            hash="521a5dae9919626a0ddf3f07f02f41f51a092ed6",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_2ac30",
                            table="tax_taxregistration",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="taxregistrationevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="2f8c5d812ddeda4257bc945e0e1b8f41bb745c6e",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_c3dff",
                            table="tax_taxregistrationevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="vatnumbercheck",
                    index=models.Index(
                        fields=["seller", "number", "-asked_at"], name="vat_number_check_latest"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="vatnumbercheck",
                    trigger=pgtrigger.compiler.Trigger(
                        name="vat_number_check_is_append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="b951fab45f3299c660a963beae6aa53c1a45dda6",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_vat_number_check_is_append_only_b4348",
                            table="tax_vatnumbercheck",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
