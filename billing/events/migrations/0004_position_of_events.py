import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

NUMBER = """
    UPDATE events_event event SET position = numbered.position
    FROM (
        SELECT id, row_number() OVER (PARTITION BY seller ORDER BY id) AS position
        FROM events_event WHERE sequence IS NOT NULL
    ) numbered
    WHERE event.id = numbered.id
"""


class Migration(migrations.Migration):
    """Public events of before get the positions that the fan-out gives now."""

    dependencies = [("events", "0003_number_what_was_fanned_out")]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="event",
            name="event_sequence_is_given_once",
        ),
        migrations.RemoveIndex(
            model_name="event",
            name="public_event_of_a_seller",
        ),
        migrations.AddField(
            model_name="event",
            name="position",
            field=models.PositiveBigIntegerField(
                editable=False,
                help_text="Counts those of a seller likewise: whoever has read up to one missed none.",
                null=True,
            ),
        ),
        migrations.RunSQL(NUMBER, migrations.RunSQL.noop),
        pgtrigger.migrations.AddTrigger(
            model_name="event",
            trigger=pgtrigger.compiler.Trigger(
                name="event_sequence_is_given_once",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN ((OLD."sequence" IS DISTINCT FROM (NEW."sequence") OR OLD."position" IS DISTINCT FROM (NEW."position")) AND OLD."sequence" IS NOT NULL)',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="470cd2fbb8e54f7e86535b3b478b669d831208d7",
                    operation="UPDATE",
                    pgid="pgtrigger_event_sequence_is_given_once_7d364",
                    table="events_event",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                condition=models.Q(("position__isnull", False)),
                fields=("seller", "position"),
                name="event_position_is_unique_for_a_seller",
            ),
        ),
    ]
