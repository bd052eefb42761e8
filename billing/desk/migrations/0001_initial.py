import django.db.models.functions.datetime
from django.db import migrations, models

from billing.installation.at_once import AtOnce

# The keys stood at the end of the log's sentences, where people read them.
KEYS_OUT_OF_THE_LOG = r"""
    INSERT INTO desk_doneform (model, object_id, key, sent_at)
    SELECT kind.app_label || '.' || kind.model, log.object_id,
           substring(log.change_message from '\(form ([^()]{1,20})\)$'), log.action_time
    FROM django_admin_log log
    JOIN django_content_type kind ON kind.id = log.content_type_id
    WHERE log.change_message ~ ' \(form [^()]{1,20}\)$' AND log.object_id IS NOT NULL
    ON CONFLICT DO NOTHING;
    UPDATE django_admin_log
    SET change_message = regexp_replace(change_message, ' \(form [^()]{1,20}\)$', '')
    WHERE change_message ~ ' \(form [^()]{1,20}\)$';
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="DoneForm",
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
                            "model",
                            models.CharField(
                                help_text="app.model of what its page is about.", max_length=200
                            ),
                        ),
                        ("object_id", models.TextField()),
                        ("key", models.CharField(max_length=20)),
                        (
                            "sent_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now()
                            ),
                        ),
                    ],
                    options={
                        "default_permissions": (),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("model", "object_id", "key"), name="form_is_done_once"
                            )
                        ],
                        "indexes": [models.Index(fields=["sent_at"], name="done_form_by_age")],
                    },
                ),
            ]
        ),
        migrations.RunSQL(KEYS_OUT_OF_THE_LOG, migrations.RunSQL.noop),
    ]
