from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """A mail is found by what it tells of, whatever kind of mail it is."""

    atomic = False  # The index is made beside those who write.
    dependencies = [("mail", "0007_message_by_addressee")]

    operations = [
        AddIndexConcurrently(
            model_name="message",
            index=models.Index(fields=["object"], name="message_by_object"),
        ),
    ]
