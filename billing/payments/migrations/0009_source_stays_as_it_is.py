import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0008_payments_have_their_source")]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="payment", name="received_payment_is_never_edited"
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payment",
            trigger=pgtrigger.compiler.Trigger(
                name="received_payment_is_never_edited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN ((OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."gateway" IS DISTINCT FROM (NEW."gateway") OR OLD."gateway_id" IS DISTINCT FROM (NEW."gateway_id") OR OLD."received_on" IS DISTINCT FROM (NEW."received_on")) AND OLD."received_on" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="1bbb983bd71b5d0de8ccf53a54cd23bf390ac193",
                    operation="UPDATE",
                    pgid="pgtrigger_received_payment_is_never_edited_e2368",
                    table="payments_payment",
                    when="BEFORE",
                ),
            ),
        ),
        AddConstraintNotValid(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("gateway_id__isnull", True),
                        ("source", "hand"),
                        ("gateway__in", ["", "manual"]),
                    ),
                    models.Q(
                        ("source", "gateway"),
                        models.Q(
                            ("state__in", ["planned", "canceled"]),
                            models.Q(("gateway__in", ["", "manual"]), _negated=True),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="payment_is_of_its_source",
            ),
        ),
    ]
