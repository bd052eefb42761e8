import django.contrib.postgres.fields
from django.db import migrations, models

import billing.api.models


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0003_rows_as_they_were"),
    ]

    operations = [
        migrations.AlterField(
            model_name="apikey",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=billing.api.models.scopes_of_keys, max_length=40
                ),
                default=list,
                size=None,
            ),
        ),
    ]
