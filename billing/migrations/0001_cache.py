from django.core.management import call_command
from django.db import migrations


def create(apps, schema_editor):
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    """The table of the cache, which is made by a command of its own and belongs to no model."""

    initial = True
    dependencies = []
    operations = [migrations.RunPython(create, migrations.RunPython.noop, elidable=False)]
