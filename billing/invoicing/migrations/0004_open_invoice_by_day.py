from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("invoicing", "0003_billed_once")]

    operations = [
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(
                fields=["seller", "due_on", "id"],
                condition=models.Q(("status", "open")),
                name="open_invoice_by_day",
            ),
        ),
        RemoveIndexConcurrently(model_name="invoice", name="invoice_is_open"),
    ]
