from django.contrib.postgres.operations import UnaccentExtension
from django.db import migrations

# The schema is named, because an index is built again with an empty search path after a restore.
CREATE = """
DO $$
DECLARE
    home text;
BEGIN
    SELECT n.nspname INTO home FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'unaccent';
    EXECUTE format(
        'CREATE FUNCTION kvitt_plain(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE'
        ' AS $f$ SELECT lower(%1$I.unaccent(''%1$I.unaccent''::regdictionary, $1)) $f$', home);
END
$$;
"""


class Migration(migrations.Migration):
    """What people type is looked for without regard to capitals and accents."""

    dependencies = [("billing", "0001_extensions_and_cache")]
    operations = [
        UnaccentExtension(),
        migrations.RunSQL(CREATE, "DROP FUNCTION kvitt_plain(text)"),
    ]
