from django.db import migrations

# What was recorded by hand is there at once, arrived or failed; what is planned under "manual", or
# was before it was canceled, is a charge. Booked rows keep "manual" as their gateway: they are sealed.
TELL_THE_SOURCE = """
    UPDATE payments_payment SET
        source = CASE WHEN gateway = 'manual' AND state IN ('succeeded', 'failed')
                      THEN 'hand' ELSE 'gateway' END,
        reference = CASE WHEN gateway = 'manual' AND state IN ('succeeded', 'failed')
                         THEN gateway_key END,
        gateway = CASE WHEN gateway = 'manual' AND state IN ('planned', 'canceled')
                       THEN '' ELSE gateway END
    WHERE source = ''
"""


class Migration(migrations.Migration):
    """By itself, since the columns before it lock the table until their transaction ends."""

    dependencies = [("payments", "0007_source_of_a_payment")]

    operations = [migrations.RunSQL(TELL_THE_SOURCE, migrations.RunSQL.noop)]
