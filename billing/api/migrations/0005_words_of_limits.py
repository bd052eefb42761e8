from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0004_scopes_stand_in_their_table"),
    ]

    operations = [
        migrations.AlterField(
            model_name="apikey",
            name="burst",
            field=models.PositiveIntegerField(
                db_default=200,
                default=200,
                help_text="Requests in one go; of a publishable key, from each visitor's address.",
            ),
        ),
    ]
