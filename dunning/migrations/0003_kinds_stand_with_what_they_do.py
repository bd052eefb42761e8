from django.db import migrations, models

import dunning.models


class Migration(migrations.Migration):
    dependencies = [
        ("dunning", "0002_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="dunningaction",
            name="kind",
            field=models.CharField(choices=dunning.models.kinds_of_step, max_length=9),
        ),
        migrations.AlterField(
            model_name="dunningstep",
            name="kind",
            field=models.CharField(choices=dunning.models.kinds_of_step, max_length=9),
        ),
        migrations.AlterField(
            model_name="dunningstepevent",
            name="kind",
            field=models.CharField(choices=dunning.models.kinds_of_step, max_length=9),
        ),
    ]
