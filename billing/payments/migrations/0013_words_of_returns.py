from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0012_returns_have_their_day"),
    ]

    operations = [
        migrations.AlterField(
            model_name="refund",
            name="is_return",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="The money has gone back already: nobody sends or pays anything.",
            ),
        ),
    ]
