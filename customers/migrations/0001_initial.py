import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django_countries.fields
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import billing.base.public_ids
import customers.models
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("billing", "0001_extensions_and_cache"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="Customer",
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
                        ("address_line1", models.CharField(blank=True, default="", max_length=200)),
                        ("address_line2", models.CharField(blank=True, default="", max_length=200)),
                        ("postal_code", models.CharField(blank=True, default="", max_length=20)),
                        ("city", models.CharField(blank=True, default="", max_length=100)),
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="cus")),
                        (
                            "external_id",
                            models.CharField(
                                blank=True,
                                help_text="The shop's own id, unique for a seller.",
                                max_length=100,
                                null=True,
                            ),
                        ),
                        ("name", models.CharField(max_length=200)),
                        ("email", models.EmailField(blank=True, default="", max_length=254)),
                        ("is_business", models.BooleanField(default=False)),
                        (
                            "country",
                            django_countries.fields.CountryField(default="SE", max_length=2),
                        ),
                        (
                            "language",
                            models.CharField(
                                choices=[("en", "English"), ("sv", "Svenska")],
                                default="en",
                                max_length=5,
                            ),
                        ),
                        ("vat_number", models.CharField(blank=True, default="", max_length=20)),
                        (
                            "organisation_number",
                            models.CharField(blank=True, default="", max_length=30),
                        ),
                        (
                            "business_evidence",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="Outside the EU, where no number shows that this is a business: what does, such as a certificate of its tax authority, and when it was seen.",
                                max_length=200,
                            ),
                        ),
                        (
                            "net_terms_days",
                            models.PositiveSmallIntegerField(
                                default=14,
                                help_text="Days from the invoice's date to its due date.",
                            ),
                        ),
                        (
                            "collection",
                            models.CharField(
                                choices=[
                                    ("invoice", "pays the invoice"),
                                    ("automatic", "we charge the payment method"),
                                ],
                                default="invoice",
                                max_length=10,
                            ),
                        ),
                        (
                            "delivery",
                            models.CharField(
                                choices=[("email", "by mail with PDF"), ("print", "printed")],
                                default="email",
                                max_length=10,
                            ),
                        ),
                        (
                            "is_consolidated",
                            models.BooleanField(
                                default=True,
                                help_text="One document for all subscriptions, or one for each.",
                            ),
                        ),
                        (
                            "tax",
                            models.JSONField(
                                blank=True,
                                help_text="As on the seller, for this customer.",
                                null=True,
                            ),
                        ),
                        ("metadata", models.JSONField(blank=True, default=dict)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Seller",
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
                        ("address_line1", models.CharField(blank=True, default="", max_length=200)),
                        ("address_line2", models.CharField(blank=True, default="", max_length=200)),
                        ("postal_code", models.CharField(blank=True, default="", max_length=20)),
                        ("city", models.CharField(blank=True, default="", max_length=100)),
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="sel")),
                        (
                            "name",
                            models.CharField(
                                help_text="The brand, as customers know it.", max_length=200
                            ),
                        ),
                        ("legal_name", models.CharField(blank=True, default="", max_length=200)),
                        (
                            "is_live",
                            models.BooleanField(
                                default=False,
                                help_text="Live sellers issue legal documents. This cannot be changed later.",
                            ),
                        ),
                        (
                            "country",
                            django_countries.fields.CountryField(default="SE", max_length=2),
                        ),
                        (
                            "seat",
                            models.CharField(
                                blank=True, default="", help_text="Registered seat.", max_length=100
                            ),
                        ),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                default="SEK",
                                help_text="The currency of the books.",
                                max_length=3,
                                validators=[customers.models.validate_currency],
                            ),
                        ),
                        (
                            "time_zone",
                            models.CharField(
                                default="Europe/Stockholm",
                                max_length=50,
                                validators=[customers.models.validate_time_zone],
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
                        (
                            "organisation_number",
                            models.CharField(blank=True, default="", max_length=30),
                        ),
                        ("vat_number", models.CharField(blank=True, default="", max_length=20)),
                        (
                            "has_f_tax",
                            models.BooleanField(
                                default=False, help_text="Approved for Swedish F-tax."
                            ),
                        ),
                        ("email", models.EmailField(blank=True, default="", max_length=254)),
                        ("phone", models.CharField(blank=True, default="", max_length=40)),
                        ("website", models.URLField(blank=True, default="")),
                        ("bankgiro", models.CharField(blank=True, default="", max_length=20)),
                        ("plusgiro", models.CharField(blank=True, default="", max_length=20)),
                        ("iban", models.CharField(blank=True, default="", max_length=40)),
                        ("bic", models.CharField(blank=True, default="", max_length=11)),
                        ("logo", models.ImageField(blank=True, default="", upload_to="logos")),
                        (
                            "accent_color",
                            models.CharField(
                                default="#14171f",
                                max_length=7,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^#[0-9a-fA-F]{6}$", "Write a colour such as #1d5fbf."
                                    )
                                ],
                            ),
                        ),
                        (
                            "rounding",
                            models.CharField(
                                choices=[
                                    ("none", "to the smallest unit"),
                                    ("whole", "to the whole unit, with a rounding line"),
                                ],
                                default="none",
                                max_length=10,
                            ),
                        ),
                        (
                            "rounding_tolerance_minor",
                            models.PositiveIntegerField(
                                db_default=100,
                                default=100,
                                help_text="In öre, cents or the like: an invoice that is paid but for so little counts as paid, and the difference as rounding. 0: every difference stays owed.",
                                validators=[django.core.validators.MaxValueValidator(10000)],
                            ),
                        ),
                        (
                            "tax",
                            models.JSONField(
                                blank=True,
                                help_text="Rates on everything sold, such as [{'category': 'S', 'rate': '25'}]; an empty list for none; leave empty to take them from the rate table.",
                                null=True,
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
                    name="SellerEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        ("address_line1", models.CharField(blank=True, default="", max_length=200)),
                        ("address_line2", models.CharField(blank=True, default="", max_length=200)),
                        ("postal_code", models.CharField(blank=True, default="", max_length=20)),
                        ("city", models.CharField(blank=True, default="", max_length=100)),
                        (
                            "public_id",
                            billing.base.public_ids.PublicIdField(prefix="sel", unique=False),
                        ),
                        (
                            "name",
                            models.CharField(
                                help_text="The brand, as customers know it.", max_length=200
                            ),
                        ),
                        ("legal_name", models.CharField(blank=True, default="", max_length=200)),
                        (
                            "is_live",
                            models.BooleanField(
                                default=False,
                                help_text="Live sellers issue legal documents. This cannot be changed later.",
                            ),
                        ),
                        (
                            "country",
                            django_countries.fields.CountryField(default="SE", max_length=2),
                        ),
                        (
                            "seat",
                            models.CharField(
                                blank=True, default="", help_text="Registered seat.", max_length=100
                            ),
                        ),
                        (
                            "currency",
                            customers.models.CurrencyField(
                                default="SEK",
                                help_text="The currency of the books.",
                                max_length=3,
                                validators=[customers.models.validate_currency],
                            ),
                        ),
                        (
                            "time_zone",
                            models.CharField(
                                default="Europe/Stockholm",
                                max_length=50,
                                validators=[customers.models.validate_time_zone],
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
                        (
                            "organisation_number",
                            models.CharField(blank=True, default="", max_length=30),
                        ),
                        ("vat_number", models.CharField(blank=True, default="", max_length=20)),
                        (
                            "has_f_tax",
                            models.BooleanField(
                                default=False, help_text="Approved for Swedish F-tax."
                            ),
                        ),
                        ("email", models.EmailField(blank=True, default="", max_length=254)),
                        ("phone", models.CharField(blank=True, default="", max_length=40)),
                        ("website", models.URLField(blank=True, default="")),
                        ("bankgiro", models.CharField(blank=True, default="", max_length=20)),
                        ("plusgiro", models.CharField(blank=True, default="", max_length=20)),
                        ("iban", models.CharField(blank=True, default="", max_length=40)),
                        ("bic", models.CharField(blank=True, default="", max_length=11)),
                        ("logo", models.ImageField(blank=True, default="", upload_to="logos")),
                        (
                            "accent_color",
                            models.CharField(
                                default="#14171f",
                                max_length=7,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^#[0-9a-fA-F]{6}$", "Write a colour such as #1d5fbf."
                                    )
                                ],
                            ),
                        ),
                        (
                            "rounding",
                            models.CharField(
                                choices=[
                                    ("none", "to the smallest unit"),
                                    ("whole", "to the whole unit, with a rounding line"),
                                ],
                                default="none",
                                max_length=10,
                            ),
                        ),
                        (
                            "rounding_tolerance_minor",
                            models.PositiveIntegerField(
                                db_default=100,
                                default=100,
                                help_text="In öre, cents or the like: an invoice that is paid but for so little counts as paid, and the difference as rounding. 0: every difference stays owed.",
                                validators=[django.core.validators.MaxValueValidator(10000)],
                            ),
                        ),
                        (
                            "tax",
                            models.JSONField(
                                blank=True,
                                help_text="Rates on everything sold, such as [{'category': 'S', 'rate': '25'}]; an empty list for none; leave empty to take them from the rate table.",
                                null=True,
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
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="TestClock",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="clk")),
                        ("at", models.DateTimeField(help_text="What time it is for the seller.")),
                        (
                            "advancing_to",
                            models.DateTimeField(
                                blank=True,
                                help_text="While days are being played: where it will stop.",
                                null=True,
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
                        "verbose_name": "test clock",
                    },
                ),
                migrations.CreateModel(
                    name="AccessLink",
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
                            "purpose",
                            models.CharField(
                                choices=[
                                    ("sign_in", "signs in, mailed"),
                                    ("portal", "signs in, given by the shop"),
                                    ("pay", "pays an invoice"),
                                    ("method", "changes the payment method"),
                                    ("subscription", "looks after a subscription"),
                                ],
                                max_length=12,
                            ),
                        ),
                        (
                            "subject",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Public id of what it is for.",
                                max_length=40,
                            ),
                        ),
                        ("return_url", models.URLField(blank=True, default="", max_length=2000)),
                        ("token_hash", models.CharField(max_length=64, unique=True)),
                        ("expires_at", models.DateTimeField(db_index=True)),
                        ("used_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        (
                            "customer",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="access_links",
                                to="customers.customer",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="CustomerEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        ("address_line1", models.CharField(blank=True, default="", max_length=200)),
                        ("address_line2", models.CharField(blank=True, default="", max_length=200)),
                        ("postal_code", models.CharField(blank=True, default="", max_length=20)),
                        ("city", models.CharField(blank=True, default="", max_length=100)),
                        (
                            "public_id",
                            billing.base.public_ids.PublicIdField(prefix="cus", unique=False),
                        ),
                        (
                            "external_id",
                            models.CharField(
                                blank=True,
                                help_text="The shop's own id, unique for a seller.",
                                max_length=100,
                                null=True,
                            ),
                        ),
                        ("name", models.CharField(max_length=200)),
                        ("email", models.EmailField(blank=True, default="", max_length=254)),
                        ("is_business", models.BooleanField(default=False)),
                        (
                            "country",
                            django_countries.fields.CountryField(default="SE", max_length=2),
                        ),
                        (
                            "language",
                            models.CharField(
                                choices=[("en", "English"), ("sv", "Svenska")],
                                default="en",
                                max_length=5,
                            ),
                        ),
                        ("vat_number", models.CharField(blank=True, default="", max_length=20)),
                        (
                            "organisation_number",
                            models.CharField(blank=True, default="", max_length=30),
                        ),
                        (
                            "business_evidence",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="Outside the EU, where no number shows that this is a business: what does, such as a certificate of its tax authority, and when it was seen.",
                                max_length=200,
                            ),
                        ),
                        (
                            "net_terms_days",
                            models.PositiveSmallIntegerField(
                                default=14,
                                help_text="Days from the invoice's date to its due date.",
                            ),
                        ),
                        (
                            "collection",
                            models.CharField(
                                choices=[
                                    ("invoice", "pays the invoice"),
                                    ("automatic", "we charge the payment method"),
                                ],
                                default="invoice",
                                max_length=10,
                            ),
                        ),
                        (
                            "delivery",
                            models.CharField(
                                choices=[("email", "by mail with PDF"), ("print", "printed")],
                                default="email",
                                max_length=10,
                            ),
                        ),
                        (
                            "is_consolidated",
                            models.BooleanField(
                                default=True,
                                help_text="One document for all subscriptions, or one for each.",
                            ),
                        ),
                        (
                            "tax",
                            models.JSONField(
                                blank=True,
                                help_text="As on the seller, for this customer.",
                                null=True,
                            ),
                        ),
                        ("metadata", models.JSONField(blank=True, default=dict)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
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
                                to="customers.customer",
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
            ]
        ),
        AtOnce(
            [
                migrations.AddField(
                    model_name="customer",
                    name="seller",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="customers",
                        to="customers.seller",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="seller",
                    trigger=pgtrigger.compiler.Trigger(
                        name="seller_mode_is_never_changed",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."is_live" IS DISTINCT FROM (NEW."is_live"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="6ae97b741a9afc58cc2d0bfb4cc67c53d1e4938e",
                            operation="UPDATE",
                            pgid="pgtrigger_seller_mode_is_never_changed_7f71c",
                            table="customers_seller",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="seller",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "customers_sellerevent" ("accent_color", "address_line1", "address_line2", "bankgiro", "bic", "city", "country", "currency", "email", "has_f_tax", "iban", "id", "is_live", "language", "legal_name", "logo", "name", "organisation_number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "phone", "plusgiro", "postal_code", "public_id", "recorded_at", "rounding", "rounding_tolerance_minor", "seat", "tax", "time_zone", "vat_number", "website") VALUES (NEW."accent_color", NEW."address_line1", NEW."address_line2", NEW."bankgiro", NEW."bic", NEW."city", NEW."country", NEW."currency", NEW."email", NEW."has_f_tax", NEW."iban", NEW."id", NEW."is_live", NEW."language", NEW."legal_name", NEW."logo", NEW."name", NEW."organisation_number", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."phone", NEW."plusgiro", NEW."postal_code", NEW."public_id", NEW."recorded_at", NEW."rounding", NEW."rounding_tolerance_minor", NEW."seat", NEW."tax", NEW."time_zone", NEW."vat_number", NEW."website"); RETURN NULL;',
                            hash="631552fc053fc413c596404be4a7c486b7216f31",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_8ab7f",
                            table="customers_seller",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="seller",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "customers_sellerevent" ("accent_color", "address_line1", "address_line2", "bankgiro", "bic", "city", "country", "currency", "email", "has_f_tax", "iban", "id", "is_live", "language", "legal_name", "logo", "name", "organisation_number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "phone", "plusgiro", "postal_code", "public_id", "recorded_at", "rounding", "rounding_tolerance_minor", "seat", "tax", "time_zone", "vat_number", "website") VALUES (NEW."accent_color", NEW."address_line1", NEW."address_line2", NEW."bankgiro", NEW."bic", NEW."city", NEW."country", NEW."currency", NEW."email", NEW."has_f_tax", NEW."iban", NEW."id", NEW."is_live", NEW."language", NEW."legal_name", NEW."logo", NEW."name", NEW."organisation_number", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."phone", NEW."plusgiro", NEW."postal_code", NEW."public_id", NEW."recorded_at", NEW."rounding", NEW."rounding_tolerance_minor", NEW."seat", NEW."tax", NEW."time_zone", NEW."vat_number", NEW."website"); RETURN NULL;',
                            hash="629437d828e0989d8e2e3128a728b6d4dabdab28",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_d5ccf",
                            table="customers_seller",
                            when="AFTER",
                        ),
                    ),
                ),
                migrations.AddField(
                    model_name="sellerevent",
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
                    model_name="sellerevent",
                    name="pgh_obj",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="testclock",
                    name="seller",
                    field=models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="test_clock",
                        to="customers.seller",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="customerevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="67bbcdaa8b0ad9058ebdd1abf75818e71639ffeb",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_92226",
                            table="customers_customerevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="customer",
                    index=models.Index(fields=["email"], name="customer_email"),
                ),
                migrations.AddIndex(
                    model_name="customer",
                    index=models.Index(
                        django.db.models.functions.text.Upper("email"),
                        name="customer_email_in_any_case",
                    ),
                ),
                migrations.AddIndex(
                    model_name="customer",
                    index=models.Index(
                        models.F("seller"),
                        django.db.models.functions.text.Lower(
                            models.Func(
                                models.F("email"),
                                models.Value("\\+[^@]*@"),
                                models.Value("@"),
                                function="regexp_replace",
                                output_field=models.CharField(),
                            )
                        ),
                        name="customer_of_a_person",
                    ),
                ),
                migrations.AddIndex(
                    model_name="customer",
                    index=django.contrib.postgres.indexes.GinIndex(
                        django.contrib.postgres.indexes.OpClass(
                            django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                        ),
                        django.contrib.postgres.indexes.OpClass(
                            django.db.models.functions.text.Upper("email"), name="gin_trgm_ops"
                        ),
                        django.contrib.postgres.indexes.OpClass(
                            django.db.models.functions.text.Upper("organisation_number"),
                            name="gin_trgm_ops",
                        ),
                        name="customer_by_name_or_email",
                    ),
                ),
                migrations.AddIndex(
                    model_name="customer",
                    index=models.Index(fields=["external_id"], name="customer_by_external_id"),
                ),
                migrations.AddConstraint(
                    model_name="customer",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "external_id"), name="customer_external_id_is_unique"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="customer",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "customers_customerevent" ("address_line1", "address_line2", "business_evidence", "city", "collection", "country", "delivery", "email", "external_id", "id", "is_business", "is_consolidated", "language", "metadata", "name", "net_terms_days", "organisation_number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "postal_code", "public_id", "recorded_at", "seller_id", "tax", "vat_number") SELECT new_values."address_line1", new_values."address_line2", new_values."business_evidence", new_values."city", new_values."collection", new_values."country", new_values."delivery", new_values."email", new_values."external_id", new_values."id", new_values."is_business", new_values."is_consolidated", new_values."language", new_values."metadata", new_values."name", new_values."net_terms_days", new_values."organisation_number", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."postal_code", new_values."public_id", new_values."recorded_at", new_values."seller_id", new_values."tax", new_values."vat_number" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;',
                            hash="935c763c65c2b09cc76de48201a16d0b85fa5f18",
                            level="STATEMENT",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_a36e0",
                            referencing="REFERENCING NEW TABLE AS new_values ",
                            table="customers_customer",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="customer",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "customers_customerevent" ("address_line1", "address_line2", "business_evidence", "city", "collection", "country", "delivery", "email", "external_id", "id", "is_business", "is_consolidated", "language", "metadata", "name", "net_terms_days", "organisation_number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "postal_code", "public_id", "recorded_at", "seller_id", "tax", "vat_number") VALUES (NEW."address_line1", NEW."address_line2", NEW."business_evidence", NEW."city", NEW."collection", NEW."country", NEW."delivery", NEW."email", NEW."external_id", NEW."id", NEW."is_business", NEW."is_consolidated", NEW."language", NEW."metadata", NEW."name", NEW."net_terms_days", NEW."organisation_number", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."postal_code", NEW."public_id", NEW."recorded_at", NEW."seller_id", NEW."tax", NEW."vat_number"); RETURN NULL;',
                            hash="fbf734d9f69da73fe3bcaa8503c617ab44983ca8",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_ca86d",
                            table="customers_customer",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="sellerevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="9834b1872ae6a6750faed2c6b36a7c6510522ce6",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_ebc67",
                            table="customers_sellerevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="testclock",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("advancing_to", None),
                            ("advancing_to__gte", models.F("at")),
                            _connector="OR",
                        ),
                        name="test_clock_advances_to_later",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="testclock",
                    trigger=pgtrigger.compiler.Trigger(
                        name="test_clock_is_of_a_test_seller",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n    IF EXISTS (SELECT FROM customers_seller WHERE id = NEW.seller_id AND is_live) THEN\n        RAISE EXCEPTION 'seller % is live: its time is not ours to move', NEW.seller_id;\n    END IF;\n    RETURN NEW;\n",
                            hash="1f4add112a29273d1edfb43e3cdedcbfd724c749",
                            operation='INSERT OR UPDATE OF "seller_id"',
                            pgid="pgtrigger_test_clock_is_of_a_test_seller_9aefb",
                            table="customers_testclock",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="testclock",
                    trigger=pgtrigger.compiler.Trigger(
                        name="test_clock_never_goes_back",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (NEW."at" < (OLD."at"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="4efcdcd566e500cc7869369b4abb5e00489b20b6",
                            operation="UPDATE",
                            pgid="pgtrigger_test_clock_never_goes_back_7f730",
                            table="customers_testclock",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
