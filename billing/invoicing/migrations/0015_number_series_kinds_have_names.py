from django.db import migrations, models


class Migration(migrations.Migration):
    """The kinds of number series are chosen by their names; nothing changes in the database."""

    dependencies = [("invoicing", "0014_balance_moves_when_customers_merge")]

    operations = [
        migrations.AlterField(
            model_name="numberseries",
            name="kind",
            field=models.CharField(
                choices=[("invoice", "invoice"), ("credit_note", "credit note")], max_length=11
            ),
        ),
    ]
