from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_an_order_names_its_page")]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="gateway_code",
            field=models.CharField(blank=True, db_default="", default="", max_length=60),
        ),
    ]
