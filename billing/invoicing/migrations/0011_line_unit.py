from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0010_order_is_booked_when_paid"),
    ]

    operations = [
        migrations.AddField(
            model_name="invoiceline",
            name="unit",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of the quantity, such as kg, as its meter had it on the day of issue.",
                max_length=20,
            ),
        ),
    ]
