import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    """The guards of days to come ask for no exemption any more; they refuse what they refused."""

    dependencies = [("payments", "0015_gateway_event_by_its_words")]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="payment",
            name="live_payment_is_not_dated_ahead",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="payment",
            name="live_return_is_not_dated_ahead",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payment",
            trigger=pgtrigger.compiler.Trigger(
                name="live_payment_is_not_dated_ahead",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (NEW."received_on" IS NOT NULL)',
                    func="\n            IF EXISTS (SELECT FROM (SELECT NEW.*) r JOIN customers_seller s ON s.id = r.seller_id\n                       WHERE \n            s.is_live AND r.received_on > ((clock_timestamp() + interval '1 minute')\n                AT TIME ZONE s.time_zone)::date\n        ) THEN\n                RAISE EXCEPTION 'received_on of a live seller is still to come'\n                    USING ERRCODE = 'check_violation', CONSTRAINT = 'live_payment_is_not_dated_ahead';\n            END IF;\n            RETURN NULL;\n        ",
                    hash="7af17271e9f4e73d08723bfb4395b5b8f39cbb2f",
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
                name="live_return_is_not_dated_ahead",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (NEW."returned_on" IS NOT NULL)',
                    func="\n            IF EXISTS (SELECT FROM (SELECT NEW.*) r JOIN customers_seller s ON s.id = r.seller_id\n                       WHERE \n            s.is_live AND r.returned_on > ((clock_timestamp() + interval '1 minute')\n                AT TIME ZONE s.time_zone)::date\n        ) THEN\n                RAISE EXCEPTION 'returned_on of a live seller is still to come'\n                    USING ERRCODE = 'check_violation', CONSTRAINT = 'live_return_is_not_dated_ahead';\n            END IF;\n            RETURN NULL;\n        ",
                    hash="a5198e33f89144882f08be49054b4259cf28fc6c",
                    operation='INSERT OR UPDATE OF "returned_on"',
                    pgid="pgtrigger_live_return_is_not_dated_ahead_feaa3",
                    table="payments_payment",
                    when="AFTER",
                ),
            ),
        ),
    ]
