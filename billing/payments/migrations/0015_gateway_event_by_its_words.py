from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.contrib.postgres.search import SearchVector
from django.db import migrations
from django.db.models.functions import Left


class Migration(migrations.Migration):
    """What a gateway told is found by an id in it, without reading all that it ever told."""

    atomic = False  # The index is made beside those who write.
    dependencies = [("payments", "0014_merged_customers_get_nothing")]

    operations = [
        AddIndexConcurrently(
            model_name="gatewayevent",
            index=GinIndex(
                SearchVector("event_id", Left("body", 100_000), config="simple"),
                name="gateway_event_by_its_words",
            ),
        ),
    ]
