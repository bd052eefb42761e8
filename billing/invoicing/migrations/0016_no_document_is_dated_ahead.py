import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    """Previews write no documents any more, so none of a day to come is let pass as one of theirs."""

    dependencies = [("invoicing", "0015_number_series_kinds_have_names")]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="invoice",
            name="live_document_is_not_dated_ahead",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="invoice",
            name="live_order_is_not_dated_ahead",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="live_document_is_not_dated_ahead",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n            IF EXISTS (SELECT FROM added r JOIN customers_seller s ON s.id = r.seller_id\n                       WHERE \n            s.is_live AND r.issued_on > ((clock_timestamp() + interval '1 minute')\n                AT TIME ZONE s.time_zone)::date\n        ) THEN\n                RAISE EXCEPTION 'issued_on of a live seller is still to come'\n                    USING ERRCODE = 'check_violation', CONSTRAINT = 'live_document_is_not_dated_ahead';\n            END IF;\n            RETURN NULL;\n        ",
                    hash="29bb42a9137ebaaf81c0839b16b67cb727128071",
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
                name="live_order_is_not_dated_ahead",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n            IF EXISTS (SELECT FROM (SELECT NEW.*) r JOIN customers_seller s ON s.id = r.seller_id\n                       WHERE \n            s.is_live AND r.issued_on > ((clock_timestamp() + interval '1 minute')\n                AT TIME ZONE s.time_zone)::date\n        ) THEN\n                RAISE EXCEPTION 'issued_on of a live seller is still to come'\n                    USING ERRCODE = 'check_violation', CONSTRAINT = 'live_order_is_not_dated_ahead';\n            END IF;\n            RETURN NULL;\n        ",
                    hash="2c7bbc74cf712334c85b23e859b57edfcb34ebd0",
                    operation='UPDATE OF "issued_on"',
                    pgid="pgtrigger_live_order_is_not_dated_ahead_1ba01",
                    table="invoicing_invoice",
                    when="AFTER",
                ),
            ),
        ),
    ]
