import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import catalog.models
import customers.models
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
    ]

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="Account",
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
                            "role",
                            models.CharField(
                                choices=[
                                    ("receivable", "Receivable"),
                                    ("deferred_revenue", "Deferred Revenue"),
                                    ("revenue", "Revenue"),
                                    ("vat", "Vat"),
                                    ("clearing", "Clearing"),
                                    ("customer_balance", "Customer Balance"),
                                    ("bad_debt", "Bad Debt"),
                                    ("rounding", "Rounding"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("number", models.CharField(max_length=20)),
                        ("name", models.CharField(max_length=100)),
                        (
                            "country",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="Of a VAT account: the country whose VAT it is for; empty: the seller's own.",
                                max_length=2,
                            ),
                        ),
                        (
                            "percent",
                            models.DecimalField(
                                blank=True,
                                decimal_places=4,
                                help_text="Of a VAT account: the rate that it is for; empty: every other.",
                                max_digits=7,
                                null=True,
                            ),
                        ),
                        (
                            "recognized_until",
                            models.DateField(
                                editable=False,
                                help_text="Of deferred revenue: what the months before this day have earned is posted.",
                                null=True,
                            ),
                        ),
                        (
                            "seller",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="accounts",
                                to="customers.seller",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["number"],
                    },
                ),
                migrations.CreateModel(
                    name="Transfer",
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
                        ("amount_minor", models.BigIntegerField()),
                        (
                            "book_amount_minor",
                            models.BigIntegerField(
                                help_text="In the seller's book currency; empty while no rate is known.",
                                null=True,
                            ),
                        ),
                        (
                            "book_rate",
                            catalog.models.AmountField(
                                decimal_places=10,
                                help_text="Book currency for one unit of the currency.",
                                max_digits=24,
                                null=True,
                            ),
                        ),
                        ("effective_on", models.DateField()),
                        (
                            "document",
                            models.CharField(
                                choices=[
                                    ("invoice", "Invoice"),
                                    ("payment", "Payment"),
                                    ("refund", "Refund"),
                                    ("balance", "Balance"),
                                    ("recognition", "Recognition"),
                                    ("loss", "Loss"),
                                    ("rounding", "Rounding"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("document_id", models.BigIntegerField(db_index=True)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        (
                            "credit_account",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="credits",
                                to="ledger.account",
                            ),
                        ),
                        (
                            "customer",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="customers.customer",
                            ),
                        ),
                        (
                            "debit_account",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="debits",
                                to="ledger.account",
                            ),
                        ),
                        (
                            "seller",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="customers.seller",
                            ),
                        ),
                    ],
                ),
            ]
        ),
        AtOnce(
            [
                migrations.AddConstraint(
                    model_name="account",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("role", "revenue"), _negated=True),
                        fields=("seller", "role", "country", "percent"),
                        name="one_account_of_a_role",
                        nulls_distinct=False,
                        violation_error_message="There is an account for this already. Of VAT there may be one for each country and rate, of all else only one.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="account",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("role", "vat"),
                            models.Q(("country", ""), ("percent__isnull", True)),
                            _connector="OR",
                        ),
                        name="only_vat_is_by_country_and_rate",
                        violation_error_message="Only VAT accounts are for a country or a rate.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="account",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "role", "number"), name="account_is_unique_in_its_role"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="account",
                    trigger=pgtrigger.compiler.Trigger(
                        name="account_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="7d8cbe7eb1b6309e22642f728ef311bbca25bd78",
                            operation="DELETE",
                            pgid="pgtrigger_account_is_never_deleted_c3266",
                            table="ledger_account",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="transfer",
                    index=models.Index(
                        condition=models.Q(("document", "recognition")),
                        fields=["debit_account", "credit_account"],
                        name="transfer_of_recognition",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="transfer",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)), name="transfer_is_positive"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="transfer",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("debit_account", models.F("credit_account")), _negated=True
                        ),
                        name="transfer_is_between_two_accounts",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="transfer",
                    trigger=pgtrigger.compiler.Trigger(
                        name="transfer_refers_to_rows_that_exist",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE keys bigint[];",
                            func="\n            SELECT array_agg(DISTINCT seller_id) INTO keys FROM added WHERE seller_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM customers_seller WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'seller_id %: there is no such row in customers_seller',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM customers_seller target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transfer_refers_to_rows_that_exist';\n            END IF;\n        \n\n            SELECT array_agg(DISTINCT customer_id) INTO keys FROM added WHERE customer_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM customers_customer WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'customer_id %: there is no such row in customers_customer',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM customers_customer target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transfer_refers_to_rows_that_exist';\n            END IF;\n        \n\n            SELECT array_agg(DISTINCT debit_account_id) INTO keys FROM added WHERE debit_account_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM ledger_account WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'debit_account_id %: there is no such row in ledger_account',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM ledger_account target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transfer_refers_to_rows_that_exist';\n            END IF;\n        \n\n            SELECT array_agg(DISTINCT credit_account_id) INTO keys FROM added WHERE credit_account_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM ledger_account WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'credit_account_id %: there is no such row in ledger_account',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM ledger_account target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transfer_refers_to_rows_that_exist';\n            END IF;\n        \nRETURN NULL;",
                            hash="32811563d34df9eb35c64f2b90cf5a045c3a77c6",
                            level="STATEMENT",
                            operation="INSERT",
                            pgid="pgtrigger_transfer_refers_to_rows_that_exist_aed5a",
                            referencing="REFERENCING NEW TABLE AS added ",
                            table="ledger_transfer",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="transfer",
                    trigger=pgtrigger.compiler.Trigger(
                        name="transfer_is_append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="b8bdad8216f34e9bbb1c6386be80c5a721afe9ee",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_transfer_is_append_only_606da",
                            table="ledger_transfer",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="transfer",
                    trigger=pgtrigger.compiler.Trigger(
                        name="transfers_are_never_truncated",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'transfers are append-only';",
                            hash="52727883442fadab661d321b3d71b584ac05fa53",
                            level="STATEMENT",
                            operation="TRUNCATE",
                            pgid="pgtrigger_transfers_are_never_truncated_25766",
                            table="ledger_transfer",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
