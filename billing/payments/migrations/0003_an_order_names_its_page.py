import django.db.models.deletion
from django.db import migrations, models

NAME_THE_LAST_PAGE = """
    UPDATE payments_order SET page_id = last.id
    FROM (
        SELECT DISTINCT ON (order_id) order_id, id FROM payments_checkoutsession
        WHERE order_id IS NOT NULL ORDER BY order_id, id DESC
    ) last
    WHERE payments_order.id = last.order_id AND payments_order.page_id IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_initial")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="page",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="The last page for the card that it waits for; "
                "one to pay is its invoice's.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="payments.checkoutsession",
            ),
        ),
        # The column stays for code of before that still runs, and goes with the next release.
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField(model_name="checkoutsession", name="order")]
        ),
        # Last, since a table that waits for its keys to be checked takes no other change.
        migrations.RunSQL(NAME_THE_LAST_PAGE, migrations.RunSQL.noop),
    ]
