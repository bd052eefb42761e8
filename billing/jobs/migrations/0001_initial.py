from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80, unique=True)),
                ("beat_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="JobRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("stopped", "Stopped"),
                        ],
                        default="running",
                        max_length=10,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "beat_at",
                    models.DateTimeField(help_text="When it last told how far it had come."),
                ),
                ("done", models.PositiveIntegerField(default=0)),
                (
                    "total",
                    models.PositiveIntegerField(
                        blank=True, help_text="Empty where nobody knows beforehand.", null=True
                    ),
                ),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="Runs in a row that came to nothing, this one counted; if the worker dies in the 5th the job is halted until somebody presses Run again.",
                    ),
                ),
                ("stop_requested", models.BooleanField(default=False)),
                ("log", models.TextField(blank=True, default="")),
                ("error", models.TextField(blank=True, default="")),
            ],
            options={
                "verbose_name": "job run",
                "indexes": [models.Index(fields=["name", "-id"], name="job_run_newest")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "running")),
                        fields=("name",),
                        name="job_runs_once_at_a_time",
                    )
                ],
            },
        ),
    ]
