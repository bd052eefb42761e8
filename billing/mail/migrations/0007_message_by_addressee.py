from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations

from billing.base.sql.plain import JoinedWords, PlainWords

CREATE = (
    "CREATE OR REPLACE FUNCTION kvitt_joined(text[]) RETURNS text"
    " LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE"
    " AS $$ SELECT pg_catalog.array_to_string($1, ' ') $$"
)


class Migration(migrations.Migration):
    """A mail is found by each of those to whom it went."""

    atomic = False  # The index is made beside those who write.
    dependencies = [
        ("billing", "0002_words_without_accents"),
        ("mail", "0006_whom_the_server_took_a_mail_for"),
    ]

    operations = [
        migrations.RunSQL(CREATE, "DROP FUNCTION kvitt_joined(text[])"),
        AddIndexConcurrently(
            model_name="message",
            index=GinIndex(
                OpClass(PlainWords("recipient", JoinedWords("also_to", "cc")), name="gin_trgm_ops"),
                name="message_by_addressee",
            ),
        ),
    ]
