from django.db import migrations, models

import billing.api.models


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0001_keys_and_requests"),
    ]

    operations = [
        migrations.DeleteModel(name="Guesser"),
        migrations.CreateModel(
            name="Bucket",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("what", models.CharField(max_length=40)),
                ("address", models.GenericIPAddressField()),
                ("tokens", billing.api.models.TokensField(decimal_places=6, max_digits=16)),
                ("filled_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("what", "address"), name="address_has_one_bucket"
                    )
                ],
            },
        ),
        migrations.AlterField(
            model_name="apikey",
            name="burst",
            field=models.PositiveIntegerField(
                db_default=200,
                default=200,
                help_text="Requests at once; of a publishable key, of each visitor's address.",
            ),
        ),
    ]
