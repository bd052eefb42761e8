from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0006_number_when_paid")]

    operations = [
        ValidateConstraint(model_name="invoice", name="issued_document_has_a_number"),
    ]
