import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
        ("invoicing", "0002_initial"),
        ("payments", "0001_initial"),
        ("subscriptions", "0001_initial"),
    ]

    operations = [
        AtOnce(
            [
                migrations.AddField(
                    model_name="order",
                    name="subscription",
                    field=models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="order",
                        to="subscriptions.subscription",
                    ),
                ),
                migrations.AddField(
                    model_name="checkoutsession",
                    name="order",
                    field=models.ForeignKey(
                        blank=True,
                        help_text="The order that waits for the card, where one does.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sessions",
                        to="payments.order",
                    ),
                ),
                migrations.AddField(
                    model_name="payment",
                    name="customer",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="customers.customer",
                    ),
                ),
                migrations.AddField(
                    model_name="payment",
                    name="seller",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="checkoutsession",
                    name="payment",
                    field=models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="session",
                        to="payments.payment",
                    ),
                ),
                migrations.AddField(
                    model_name="paymentallocation",
                    name="invoice",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="allocations",
                        to="invoicing.invoice",
                    ),
                ),
                migrations.AddField(
                    model_name="paymentallocation",
                    name="payment",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="allocations",
                        to="payments.payment",
                    ),
                ),
                migrations.AddField(
                    model_name="paymentmethod",
                    name="customer",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payment_methods",
                        to="customers.customer",
                    ),
                ),
                migrations.AddField(
                    model_name="payment",
                    name="payment_method",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="payments.paymentmethod",
                    ),
                ),
                migrations.AddField(
                    model_name="refund",
                    name="invoice",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refunds",
                        to="invoicing.invoice",
                    ),
                ),
                migrations.AddField(
                    model_name="refund",
                    name="payment",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refunds",
                        to="payments.payment",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="gatewaycustomer",
                    constraint=models.UniqueConstraint(
                        fields=("customer", "gateway"), name="customer_is_at_a_gateway_once"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="gatewaycustomer",
                    trigger=pgtrigger.compiler.Trigger(
                        name="customer_at_sandbox_is_of_a_test_seller",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (NEW.\"gateway\" = 'sandbox')",
                            func="\n    IF (SELECT s.is_live FROM customers_customer c JOIN customers_seller s ON s.id = c.seller_id\n        WHERE c.id = NEW.customer_id) THEN\n        RAISE EXCEPTION 'the sandbox serves test sellers only' USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n",
                            hash="a3f403f7e165c607374c6e338eb800ba0412dacf",
                            operation="INSERT OR UPDATE",
                            pgid="pgtrigger_customer_at_sandbox_is_of_a_test_seller_11a37",
                            table="payments_gatewaycustomer",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="order",
                    index=models.Index(
                        condition=models.Q(("status__in", ["open", "placed"])),
                        fields=["seller", "expires_at"],
                        name="order_may_expire",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="order",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status__in", ["placed", "complete"]), _negated=True),
                            models.Q(
                                ("customer__isnull", False),
                                ("placed_at__isnull", False),
                                ("subscription__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="placed_order_has_what_was_ordered",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="order",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("placed_at__isnull", True),
                            models.Q(("consent", {}), _negated=True),
                            _connector="OR",
                        ),
                        name="placed_order_has_its_consent",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="order",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("closed_at__isnull", True), ("status__in", ["open", "placed"])
                            ),
                            models.Q(
                                ("closed_at__isnull", False),
                                ("status__in", ["complete", "expired"]),
                            ),
                            _connector="OR",
                        ),
                        name="closed_order_has_its_instant",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="order",
                    trigger=pgtrigger.compiler.Trigger(
                        name="order_status_follows_its_lifecycle",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE _is_valid_transition BOOLEAN;",
                            func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{open:expired,open:placed,placed:complete,placed:expired}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                            hash="40a54cd39a94b556dcf1cd5f948b94bd5a61e828",
                            operation="UPDATE",
                            pgid="pgtrigger_order_status_follows_its_lifecycle_3068f",
                            table="payments_order",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="order",
                    trigger=pgtrigger.compiler.Trigger(
                        name="order_is_of_one_seller",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n    IF (SELECT seller_id FROM catalog_plan WHERE id = NEW.plan_id) IS DISTINCT FROM NEW.seller_id\n       OR (SELECT seller_id <> NEW.seller_id FROM customers_customer WHERE id = NEW.customer_id)\n    THEN\n        RAISE EXCEPTION 'plan % and customer % are not both of seller %',\n            NEW.plan_id, NEW.customer_id, NEW.seller_id USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n",
                            hash="6e4b2ea29a4b94dd42d0fa0eacb1d907a24ad98a",
                            operation='INSERT OR UPDATE OF "seller_id", "plan_id", "customer_id"',
                            pgid="pgtrigger_order_is_of_one_seller_41535",
                            table="payments_order",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="order",
                    trigger=pgtrigger.compiler.Trigger(
                        name="offer_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."plan_id" IS DISTINCT FROM (NEW."plan_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."language" IS DISTINCT FROM (NEW."language") OR OLD."success_url" IS DISTINCT FROM (NEW."success_url") OR OLD."cancel_url" IS DISTINCT FROM (NEW."cancel_url") OR OLD."token_hash" IS DISTINCT FROM (NEW."token_hash"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="61d1eaa3ffd46e8e920a1edf1a3da6592301238a",
                            operation="UPDATE",
                            pgid="pgtrigger_offer_is_never_edited_0003d",
                            table="payments_order",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="order",
                    trigger=pgtrigger.compiler.Trigger(
                        name="placed_order_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN ((OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."plan_id" IS DISTINCT FROM (NEW."plan_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."quantities" IS DISTINCT FROM (NEW."quantities") OR OLD."coupon_id" IS DISTINCT FROM (NEW."coupon_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."language" IS DISTINCT FROM (NEW."language") OR OLD."success_url" IS DISTINCT FROM (NEW."success_url") OR OLD."cancel_url" IS DISTINCT FROM (NEW."cancel_url") OR OLD."metadata" IS DISTINCT FROM (NEW."metadata") OR OLD."token_hash" IS DISTINCT FROM (NEW."token_hash") OR OLD."details" IS DISTINCT FROM (NEW."details") OR OLD."consent" IS DISTINCT FROM (NEW."consent") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."invoice_id" IS DISTINCT FROM (NEW."invoice_id") OR OLD."placed_at" IS DISTINCT FROM (NEW."placed_at") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at")) AND NOT (OLD."status" = \'open\'))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="cb0c7c05845308222f3c1b3889235bd6f9393de5",
                            operation="UPDATE",
                            pgid="pgtrigger_placed_order_is_never_edited_31912",
                            table="payments_order",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="order",
                    trigger=pgtrigger.compiler.Trigger(
                        name="order_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="fee7d8917de2ebf0aac6b2bae3e17918d5b89119",
                            operation="DELETE",
                            pgid="pgtrigger_order_is_never_deleted_67a4e",
                            table="payments_order",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="checkoutsession",
                    index=models.Index(
                        condition=models.Q(("status__in", ["creating", "open"])),
                        fields=["next_check_at"],
                        name="checkout_session_is_open",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="checkoutsession",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("gateway_id__isnull", False)),
                        fields=("gateway", "gateway_id"),
                        name="checkout_session_is_kept_once",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="checkoutsession",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "payment"), ("payment__isnull", False)),
                            models.Q(("kind", "setup"), ("payment__isnull", True)),
                            _connector="OR",
                        ),
                        name="only_a_session_to_pay_has_a_payment",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="checkoutsession",
                    trigger=pgtrigger.compiler.Trigger(
                        name="session_status_follows_its_lifecycle",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE _is_valid_transition BOOLEAN;",
                            func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{creating:expired,creating:open,open:complete,open:expired}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                            hash="12bb00a4e2a4c01b0fd51817dc58275b16f41044",
                            operation="UPDATE",
                            pgid="pgtrigger_session_status_follows_its_lifecycle_8990b",
                            table="payments_checkoutsession",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="checkoutsession",
                    trigger=pgtrigger.compiler.Trigger(
                        name="sandbox_session_is_of_a_test_seller",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (NEW.\"gateway\" = 'sandbox')",
                            func="\n    IF (SELECT s.is_live FROM customers_customer c JOIN customers_seller s ON s.id = c.seller_id\n        WHERE c.id = NEW.customer_id) THEN\n        RAISE EXCEPTION 'the sandbox serves test sellers only' USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n",
                            hash="2b8decadcad3e14d49ac938a51df24d9a2cd334b",
                            operation="INSERT OR UPDATE",
                            pgid="pgtrigger_sandbox_session_is_of_a_test_seller_2f456",
                            table="payments_checkoutsession",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="paymentallocation",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)),
                        name="payment_allocation_is_positive",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="paymentallocation",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("refunded_minor__gte", 0),
                            ("refunded_minor__lte", models.F("amount_minor")),
                        ),
                        name="allocation_is_not_refunded_beyond_its_amount",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="paymentallocation",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("state", "in_flight")),
                        fields=("invoice",),
                        name="one_payment_in_flight_for_an_invoice",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="paymentallocation",
                    trigger=pgtrigger.compiler.Trigger(
                        name="allocation_refers_to_rows_that_exist",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE keys bigint[];",
                            func="\n            SELECT array_agg(DISTINCT payment_id) INTO keys FROM added WHERE payment_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM payments_payment WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'payment_id %: there is no such row in payments_payment',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM payments_payment target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'allocation_refers_to_rows_that_exist';\n            END IF;\n        \n\n            INSERT INTO events_promise (target, ids, guard)\n                SELECT 'invoicing_invoice',\n                    array_agg(DISTINCT invoice_id), 'allocation_refers_to_rows_that_exist'\n                FROM added HAVING count(*) > 0;\n        \nRETURN NULL;",
                            hash="f78e4e2c5a063f4b4160d6bde0743e2258ce39d2",
                            level="STATEMENT",
                            operation="INSERT",
                            pgid="pgtrigger_allocation_refers_to_rows_that_exist_6c7a5",
                            referencing="REFERENCING NEW TABLE AS added ",
                            table="payments_paymentallocation",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="paymentallocation",
                    trigger=pgtrigger.compiler.Trigger(
                        name="allocation_stays_with_its_payment",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."payment_id" IS DISTINCT FROM (NEW."payment_id") OR OLD."invoice_id" IS DISTINCT FROM (NEW."invoice_id"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="79916006ca5069a4180442b2d74332e834ea720e",
                            operation="UPDATE",
                            pgid="pgtrigger_allocation_stays_with_its_payment_3de5a",
                            table="payments_paymentallocation",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="paymentallocation",
                    trigger=pgtrigger.compiler.Trigger(
                        name="payment_settles_no_more_than_it_has",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (NEW.\"state\" = 'settled')",
                            constraint="CONSTRAINT",
                            func="\n    IF (SELECT sum(amount_minor) FROM payments_paymentallocation\n        WHERE payment_id = NEW.payment_id AND state = 'settled')\n       > (SELECT amount_minor FROM payments_payment WHERE id = NEW.payment_id) THEN\n        RAISE EXCEPTION 'payment % is allocated beyond its amount', NEW.payment_id\n            USING ERRCODE = 'check_violation';\n    END IF;\n    IF (SELECT p.currency <> i.currency OR p.customer_id <> i.customer_id\n        FROM payments_payment p, invoicing_invoice i\n        WHERE p.id = NEW.payment_id AND i.id = NEW.invoice_id) THEN\n        RAISE EXCEPTION 'payment % and invoice % differ in currency or customer',\n            NEW.payment_id, NEW.invoice_id USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NULL;\n",
                            hash="e9d07012d0b75d338de07021b6ec0c841b78ba62",
                            operation="INSERT OR UPDATE",
                            pgid="pgtrigger_payment_settles_no_more_than_it_has_d785d",
                            table="payments_paymentallocation",
                            timing="DEFERRABLE INITIALLY DEFERRED",
                            when="AFTER",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="paymentmethod",
                    constraint=models.UniqueConstraint(
                        fields=("gateway", "gateway_id"), name="payment_method_is_kept_once"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="paymentmethod",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("is_default", True)),
                        fields=("customer",),
                        name="one_default_payment_method_for_a_customer",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="paymentmethod",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("is_default", False), ("retired_at__isnull", True), _connector="OR"
                        ),
                        name="retired_payment_method_is_no_default",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="paymentmethod",
                    trigger=pgtrigger.compiler.Trigger(
                        name="payment_method_stays_with_its_customer",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."gateway" IS DISTINCT FROM (NEW."gateway") OR OLD."gateway_id" IS DISTINCT FROM (NEW."gateway_id"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="3d98282b1587f1b72854dcae0042f0d69c07fce8",
                            operation="UPDATE",
                            pgid="pgtrigger_payment_method_stays_with_its_customer_fc3db",
                            table="payments_paymentmethod",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="paymentmethod",
                    trigger=pgtrigger.compiler.Trigger(
                        name="payment_method_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="382cf95248f5e4ab8e5f70f7d36088517f50937c",
                            operation="DELETE",
                            pgid="pgtrigger_payment_method_is_never_deleted_86dd0",
                            table="payments_paymentmethod",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="paymentmethod",
                    trigger=pgtrigger.compiler.Trigger(
                        name="sandbox_method_is_of_a_test_seller",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (NEW.\"gateway\" = 'sandbox')",
                            func="\n    IF (SELECT s.is_live FROM customers_customer c JOIN customers_seller s ON s.id = c.seller_id\n        WHERE c.id = NEW.customer_id) THEN\n        RAISE EXCEPTION 'the sandbox serves test sellers only' USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NEW;\n",
                            hash="8c809765259c449c2b58b0f59e648842c9e637a4",
                            operation="INSERT OR UPDATE",
                            pgid="pgtrigger_sandbox_method_is_of_a_test_seller_2f839",
                            table="payments_paymentmethod",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="payment",
                    index=models.Index(
                        condition=models.Q(
                            ("state__in", ("created", "submitted", "requires_action", "unknown"))
                        ),
                        fields=["next_check_at"],
                        name="payment_in_flight",
                    ),
                ),
                migrations.AddIndex(
                    model_name="payment",
                    index=models.Index(
                        condition=models.Q(("attention", ""), _negated=True),
                        fields=["id"],
                        name="payment_needs_attention",
                    ),
                ),
                migrations.AddIndex(
                    model_name="payment",
                    index=models.Index(
                        condition=models.Q(("state", "planned")),
                        fields=["seller", "planned_on"],
                        name="payment_planned",
                    ),
                ),
                migrations.AddIndex(
                    model_name="payment",
                    index=models.Index(
                        condition=models.Q(("gateway_key__isnull", False)),
                        fields=["gateway_key"],
                        name="payment_by_gateway_key",
                    ),
                ),
                migrations.AddIndex(
                    model_name="payment",
                    index=models.Index(
                        condition=models.Q(("gateway_id__isnull", False)),
                        fields=["gateway_id"],
                        name="payment_by_gateway_id",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="payment",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)), name="payment_is_positive"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="payment",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("refunded_minor__gte", 0),
                            ("refunded_minor__lte", models.F("amount_minor")),
                        ),
                        name="payment_is_not_refunded_beyond_its_amount",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="payment",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "succeeded"), _negated=True),
                            ("received_on__isnull", False),
                            _connector="OR",
                        ),
                        name="succeeded_payment_has_its_day",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="payment",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("gateway_key__isnull", False)),
                        fields=("seller", "gateway", "gateway_key"),
                        name="payment_is_sent_to_a_gateway_once",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="payment",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("gateway_id__isnull", False)),
                        fields=("gateway", "gateway_id"),
                        name="charge_is_of_one_payment",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="payment",
                    trigger=pgtrigger.compiler.Trigger(
                        name="payment_refers_to_rows_that_exist",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE keys bigint[];",
                            func="\n            SELECT array_agg(DISTINCT seller_id) INTO keys FROM added WHERE seller_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM customers_seller WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'seller_id %: there is no such row in customers_seller',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM customers_seller target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'payment_refers_to_rows_that_exist';\n            END IF;\n        \n\n            SELECT array_agg(DISTINCT customer_id) INTO keys FROM added WHERE customer_id IS NOT NULL;\n            IF cardinality(keys) > (SELECT count(*) FROM customers_customer WHERE id = ANY (keys)) THEN\n                RAISE EXCEPTION 'customer_id %: there is no such row in customers_customer',\n                    (SELECT min(named.id) FROM unnest(keys) AS named (id)\n                     WHERE NOT EXISTS (SELECT FROM customers_customer target WHERE target.id = named.id))\n                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'payment_refers_to_rows_that_exist';\n            END IF;\n        \nRETURN NULL;",
                            hash="09988be286e877b46cbe74ab1e0802217d5be8b0",
                            level="STATEMENT",
                            operation="INSERT",
                            pgid="pgtrigger_payment_refers_to_rows_that_exist_8b6a7",
                            referencing="REFERENCING NEW TABLE AS added ",
                            table="payments_payment",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="payment",
                    trigger=pgtrigger.compiler.Trigger(
                        name="live_payment_is_not_dated_ahead",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (NEW."received_on" IS NOT NULL)',
                            func="\n            IF EXISTS (SELECT FROM (SELECT NEW.*) r JOIN customers_seller s ON s.id = r.seller_id\n                       WHERE \n            s.is_live AND r.received_on > ((clock_timestamp() + interval '1 minute')\n                AT TIME ZONE s.time_zone)::date AND NOT (false)\n        ) THEN\n                RAISE EXCEPTION 'received_on of a live seller is still to come'\n                    USING ERRCODE = 'check_violation', CONSTRAINT = 'live_payment_is_not_dated_ahead';\n            END IF;\n            RETURN NULL;\n        ",
                            hash="e2d71aae772d484a640639ba6999ae9ef54b8271",
                            operation='INSERT OR UPDATE OF "received_on"',
                            pgid="pgtrigger_live_payment_is_not_dated_ahead_71239",
                            table="payments_payment",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="payment",
                    trigger=pgtrigger.compiler.Trigger(
                        name="payment_amount_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."amount_minor" IS DISTINCT FROM (NEW."amount_minor"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="e860e0f36b577af6ea2a052d1b97afdb784f0092",
                            operation="UPDATE",
                            pgid="pgtrigger_payment_amount_is_never_edited_761a5",
                            table="payments_payment",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="payment",
                    trigger=pgtrigger.compiler.Trigger(
                        name="received_payment_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN ((OLD."gateway" IS DISTINCT FROM (NEW."gateway") OR OLD."gateway_id" IS DISTINCT FROM (NEW."gateway_id") OR OLD."received_on" IS DISTINCT FROM (NEW."received_on")) AND OLD."received_on" IS NOT NULL)',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="30d8a0ee33dab586ce89959f457f3df238e151d6",
                            operation="UPDATE",
                            pgid="pgtrigger_received_payment_is_never_edited_e2368",
                            table="payments_payment",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="payment",
                    trigger=pgtrigger.compiler.Trigger(
                        name="payment_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="8edaea875fd8e7b1b3ef98ce35053ad287cf3650",
                            operation="DELETE",
                            pgid="pgtrigger_payment_is_never_deleted_8b26a",
                            table="payments_payment",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="payment",
                    trigger=pgtrigger.compiler.Trigger(
                        name="payment_state_follows_its_lifecycle",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE _is_valid_transition BOOLEAN;",
                            func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{planned:canceled,planned:created,created:canceled,created:failed,created:planned,created:requires_action,created:submitted,created:succeeded,created:unknown,submitted:failed,submitted:requires_action,submitted:succeeded,submitted:unknown,requires_action:canceled,requires_action:failed,requires_action:submitted,requires_action:succeeded,requires_action:unknown,unknown:canceled,unknown:failed,unknown:planned,unknown:requires_action,unknown:succeeded}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                            hash="a284653af35ebfd21c8555bdc9ab290b12eabda1",
                            operation="UPDATE",
                            pgid="pgtrigger_payment_state_follows_its_lifecycle_23b28",
                            table="payments_payment",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="refund",
                    index=models.Index(
                        condition=models.Q(("state", "owed")), fields=["id"], name="refund_is_owed"
                    ),
                ),
                migrations.AddIndex(
                    model_name="refund",
                    index=models.Index(
                        condition=models.Q(("state__in", ["created", "unknown"])),
                        fields=["next_check_at"],
                        name="refund_in_flight",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="refund",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)), name="refund_is_positive"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="refund",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "succeeded"), _negated=True),
                            ("gateway_id__isnull", False),
                            models.Q(
                                ("paid_on__isnull", False), models.Q(("paid_by", ""), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="refund_by_hand_was_paid_by_somebody",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="refund",
                    trigger=pgtrigger.compiler.Trigger(
                        name="refund_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."payment_id" IS DISTINCT FROM (NEW."payment_id") OR OLD."invoice_id" IS DISTINCT FROM (NEW."invoice_id") OR OLD."amount_minor" IS DISTINCT FROM (NEW."amount_minor") OR OLD."refunded_on" IS DISTINCT FROM (NEW."refunded_on") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."is_return" IS DISTINCT FROM (NEW."is_return") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="a6f0faeaded5325bc677eaa48b57330ccdbeedbe",
                            operation="UPDATE",
                            pgid="pgtrigger_refund_is_never_edited_ecdfc",
                            table="payments_refund",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="refund",
                    trigger=pgtrigger.compiler.Trigger(
                        name="refund_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="5980f2a1a646bb1f89ed2fc382762bee51d2feb1",
                            operation="DELETE",
                            pgid="pgtrigger_refund_is_never_deleted_c823e",
                            table="payments_refund",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="refund",
                    trigger=pgtrigger.compiler.Trigger(
                        name="refund_state_follows_its_lifecycle",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE _is_valid_transition BOOLEAN;",
                            func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{owed:succeeded,created:unknown,unknown:created,unknown:failed,unknown:succeeded}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                            hash="eafc8463ebf21012500aa5f89531fd62f70b8cff",
                            operation="UPDATE",
                            pgid="pgtrigger_refund_state_follows_its_lifecycle_9b718",
                            table="payments_refund",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
