import django.db.models.deletion
from django.db import migrations, models

BY_WHOM = "customers_customerevent_merged_into_id"


class Migration(migrations.Migration):
    """The history of those who were merged into a customer is found at once."""

    atomic = False  # The index is made beside those who write.
    dependencies = [
        ("customers", "0008_merged_customers_by_index"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"CREATE INDEX CONCURRENTLY {BY_WHOM}"
                    " ON customers_customerevent (merged_into_id)",
                    f"DROP INDEX CONCURRENTLY {BY_WHOM}",
                ),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="customerevent",
                    name="merged_into",
                    field=models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        editable=False,
                        help_text="The customer who goes on in place of this one, which is closed.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="customers.customer",
                    ),
                ),
            ],
        ),
    ]
