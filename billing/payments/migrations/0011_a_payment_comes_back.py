import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0010_payment_is_recorded_once")]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="payment",
            name="payment_state_follows_its_lifecycle",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="paymentallocation",
            name="payment_settles_no_more_than_it_has",
        ),
        migrations.AddField(
            model_name="payment",
            name="returned_on",
            field=models.DateField(
                blank=True, help_text="When its bank had taken it back.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="payment",
            name="state",
            field=models.CharField(
                choices=[
                    ("planned", "Planned"),
                    ("created", "Created"),
                    ("submitted", "Submitted"),
                    ("requires_action", "Requires Action"),
                    ("unknown", "Unknown"),
                    ("succeeded", "Succeeded"),
                    ("failed", "Failed"),
                    ("canceled", "Canceled"),
                    ("returned", "Returned"),
                ],
                default="created",
                max_length=15,
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payment",
            trigger=pgtrigger.compiler.Trigger(
                name="live_return_is_not_dated_ahead",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (NEW."returned_on" IS NOT NULL)',
                    func="\n            IF EXISTS (SELECT FROM (SELECT NEW.*) r JOIN customers_seller s ON s.id = r.seller_id\n                       WHERE \n            s.is_live AND r.returned_on > ((clock_timestamp() + interval '1 minute')\n                AT TIME ZONE s.time_zone)::date AND NOT (false)\n        ) THEN\n                RAISE EXCEPTION 'returned_on of a live seller is still to come'\n                    USING ERRCODE = 'check_violation', CONSTRAINT = 'live_return_is_not_dated_ahead';\n            END IF;\n            RETURN NULL;\n        ",
                    hash="824b4323301caabcd33a1af195bc1e6b2fb58744",
                    operation='INSERT OR UPDATE OF "returned_on"',
                    pgid="pgtrigger_live_return_is_not_dated_ahead_feaa3",
                    table="payments_payment",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payment",
            trigger=pgtrigger.compiler.Trigger(
                name="returned_payment_settles_nothing",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (NEW.\"state\" = 'returned')",
                    constraint="CONSTRAINT",
                    func="\n    IF EXISTS (SELECT FROM payments_paymentallocation\n               WHERE payment_id = NEW.id AND state = 'settled') THEN\n        RAISE EXCEPTION 'payment % was returned and still settles something', NEW.id\n            USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NULL;\n",
                    hash="bae65acc0a1ffaeb0f8699b432e5c5d280819c0c",
                    operation='UPDATE OF "state"',
                    pgid="pgtrigger_returned_payment_settles_nothing_39e2b",
                    table="payments_payment",
                    timing="DEFERRABLE INITIALLY DEFERRED",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payment",
            trigger=pgtrigger.compiler.Trigger(
                name="returned_payment_is_never_edited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."returned_on" IS DISTINCT FROM (NEW."returned_on") AND OLD."returned_on" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="48450fc6bfd7fe3d2f639b887ec9e1c9d2d7ddf3",
                    operation="UPDATE",
                    pgid="pgtrigger_returned_payment_is_never_edited_bf824",
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
                    func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{planned:canceled,planned:created,created:canceled,created:failed,created:planned,created:requires_action,created:submitted,created:succeeded,created:unknown,submitted:failed,submitted:requires_action,submitted:succeeded,submitted:unknown,requires_action:canceled,requires_action:failed,requires_action:submitted,requires_action:succeeded,requires_action:unknown,unknown:canceled,unknown:failed,unknown:planned,unknown:requires_action,unknown:succeeded,succeeded:returned}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="addb9f6c71e152cc6123ecdfffb844de2504c3f2",
                    operation="UPDATE",
                    pgid="pgtrigger_payment_state_follows_its_lifecycle_23b28",
                    table="payments_payment",
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
                    func="\n    IF (SELECT sum(amount_minor) FROM payments_paymentallocation\n        WHERE payment_id = NEW.payment_id AND state = 'settled')\n       > (SELECT CASE WHEN state = 'returned' THEN 0 ELSE amount_minor END\n          FROM payments_payment WHERE id = NEW.payment_id) THEN\n        RAISE EXCEPTION 'payment % is allocated beyond its amount', NEW.payment_id\n            USING ERRCODE = 'check_violation';\n    END IF;\n    IF (SELECT p.currency <> i.currency OR p.customer_id <> i.customer_id\n        FROM payments_payment p, invoicing_invoice i\n        WHERE p.id = NEW.payment_id AND i.id = NEW.invoice_id) THEN\n        RAISE EXCEPTION 'payment % and invoice % differ in currency or customer',\n            NEW.payment_id, NEW.invoice_id USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NULL;\n",
                    hash="cf4b3f83314d7744ccd920a5d26b04ab8346563c",
                    operation="INSERT OR UPDATE",
                    pgid="pgtrigger_payment_settles_no_more_than_it_has_d785d",
                    table="payments_paymentallocation",
                    timing="DEFERRABLE INITIALLY DEFERRED",
                    when="AFTER",
                ),
            ),
        ),
        AddConstraintNotValid(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("received_on__isnull", False),
                        ("returned_on__gte", models.F("received_on")),
                        ("returned_on__isnull", False),
                        ("state", "returned"),
                    ),
                    models.Q(
                        models.Q(("state", "returned"), _negated=True),
                        ("returned_on__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="returned_payment_has_its_day",
            ),
        ),
    ]
