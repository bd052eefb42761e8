from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0002_customer_by_what_is_typed")]

    operations = [
        migrations.AddField(
            model_name="accesslink",
            name="address",
            field=models.EmailField(
                blank=True,
                db_default="",
                default="",
                help_text="Where it was mailed to: whoever reads that opens all accounts that have it.",
                max_length=254,
            ),
        ),
    ]
