from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Those who were merged into a customer are found at once."""

    atomic = False  # The index is made beside those who write.
    dependencies = [
        ("customers", "0007_merged_into"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="customer",
            index=models.Index(
                condition=models.Q(("merged_into__isnull", False)),
                fields=["merged_into", "id"],
                name="customer_that_was_merged",
            ),
        ),
    ]
