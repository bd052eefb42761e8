from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    """By itself, since the column before it locks the table until its transaction ends."""

    dependencies = [("payments", "0011_a_payment_comes_back")]

    operations = [ValidateConstraint(model_name="payment", name="returned_payment_has_its_day")]
