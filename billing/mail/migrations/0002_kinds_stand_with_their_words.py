from django.db import migrations, models

import billing.mail.models


class Migration(migrations.Migration):
    dependencies = [
        ("mail", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="kind",
            field=models.CharField(choices=billing.mail.models.kinds_of_mail, max_length=20),
        ),
    ]
