from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0005_failures_are_declines")]

    operations = [
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(fields=["amount_minor", "id"], name="payment_by_amount"),
        ),
        AddIndexConcurrently(
            model_name="paymentmethod",
            index=models.Index(fields=["last4"], name="payment_method_by_last_four"),
        ),
    ]
