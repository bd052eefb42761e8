from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations

from billing.base.sql.plain import PlainWords


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("billing", "0002_words_without_accents"),
        ("customers", "0001_initial"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="customer",
            index=GinIndex(
                OpClass(
                    PlainWords(
                        *("name", "email", "organisation_number"),
                        *("address_line1", "postal_code", "city"),
                    ),
                    name="gin_trgm_ops",
                ),
                name="customer_by_what_is_typed",
            ),
        ),
        RemoveIndexConcurrently(model_name="customer", name="customer_by_name_or_email"),
    ]
