from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("invoicing", "0008_buyer_reference")]

    operations = [
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(
                    ("credit_applied_minor__gt", 0), ("sequence", None), ("status", "open")
                ),
                fields=["customer"],
                name="order_that_keeps_a_balance",
            ),
        ),
    ]
