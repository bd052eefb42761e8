import django.contrib.postgres.constraints
import django.db.models.deletion
import django.db.models.expressions
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
        ("invoicing", "0001_initial"),
        ("subscriptions", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="CreditNote",
            fields=[],
            options={
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("invoicing.invoice",),
        ),
        AtOnce(
            [
                migrations.AddField(
                    model_name="invoiceline",
                    name="subscription",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="subscriptions.subscription",
                    ),
                ),
                migrations.AddField(
                    model_name="customerbalance",
                    name="customer",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="balances",
                        to="customers.customer",
                    ),
                ),
                migrations.AddField(
                    model_name="invoiceline",
                    name="invoice",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="invoicing.invoice",
                    ),
                ),
                migrations.AddField(
                    model_name="invoice",
                    name="customer",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="documents",
                        to="customers.customer",
                    ),
                ),
                migrations.AddField(
                    model_name="invoice",
                    name="seller",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="documents",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="invoice",
                    name="subscription",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="documents",
                        to="subscriptions.subscription",
                    ),
                ),
                migrations.AddField(
                    model_name="balanceentry",
                    name="invoice",
                    field=models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="balance_entries",
                        to="invoicing.invoice",
                    ),
                ),
                migrations.AddField(
                    model_name="invoicetax",
                    name="invoice",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="taxes",
                        to="invoicing.invoice",
                    ),
                ),
                migrations.AddField(
                    model_name="letterhead",
                    name="seller",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="letterheads",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="invoice",
                    name="letterhead",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="invoicing.letterhead",
                    ),
                ),
                migrations.AddField(
                    model_name="numbergap",
                    name="seller",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="number_gaps",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="numberseries",
                    name="seller",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="number_series",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="oneoffitem",
                    name="customer",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="one_off_items",
                        to="customers.customer",
                    ),
                ),
                migrations.AddField(
                    model_name="oneoffitem",
                    name="line",
                    field=models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="one_off_item",
                        to="invoicing.invoiceline",
                    ),
                ),
                migrations.AddField(
                    model_name="oneoffitem",
                    name="reverses",
                    field=models.OneToOneField(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="taken_back_by",
                        to="invoicing.invoiceline",
                    ),
                ),
                migrations.AddField(
                    model_name="oneoffitem",
                    name="seller",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="one_off_items",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="oneoffitem",
                    name="subscription",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="one_off_items",
                        to="subscriptions.subscription",
                    ),
                ),
                migrations.AddField(
                    model_name="coverage",
                    name="again_for",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="subscriptions.subscriptionitem",
                    ),
                ),
                migrations.AddField(
                    model_name="coverage",
                    name="item",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="coverages",
                        to="subscriptions.subscriptionitem",
                    ),
                ),
                migrations.AddField(
                    model_name="coverage",
                    name="subscription",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="coverages",
                        to="subscriptions.subscription",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="customerbalance",
                    constraint=models.UniqueConstraint(
                        fields=("customer", "currency"),
                        name="customer_has_one_balance_in_a_currency",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="customerbalance",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("balance_minor__gte", 0)),
                        name="customer_balance_is_not_negative",
                    ),
                ),
                migrations.AddIndex(
                    model_name="invoiceline",
                    index=models.Index(
                        condition=models.Q(("corrects__isnull", False)),
                        fields=["corrects"],
                        name="line_corrects_another",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="invoiceline",
                    trigger=pgtrigger.compiler.Trigger(
                        name="line_refers_to_rows_that_exist",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE keys bigint[];",
                            func="\n            INSERT INTO events_promise (target, ids, guard)\n                SELECT 'invoicing_invoice',\n                    array_agg(DISTINCT invoice_id), 'line_refers_to_rows_that_exist'\n                FROM added HAVING count(*) > 0;\n        \n\n            SELECT array_agg(DISTINCT subscription_id) INTO keys FROM added WHERE subscription_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM subscriptions_subscription WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'subscription_id %: there is no such row in subscriptions_subscription',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM subscriptions_subscription target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'line_refers_to_rows_that_exist';\n            END IF;\n        \n\n            SELECT array_agg(DISTINCT price_id) INTO keys FROM added WHERE price_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM catalog_price WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'price_id %: there is no such row in catalog_price',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM catalog_price target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'line_refers_to_rows_that_exist';\n            END IF;\n        \nRETURN NULL;",
                            hash="89ca264345b7cc0c69564d5740497d476fab5765",
                            level="STATEMENT",
                            operation="INSERT",
                            pgid="pgtrigger_line_refers_to_rows_that_exist_3f318",
                            referencing="REFERENCING NEW TABLE AS added ",
                            table="invoicing_invoiceline",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="invoiceline",
                    trigger=pgtrigger.compiler.Trigger(
                        name="issued_line_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="ea096d05bb97ca0ecda2348f3c17acd4030f9867",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_issued_line_is_never_edited_70e6e",
                            table="invoicing_invoiceline",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="balanceentry",
                    trigger=pgtrigger.compiler.Trigger(
                        name="balance_entry_is_append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="7f2949e4886aa033e2eccf0cf0af1431185250f6",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_balance_entry_is_append_only_7c154",
                            table="invoicing_balanceentry",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="invoicetax",
                    trigger=pgtrigger.compiler.Trigger(
                        name="tax_refers_to_rows_that_exist",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE keys bigint[];",
                            func="\n            INSERT INTO events_promise (target, ids, guard)\n                SELECT 'invoicing_invoice',\n                    array_agg(DISTINCT invoice_id), 'tax_refers_to_rows_that_exist'\n                FROM added HAVING count(*) > 0;\n        \nRETURN NULL;",
                            hash="9e0b9e6a233dbfb586f84613fd0559084e667221",
                            level="STATEMENT",
                            operation="INSERT",
                            pgid="pgtrigger_tax_refers_to_rows_that_exist_c540e",
                            referencing="REFERENCING NEW TABLE AS added ",
                            table="invoicing_invoicetax",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="invoicetax",
                    trigger=pgtrigger.compiler.Trigger(
                        name="issued_tax_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="5505d2c5e739526d28efdcfc08256f7b9edee68c",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_issued_tax_is_never_edited_facd7",
                            table="invoicing_invoicetax",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="letterhead",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "digest"), name="letterhead_is_kept_once"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="letterhead",
                    trigger=pgtrigger.compiler.Trigger(
                        name="letterhead_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="48866fbdfce305b99fb128f6dd581e8cff00fa2d",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_letterhead_is_never_edited_70d09",
                            table="invoicing_letterhead",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="invoice",
                    index=models.Index(
                        condition=models.Q(("status", "open")),
                        fields=["seller", "due_on"],
                        name="invoice_is_open",
                    ),
                ),
                migrations.AddIndex(
                    model_name="invoice",
                    index=models.Index(
                        fields=["seller", "kind", "sequence"], name="document_by_series"
                    ),
                ),
                migrations.AddIndex(
                    model_name="invoice",
                    index=models.Index(
                        condition=models.Q(("reference", ""), _negated=True),
                        fields=["reference"],
                        name="invoice_by_reference",
                    ),
                ),
                migrations.AddIndex(
                    model_name="invoice",
                    index=models.Index(
                        condition=models.Q(("kind", "credit_note")),
                        fields=["id"],
                        name="credit_note_by_id",
                    ),
                ),
                migrations.AddIndex(
                    model_name="invoice",
                    index=models.Index(
                        condition=models.Q(
                            ("status__in", ["draft", "void", "uncollectible", "issued"])
                        ),
                        fields=["status", "id"],
                        name="document_of_a_rare_status",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="invoice",
                    constraint=models.UniqueConstraint(
                        fields=("number", "seller"), name="document_number_is_unique"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="invoice",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("number__isnull", True),
                                ("sequence__isnull", True),
                                ("status", "draft"),
                            ),
                            models.Q(
                                models.Q(("status", "draft"), _negated=True),
                                ("number__isnull", False),
                                ("sequence__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="issued_document_has_a_number",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="invoice",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "total_minor",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("net_minor"), "+", models.F("tax_minor")
                                    ),
                                    "+",
                                    models.F("rounding_minor"),
                                ),
                            )
                        ),
                        name="document_total_adds_up",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="invoice",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "amount_due_minor",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("total_minor"), "-", models.F("credit_applied_minor")
                                ),
                            )
                        ),
                        name="document_amount_due_adds_up",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="invoice",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("total_minor__gte", 0)), name="document_not_negative"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="invoice",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("credit_applied_minor__gte", 0),
                            ("credited_minor__gte", 0),
                            ("paid_minor__gte", 0),
                            (
                                "amount_due_minor__gte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("paid_minor"), "+", models.F("credited_minor")
                                ),
                            ),
                        ),
                        name="document_is_not_settled_twice",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="invoice",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("from_balance_minor__gte", 0),
                            ("rounded_off_minor__gte", 0),
                            (
                                "credited_minor__gte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("from_balance_minor"),
                                    "+",
                                    models.F("rounded_off_minor"),
                                ),
                            ),
                        ),
                        name="balance_pays_part_of_what_is_credited",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="invoice",
                    trigger=pgtrigger.compiler.Trigger(
                        name="document_refers_to_rows_that_exist",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE keys bigint[];",
                            func="\n            SELECT array_agg(DISTINCT seller_id) INTO keys FROM added WHERE seller_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM customers_seller WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'seller_id %: there is no such row in customers_seller',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM customers_seller target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'document_refers_to_rows_that_exist';\n            END IF;\n        \n\n            SELECT array_agg(DISTINCT customer_id) INTO keys FROM added WHERE customer_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM customers_customer WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'customer_id %: there is no such row in customers_customer',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM customers_customer target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'document_refers_to_rows_that_exist';\n            END IF;\n        \n\n            SELECT array_agg(DISTINCT subscription_id) INTO keys FROM added WHERE subscription_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM subscriptions_subscription WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'subscription_id %: there is no such row in subscriptions_subscription',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM subscriptions_subscription target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'document_refers_to_rows_that_exist';\n            END IF;\n        \n\n            SELECT array_agg(DISTINCT letterhead_id) INTO keys FROM added WHERE letterhead_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM invoicing_letterhead WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'letterhead_id %: there is no such row in invoicing_letterhead',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM invoicing_letterhead target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'document_refers_to_rows_that_exist';\n            END IF;\n        \nRETURN NULL;",
                            hash="aed458a480dc9b374be7c47185c0865a0526efcf",
                            level="STATEMENT",
                            operation="INSERT",
                            pgid="pgtrigger_document_refers_to_rows_that_exist_eb69e",
                            referencing="REFERENCING NEW TABLE AS added ",
                            table="invoicing_invoice",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="invoice",
                    trigger=pgtrigger.compiler.Trigger(
                        name="live_document_is_not_dated_ahead",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n            IF EXISTS (SELECT FROM added r JOIN customers_seller s ON s.id = r.seller_id\n                       WHERE \n            s.is_live AND r.issued_on > ((clock_timestamp() + interval '1 minute')\n                AT TIME ZONE s.time_zone)::date AND NOT (r.number LIKE 'preview %')\n        ) THEN\n                RAISE EXCEPTION 'issued_on of a live seller is still to come'\n                    USING ERRCODE = 'check_violation', CONSTRAINT = 'live_document_is_not_dated_ahead';\n            END IF;\n            RETURN NULL;\n        ",
                            hash="f99bdc9e048c2f7c46a6f34126350ec554f548a0",
                            level="STATEMENT",
                            operation="INSERT",
                            pgid="pgtrigger_live_document_is_not_dated_ahead_543e7",
                            referencing="REFERENCING NEW TABLE AS added ",
                            table="invoicing_invoice",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="invoice",
                    trigger=pgtrigger.compiler.Trigger(
                        name="issued_document_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN ((OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."sequence" IS DISTINCT FROM (NEW."sequence") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."language" IS DISTINCT FROM (NEW."language") OR OLD."issued_on" IS DISTINCT FROM (NEW."issued_on") OR OLD."due_on" IS DISTINCT FROM (NEW."due_on") OR OLD."letterhead_id" IS DISTINCT FROM (NEW."letterhead_id") OR OLD."bill_to" IS DISTINCT FROM (NEW."bill_to") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."subtotal_minor" IS DISTINCT FROM (NEW."subtotal_minor") OR OLD."discount_minor" IS DISTINCT FROM (NEW."discount_minor") OR OLD."net_minor" IS DISTINCT FROM (NEW."net_minor") OR OLD."tax_minor" IS DISTINCT FROM (NEW."tax_minor") OR OLD."rounding_minor" IS DISTINCT FROM (NEW."rounding_minor") OR OLD."total_minor" IS DISTINCT FROM (NEW."total_minor") OR OLD."credit_applied_minor" IS DISTINCT FROM (NEW."credit_applied_minor") OR OLD."amount_due_minor" IS DISTINCT FROM (NEW."amount_due_minor") OR OLD."credit_to" IS DISTINCT FROM (NEW."credit_to") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at")) AND NOT (OLD."status" = \'draft\'))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="98d28b94ab97d865b729005db96c4149f03c2727",
                            operation="UPDATE",
                            pgid="pgtrigger_issued_document_is_never_edited_a86ea",
                            table="invoicing_invoice",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="invoice",
                    trigger=pgtrigger.compiler.Trigger(
                        name="document_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="6855114088bfe678184a6111754ac71a9402c47c",
                            operation="DELETE",
                            pgid="pgtrigger_document_is_never_deleted_b13fc",
                            table="invoicing_invoice",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="invoice",
                    trigger=pgtrigger.compiler.Trigger(
                        name="document_status_follows_its_lifecycle",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE _is_valid_transition BOOLEAN;",
                            func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{draft:open,draft:paid,open:paid,open:uncollectible,open:void,paid:open,uncollectible:open,uncollectible:paid}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                            hash="b93b3c309b1a66cfde51e9208a470d0fd1733bf2",
                            operation="UPDATE",
                            pgid="pgtrigger_document_status_follows_its_lifecycle_e9b40",
                            table="invoicing_invoice",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="numbergap",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("first__lte", models.F("last")),
                            models.Q(("reason", ""), _negated=True),
                        ),
                        name="number_gap_is_explained",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="numbergap",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "kind", "first"), name="number_gap_is_recorded_once"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="numbergap",
                    trigger=pgtrigger.compiler.Trigger(
                        name="number_gap_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="c048354e7d35bdd85247aa00e0529f90eedc6a51",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_number_gap_is_never_edited_4cd8b",
                            table="invoicing_numbergap",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="numberseries",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "kind"), name="one_number_series_of_a_kind"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="numberseries",
                    trigger=pgtrigger.compiler.Trigger(
                        name="no_number_is_given_while_held",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n    IF EXISTS (SELECT FROM outbound_hold WHERE released_at IS NULL)\n       AND current_setting('kvitt.reconciles', true) IS DISTINCT FROM 'on' THEN\n        RAISE EXCEPTION 'numbers are held' USING ERRCODE = 'object_not_in_prerequisite_state';\n    END IF;\n    RETURN NEW;\n",
                            hash="cf4f6ad0718258c294a3dae0d7ef1a8b236f7770",
                            operation='UPDATE OF "next_number"',
                            pgid="pgtrigger_no_number_is_given_while_held_49297",
                            table="invoicing_numberseries",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="oneoffitem",
                    index=models.Index(
                        condition=models.Q(("line__isnull", True)),
                        fields=["seller", "due_on"],
                        include=("customer",),
                        name="one_off_item_is_due",
                    ),
                ),
                migrations.AddIndex(
                    model_name="oneoffitem",
                    index=models.Index(
                        condition=models.Q(("line__isnull", True)),
                        fields=["customer"],
                        name="one_off_item_waits",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="oneoffitem",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("amount_minor", 0), _negated=True),
                        name="one_off_item_is_not_zero",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="oneoffitem",
                    trigger=pgtrigger.compiler.Trigger(
                        name="billed_one_off_item_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN ((OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."amount_minor" IS DISTINCT FROM (NEW."amount_minor") OR OLD."description" IS DISTINCT FROM (NEW."description") OR OLD."tax" IS DISTINCT FROM (NEW."tax") OR OLD."revenue_account" IS DISTINCT FROM (NEW."revenue_account") OR OLD."due_on" IS DISTINCT FROM (NEW."due_on") OR OLD."waits" IS DISTINCT FROM (NEW."waits") OR OLD."reverses_id" IS DISTINCT FROM (NEW."reverses_id")) AND OLD."line_id" IS NOT NULL)',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="839fd70ed57d4a85fd95d8aaa03663d45937aa8c",
                            operation="UPDATE",
                            pgid="pgtrigger_billed_one_off_item_is_never_edited_4c4f9",
                            table="invoicing_oneoffitem",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="oneoffitem",
                    trigger=pgtrigger.compiler.Trigger(
                        name="billed_one_off_item_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."line_id" IS NOT NULL)',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="dc26313ed73e1d68dc35e7568a15ccdbac02fc13",
                            operation="DELETE",
                            pgid="pgtrigger_billed_one_off_item_is_never_deleted_65e99",
                            table="invoicing_oneoffitem",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="coverage",
                    index=models.Index(
                        fields=["subscription", "ends_on"], name="coverage_in_the_open_window"
                    ),
                ),
                migrations.AddIndex(
                    model_name="coverage",
                    index=models.Index(
                        condition=models.Q(("again_for__isnull", False)),
                        fields=["again_for"],
                        name="coverage_that_stands_again",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="coverage",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("credited_minor__gte", 0),
                            ("credited_minor__lte", models.F("billed_minor")),
                        ),
                        name="line_is_not_credited_beyond_its_amount",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="coverage",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("again_days", None), ("again_for", None)),
                            models.Q(("again_days__isnull", False), ("again_for__isnull", False)),
                            _connector="OR",
                        ),
                        name="days_stand_again_for_an_item",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="coverage",
                    constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[("item", "="), ("kind", "="), ("part", "="), ("days", "&&")],
                        name="item_is_not_billed_twice_for_a_day",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="coverage",
                    trigger=pgtrigger.compiler.Trigger(
                        name="coverage_refers_to_rows_that_exist",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE keys bigint[];",
                            func="\n            SELECT array_agg(DISTINCT line_id) INTO keys FROM added WHERE line_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM invoicing_invoiceline WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'line_id %: there is no such row in invoicing_invoiceline',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM invoicing_invoiceline target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'coverage_refers_to_rows_that_exist';\n            END IF;\n        \n\n            SELECT array_agg(DISTINCT subscription_id) INTO keys FROM added WHERE subscription_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM subscriptions_subscription WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'subscription_id %: there is no such row in subscriptions_subscription',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM subscriptions_subscription target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'coverage_refers_to_rows_that_exist';\n            END IF;\n        \n\n            SELECT array_agg(DISTINCT item_id) INTO keys FROM added WHERE item_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM subscriptions_subscriptionitem WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'item_id %: there is no such row in subscriptions_subscriptionitem',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM subscriptions_subscriptionitem target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'coverage_refers_to_rows_that_exist';\n            END IF;\n        \nRETURN NULL;",
                            hash="02777366e47c1e8059830fa569794a61391a46e0",
                            level="STATEMENT",
                            operation="INSERT",
                            pgid="pgtrigger_coverage_refers_to_rows_that_exist_9e176",
                            referencing="REFERENCING NEW TABLE AS added ",
                            table="invoicing_coverage",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="coverage",
                    trigger=pgtrigger.compiler.Trigger(
                        name="coverage_stays_with_its_line",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."line_id" IS DISTINCT FROM (NEW."line_id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."item_id" IS DISTINCT FROM (NEW."item_id"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="22fc679100a803973953c5baa7d9c0c36450d4a6",
                            operation="UPDATE",
                            pgid="pgtrigger_coverage_stays_with_its_line_7b77b",
                            table="invoicing_coverage",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
