from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("invoicing", "0004_open_invoice_by_day")]

    operations = [
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(fields=["total_minor", "id"], name="document_by_amount"),
        ),
    ]
