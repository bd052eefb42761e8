from django.db import migrations, models

import customers.models


class Migration(migrations.Migration):
    dependencies = [
        ("mail", "0004_message_is_told_once"),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="also_to",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                size=10,
                verbose_name="also to",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="cc",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                size=10,
                verbose_name="copy to",
            ),
        ),
    ]
