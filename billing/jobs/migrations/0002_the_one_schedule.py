from django.db import migrations

from billing.base import clock
from billing.jobs.broker_schedule import NAME, ensure_schedule


def make(apps, schema_editor):
    ensure_schedule(apps.get_model("django_q", "Schedule").objects, clock.now())


def unmake(apps, schema_editor):
    apps.get_model("django_q", "Schedule").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0001_initial"),
        ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more"),
    ]

    operations = [migrations.RunPython(make, unmake)]
