from django.db import migrations, models

# Code of before, still running beside this, adds rows that say nothing of their source: planned
# ones are a gateway's, and what is there already under "manual" was recorded by a person. This goes
# with the release after.
TELL_THE_SOURCE = """
    CREATE FUNCTION kvitt_source_of_payment() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.source = CASE WHEN NEW.gateway = 'manual' AND NEW.state <> 'planned'
                          THEN 'hand' ELSE 'gateway' END;
        IF NEW.source = 'hand' THEN
            NEW.reference = NEW.gateway_key;
        END IF;
        RETURN NEW;
    END;
    $$;
    CREATE TRIGGER payment_tells_its_source BEFORE INSERT ON payments_payment
        FOR EACH ROW WHEN (NEW.source = '') EXECUTE FUNCTION kvitt_source_of_payment();
"""
TELL_IT_NO_MORE = """
    DROP TRIGGER payment_tells_its_source ON payments_payment;
    DROP FUNCTION kvitt_source_of_payment();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0006_payments_by_amount_and_card")]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="reference",
            field=models.CharField(
                blank=True,
                help_text="The bank's, where the money was recorded by hand; it counts once.",
                max_length=80,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="source",
            field=models.CharField(
                choices=[("gateway", "gateway"), ("hand", "recorded by hand")],
                db_default="",
                default="gateway",
                help_text="Whether a gateway moves the money, or a person saw it arrive.",
                max_length=7,
            ),
        ),
        migrations.AlterField(
            model_name="payment",
            name="gateway",
            field=models.CharField(blank=True, default="", max_length=40),
        ),
        migrations.AlterField(
            model_name="payment",
            name="gateway_key",
            field=models.CharField(
                blank=True,
                help_text="Idempotency key of the attempt; unique per gateway.",
                max_length=80,
                null=True,
            ),
        ),
        migrations.RunSQL(TELL_THE_SOURCE, TELL_IT_NO_MORE),
    ]
