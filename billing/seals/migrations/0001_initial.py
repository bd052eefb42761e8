import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="Horizon",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        ("chain", models.CharField(max_length=80, unique=True)),
                        ("until", models.BigIntegerField()),
                        (
                            "transaction_id",
                            models.BigIntegerField(
                                help_text="All transactions below it must be over."
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Seal",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        (
                            "chain",
                            models.CharField(
                                help_text="What is sealed, such as transfers.", max_length=80
                            ),
                        ),
                        (
                            "position",
                            models.PositiveIntegerField(
                                help_text="From 1, without a gap in its chain."
                            ),
                        ),
                        (
                            "after",
                            models.BigIntegerField(help_text="Sealed are the keys above this one,"),
                        ),
                        ("until", models.BigIntegerField(help_text="up to this one.")),
                        ("rows", models.PositiveIntegerField()),
                        (
                            "columns",
                            models.JSONField(
                                help_text="What was sealed of each table: later ones are not in it."
                            ),
                        ),
                        (
                            "digest",
                            models.CharField(help_text="SHA-256 of the rows.", max_length=64),
                        ),
                        (
                            "mark",
                            models.CharField(
                                help_text="SHA-256 of the mark before and the digest.",
                                max_length=64,
                            ),
                        ),
                        ("sealed_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("chain", "position"), name="seal_position_is_unique"
                            )
                        ],
                    },
                ),
            ]
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="seal",
            trigger=pgtrigger.compiler.Trigger(
                name="seal_is_append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="97e5ba12dbba820bf5327b7a728ec1aa17fa63a9",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_seal_is_append_only_1ab2b",
                    table="seals_seal",
                    when="BEFORE",
                ),
            ),
        ),
    ]
