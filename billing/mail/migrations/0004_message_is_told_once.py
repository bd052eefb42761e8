from django.db import migrations, models


class Migration(migrations.Migration):
    """What is sent again is a message beside the first, which stays the only one of its event."""

    atomic = False  # The index is made beside those who write.
    dependencies = [("mail", "0003_messages_sent_again")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    [
                        # One that was left half made.
                        "DROP INDEX CONCURRENTLY IF EXISTS message_is_told_once",
                        "CREATE UNIQUE INDEX CONCURRENTLY message_is_told_once"
                        " ON mail_message (kind, object, recipient) WHERE resends_id IS NULL",
                        "ALTER TABLE mail_message DROP CONSTRAINT IF EXISTS message_is_made_once",
                    ],
                    migrations.RunSQL.noop,
                ),
            ],
            state_operations=[
                migrations.RemoveConstraint(model_name="message", name="message_is_made_once"),
                migrations.AddConstraint(
                    model_name="message",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("resends__isnull", True)),
                        fields=("kind", "object", "recipient"),
                        name="message_is_told_once",
                    ),
                ),
            ],
        ),
    ]
