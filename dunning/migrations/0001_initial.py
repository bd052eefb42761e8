import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import billing.base.public_ids
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
    ]

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="DunningAction",
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
                            "kind",
                            models.CharField(
                                choices=[
                                    ("retry", "charge again"),
                                    ("remind", "remind"),
                                    ("restrict", "restrict access"),
                                    ("suspend", "suspend access"),
                                    ("cancel", "cancel the subscription"),
                                    ("write_off", "write off"),
                                ],
                                max_length=9,
                            ),
                        ),
                        ("done_on", models.DateField()),
                        (
                            "outcome",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Why nothing came of it, if so.",
                                max_length=300,
                            ),
                        ),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["id"],
                    },
                ),
                migrations.CreateModel(
                    name="DunningChoice",
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
                    ],
                    options={
                        "verbose_name": "choice",
                    },
                ),
                migrations.CreateModel(
                    name="DunningChoiceEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="DunningPolicy",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="dpo")),
                        ("code", models.CharField(max_length=80)),
                        ("name", models.CharField(max_length=200)),
                    ],
                    options={
                        "verbose_name_plural": "dunning policies",
                    },
                ),
                migrations.CreateModel(
                    name="DunningPolicyEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        (
                            "public_id",
                            billing.base.public_ids.PublicIdField(prefix="dpo", unique=False),
                        ),
                        ("code", models.CharField(max_length=80)),
                        ("name", models.CharField(max_length=200)),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="DunningStep",
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
                            "since",
                            models.CharField(
                                choices=[
                                    ("due", "the due date"),
                                    ("failure", "the first payment that failed"),
                                ],
                                max_length=7,
                            ),
                        ),
                        (
                            "days",
                            models.PositiveSmallIntegerField(
                                validators=[django.core.validators.MaxValueValidator(3650)]
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("retry", "charge again"),
                                    ("remind", "remind"),
                                    ("restrict", "restrict access"),
                                    ("suspend", "suspend access"),
                                    ("cancel", "cancel the subscription"),
                                    ("write_off", "write off"),
                                ],
                                max_length=9,
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "step",
                        "ordering": ["since", "days", "id"],
                    },
                ),
                migrations.CreateModel(
                    name="DunningStepEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        (
                            "since",
                            models.CharField(
                                choices=[
                                    ("due", "the due date"),
                                    ("failure", "the first payment that failed"),
                                ],
                                max_length=7,
                            ),
                        ),
                        (
                            "days",
                            models.PositiveSmallIntegerField(
                                validators=[django.core.validators.MaxValueValidator(3650)]
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("retry", "charge again"),
                                    ("remind", "remind"),
                                    ("restrict", "restrict access"),
                                    ("suspend", "suspend access"),
                                    ("cancel", "cancel the subscription"),
                                    ("write_off", "write off"),
                                ],
                                max_length=9,
                            ),
                        ),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="DunningCase",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="dun")),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("open", "Open"),
                                    ("recovered", "Recovered"),
                                    ("exhausted", "Exhausted"),
                                    ("stopped", "Stopped"),
                                ],
                                default="open",
                                max_length=9,
                            ),
                        ),
                        (
                            "since",
                            models.CharField(
                                choices=[
                                    ("due", "the due date"),
                                    ("failure", "the first payment that failed"),
                                ],
                                max_length=7,
                            ),
                        ),
                        ("late_from", models.DateField()),
                        (
                            "charged_from",
                            models.DateField(
                                blank=True,
                                help_text="When a card failed that came after the due date: it is charged again from then.",
                                null=True,
                            ),
                        ),
                        ("next_step_on", models.DateField(blank=True, null=True)),
                        (
                            "access",
                            models.CharField(
                                choices=[
                                    ("full", "full"),
                                    ("restricted", "restricted"),
                                    ("none", "no access"),
                                ],
                                default="full",
                                max_length=10,
                            ),
                        ),
                        ("closed_on", models.DateField(blank=True, null=True)),
                        (
                            "reason",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Why it was stopped.",
                                max_length=300,
                            ),
                        ),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        (
                            "customer",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="dunning_cases",
                                to="customers.customer",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "late debt",
                        "permissions": [
                            ("stop_dunningcase", "Can stop reminding of a debt"),
                            ("resume_dunningcase", "Can go on reminding of a debt"),
                        ],
                    },
                ),
            ]
        ),
    ]
