from django.db import migrations

from billing.events.types import PUBLIC

NUMBER = """
    UPDATE events_event event SET sequence = numbered.sequence
    FROM (
        SELECT id, row_number() OVER (PARTITION BY subject ORDER BY id) AS sequence
        FROM events_event WHERE is_fanned_out AND type = ANY (%s)
    ) numbered
    WHERE event.id = numbered.id
"""


def number(apps, schema_editor):
    """Public events of before get their numbers, as the fan-out gives them now."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(NUMBER, [sorted(PUBLIC)])


class Migration(migrations.Migration):
    dependencies = [("events", "0002_webhooks_out")]

    operations = [migrations.RunPython(number, migrations.RunPython.noop)]
