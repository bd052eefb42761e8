from django.db import migrations, models

import customers.models


class Migration(migrations.Migration):
    """A mail that the server took for some is sent to the others alone."""

    dependencies = [("mail", "0005_addressees")]

    operations = [
        migrations.AddField(
            model_name="message",
            name="taken_for",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                help_text="Who has it already, where the server refused another addressee. "
                "It is not sent to them again.",
                size=20,
                verbose_name="taken for",
            ),
        ),
    ]
