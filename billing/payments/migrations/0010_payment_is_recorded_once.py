from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

MAKE_THE_INDEX = """
    CREATE UNIQUE INDEX CONCURRENTLY payment_is_recorded_once
        ON payments_payment (reference, seller_id, source) WHERE reference IS NOT NULL
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0009_source_stays_as_it_is")]

    operations = [
        ValidateConstraint(model_name="payment", name="payment_is_of_its_source"),
        # Beside the writers, which a unique constraint of Django's cannot.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    MAKE_THE_INDEX, "DROP INDEX CONCURRENTLY payment_is_recorded_once"
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="payment",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("reference__isnull", False)),
                        fields=("reference", "seller", "source"),
                        name="payment_is_recorded_once",
                    ),
                )
            ],
        ),
    ]
