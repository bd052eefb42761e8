import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import billing.base.public_ids
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="Delivery",
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
                        ("subscriber", models.CharField(max_length=80)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Pending"),
                                    ("done", "Done"),
                                    ("dead", "Dead"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        (
                            "next_attempt_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now()
                            ),
                        ),
                        ("last_error", models.TextField(blank=True, default="")),
                    ],
                    options={
                        "verbose_name_plural": "deliveries",
                    },
                ),
                migrations.CreateModel(
                    name="Event",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="evt")),
                        (
                            "seller",
                            models.CharField(help_text="Public id of the seller.", max_length=40),
                        ),
                        (
                            "type",
                            models.CharField(
                                help_text="noun.past_tense, such as invoice.finalized",
                                max_length=60,
                            ),
                        ),
                        (
                            "subject",
                            models.CharField(help_text="Public id of the object.", max_length=40),
                        ),
                        ("occurred_on", models.DateField()),
                        ("actor", models.CharField(max_length=80)),
                        ("data", models.JSONField(db_default={}, default=dict)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        ("is_fanned_out", models.BooleanField(db_default=False, default=False)),
                        (
                            "sequence",
                            models.PositiveIntegerField(
                                editable=False,
                                help_text="Counts the public events of an object from 1; given when it is fanned out.",
                                null=True,
                            ),
                        ),
                        (
                            "position",
                            models.PositiveBigIntegerField(
                                editable=False,
                                help_text="Counts those of a seller likewise: whoever has read up to one missed none.",
                                null=True,
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="KeptRow",
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
                        ("relation", models.CharField(help_text="The table.", max_length=63)),
                        ("row_id", models.BigIntegerField()),
                        (
                            "subject",
                            models.CharField(
                                help_text="Public id of the object that it is of.", max_length=40
                            ),
                        ),
                        (
                            "event_id",
                            models.BigIntegerField(
                                help_text="The newest event of the object that saw the row so."
                            ),
                        ),
                        (
                            "old",
                            models.JSONField(
                                help_text="Empty where the row was not there before.", null=True
                            ),
                        ),
                        (
                            "kept_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Promise",
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
                        ("target", models.CharField(help_text="The table.", max_length=63)),
                        (
                            "ids",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.BigIntegerField()
                            ),
                        ),
                        (
                            "guard",
                            models.CharField(help_text="The trigger that asks.", max_length=63),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Tally",
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
                                help_text="What is counted, such as events.", max_length=40
                            ),
                        ),
                        (
                            "outcome",
                            models.CharField(
                                help_text="Which of them, such as invoice.paid.", max_length=80
                            ),
                        ),
                        ("count", models.BigIntegerField()),
                    ],
                    options={
                        "verbose_name_plural": "tallies",
                    },
                ),
                migrations.CreateModel(
                    name="Trouble",
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
                        ("step", models.CharField(help_text="What was being done.", max_length=80)),
                        (
                            "subject",
                            models.CharField(
                                help_text="What it was done for: a customer, or one thing of theirs.",
                                max_length=120,
                            ),
                        ),
                        ("seller", models.CharField(blank=True, default="", max_length=80)),
                        ("kind", models.CharField(help_text="The kind of error.", max_length=120)),
                        ("message", models.TextField(blank=True, default="")),
                        ("traceback", models.TextField(blank=True, default="")),
                        ("times", models.PositiveIntegerField(default=1)),
                        ("first_seen_at", models.DateTimeField()),
                        ("last_seen_at", models.DateTimeField()),
                        ("next_attempt_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "trouble",
                        "verbose_name_plural": "troubles",
                    },
                ),
                migrations.CreateModel(
                    name="WebhookAttempt",
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
                        ("began_at", models.DateTimeField(db_index=True)),
                        ("milliseconds", models.PositiveIntegerField(blank=True, null=True)),
                        ("status", models.PositiveSmallIntegerField(blank=True, null=True)),
                        (
                            "answer",
                            models.TextField(
                                blank=True, default="", help_text="Its first 500 characters."
                            ),
                        ),
                        ("error", models.TextField(blank=True, default="")),
                    ],
                    options={
                        "verbose_name": "webhook attempt",
                    },
                ),
                migrations.CreateModel(
                    name="WebhookDelivery",
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
                        ("subject", models.CharField(max_length=40)),
                        ("sequence", models.PositiveIntegerField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Pending"),
                                    ("done", "Done"),
                                    ("dead", "Dead"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("first_attempt_at", models.DateTimeField(blank=True, null=True)),
                        ("next_attempt_at", models.DateTimeField()),
                        (
                            "ended_at",
                            models.DateTimeField(
                                blank=True, help_text="When it was taken, or died.", null=True
                            ),
                        ),
                        ("last_error", models.TextField(blank=True, default="")),
                    ],
                    options={
                        "verbose_name": "webhook delivery",
                        "verbose_name_plural": "webhook deliveries",
                    },
                ),
                migrations.CreateModel(
                    name="WebhookEndpoint",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="we")),
                        (
                            "seller",
                            models.CharField(help_text="Public id of the seller.", max_length=40),
                        ),
                        (
                            "is_live",
                            models.BooleanField(
                                help_text="The seller's mode, which never changes."
                            ),
                        ),
                        ("url", models.CharField(max_length=2000, verbose_name="address")),
                        (
                            "types",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=60),
                                help_text="Types of events, such as invoice.paid; invoice.* for all of a kind, * for all.",
                            ),
                        ),
                        ("description", models.CharField(blank=True, default="", max_length=200)),
                        ("is_enabled", models.BooleanField(default=True)),
                        (
                            "disabled_reason",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Empty where a person turned it off.",
                                max_length=200,
                            ),
                        ),
                        (
                            "failing_since",
                            models.DateTimeField(
                                blank=True,
                                help_text="Since when nothing has been taken there.",
                                null=True,
                            ),
                        ),
                        (
                            "secret_sealed",
                            models.TextField(help_text="Signs what is sent; encrypted."),
                        ),
                        ("old_secret_sealed", models.TextField(blank=True, default="")),
                        (
                            "old_secret_until",
                            models.DateTimeField(
                                blank=True,
                                help_text="Until then the secret before this one signs as well.",
                                null=True,
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
                        "verbose_name": "webhook endpoint",
                    },
                ),
                migrations.CreateModel(
                    name="EventBody",
                    fields=[
                        (
                            "event",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                primary_key=True,
                                related_name="body",
                                serialize=False,
                                to="events.event",
                            ),
                        ),
                        ("text", models.TextField()),
                    ],
                    options={
                        "verbose_name_plural": "event bodies",
                    },
                ),
            ]
        ),
        AtOnce(
            [
                migrations.AddIndex(
                    model_name="event",
                    index=models.Index(fields=["subject"], name="event_by_subject"),
                ),
                migrations.AddIndex(
                    model_name="event",
                    index=models.Index(
                        condition=models.Q(("is_fanned_out", False)),
                        fields=["id"],
                        name="event_waits_for_fan_out",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="event",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("sequence__isnull", False)),
                        fields=("subject", "sequence"),
                        name="event_sequence_is_unique_for_an_object",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="event",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("position__isnull", False)),
                        fields=("seller", "position"),
                        name="event_position_is_unique_for_a_seller",
                    ),
                ),
                migrations.AddField(
                    model_name="delivery",
                    name="event",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="events.event",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="event",
                    trigger=pgtrigger.compiler.Trigger(
                        name="event_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller" IS DISTINCT FROM (NEW."seller") OR OLD."type" IS DISTINCT FROM (NEW."type") OR OLD."subject" IS DISTINCT FROM (NEW."subject") OR OLD."occurred_on" IS DISTINCT FROM (NEW."occurred_on") OR OLD."actor" IS DISTINCT FROM (NEW."actor") OR OLD."data" IS DISTINCT FROM (NEW."data") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="82f1b6117119d3ef8bec3911621df162969049bd",
                            operation="UPDATE",
                            pgid="pgtrigger_event_is_never_edited_2c27e",
                            table="events_event",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="event",
                    trigger=pgtrigger.compiler.Trigger(
                        name="event_sequence_is_given_once",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN ((OLD."sequence" IS DISTINCT FROM (NEW."sequence") OR OLD."position" IS DISTINCT FROM (NEW."position")) AND OLD."sequence" IS NOT NULL)',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="470cd2fbb8e54f7e86535b3b478b669d831208d7",
                            operation="UPDATE",
                            pgid="pgtrigger_event_sequence_is_given_once_7d364",
                            table="events_event",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="event",
                    trigger=pgtrigger.compiler.Trigger(
                        name="event_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="f24e69febb549baecfc5c74f3bbcfe0f58b445c6",
                            operation="DELETE",
                            pgid="pgtrigger_event_is_never_deleted_9e8d7",
                            table="events_event",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="keptrow",
                    index=models.Index(
                        fields=["subject", "event_id"], name="kept_row_of_an_object"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="promise",
                    trigger=pgtrigger.compiler.Trigger(
                        name="promise_is_kept",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            constraint="CONSTRAINT",
                            declare="DECLARE found bigint;",
                            func="\n    EXECUTE format('SELECT count(*) FROM %I WHERE id = ANY ($1)', NEW.target)\n        INTO found USING NEW.ids;\n    IF found < cardinality(NEW.ids) THEN\n        EXECUTE format('SELECT min(named.id) FROM unnest($1) AS named (id)'\n                       ' WHERE NOT EXISTS (SELECT FROM %I target WHERE target.id = named.id)',\n                       NEW.target) INTO found USING NEW.ids;\n        RAISE EXCEPTION '%: there is no such row in %', found, NEW.target\n            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = NEW.guard;\n    END IF;\n    DELETE FROM events_promise WHERE id = NEW.id;\n    RETURN NULL;\n",
                            hash="d625159f4ecd80b6024cb5563f80a4e45de98280",
                            operation="INSERT",
                            pgid="pgtrigger_promise_is_kept_8ce3f",
                            table="events_promise",
                            timing="DEFERRABLE INITIALLY DEFERRED",
                            when="AFTER",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="tally",
                    constraint=models.UniqueConstraint(
                        fields=("kind", "outcome"), name="tally_is_kept_once"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="trouble",
                    constraint=models.UniqueConstraint(
                        fields=("step", "subject"), name="one_trouble_of_a_thing"
                    ),
                ),
                migrations.AddField(
                    model_name="webhookdelivery",
                    name="event",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_deliveries",
                        to="events.event",
                    ),
                ),
                migrations.AddField(
                    model_name="webhookattempt",
                    name="delivery",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempt_log",
                        to="events.webhookdelivery",
                    ),
                ),
                migrations.AddIndex(
                    model_name="webhookendpoint",
                    index=models.Index(fields=["seller"], name="webhook_endpoint_of_a_seller"),
                ),
                migrations.AddConstraint(
                    model_name="webhookendpoint",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("types__len__gt", 0)),
                        name="webhook_endpoint_is_told_something",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="webhookendpoint",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("old_secret_sealed", ""), ("old_secret_until", None)),
                            models.Q(
                                models.Q(("old_secret_sealed", ""), _negated=True),
                                ("old_secret_until__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="old_webhook_secret_has_an_end",
                    ),
                ),
                migrations.AddField(
                    model_name="webhookdelivery",
                    name="endpoint",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="events.webhookendpoint",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="webhookendpoint",
                    trigger=pgtrigger.compiler.Trigger(
                        name="webhook_endpoint_stays_with_its_seller",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."seller" IS DISTINCT FROM (NEW."seller") OR OLD."is_live" IS DISTINCT FROM (NEW."is_live"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="fd3421a23537adfd46d7c79fef67bab8bf5457e8",
                            operation="UPDATE",
                            pgid="pgtrigger_webhook_endpoint_stays_with_its_seller_7157f",
                            table="events_webhookendpoint",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="eventbody",
                    trigger=pgtrigger.compiler.Trigger(
                        name="event_body_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="d07a7b2c45141f89ee85f22a06098da1f7a1c43c",
                            operation="UPDATE",
                            pgid="pgtrigger_event_body_is_never_edited_bb8ba",
                            table="events_eventbody",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="delivery",
                    index=models.Index(
                        condition=models.Q(("state", "dead")),
                        fields=["id"],
                        name="delivery_is_given_up",
                    ),
                ),
                migrations.AddIndex(
                    model_name="delivery",
                    index=models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["next_attempt_at"],
                        name="delivery_is_due",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="delivery",
                    constraint=models.UniqueConstraint(
                        fields=("event", "subscriber"),
                        name="event_is_delivered_once_to_a_subscriber",
                    ),
                ),
                migrations.AddIndex(
                    model_name="webhookdelivery",
                    index=models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["endpoint", "next_attempt_at"],
                        name="webhook_delivery_is_due",
                    ),
                ),
                migrations.AddIndex(
                    model_name="webhookdelivery",
                    index=models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["endpoint", "subject", "sequence"],
                        name="webhook_delivery_in_order",
                    ),
                ),
                migrations.AddIndex(
                    model_name="webhookdelivery",
                    index=models.Index(fields=["ended_at"], name="webhook_delivery_has_ended"),
                ),
                migrations.AddIndex(
                    model_name="webhookdelivery",
                    index=models.Index(
                        condition=models.Q(("state", "dead")),
                        fields=["id"],
                        name="webhook_delivery_is_given_up",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="webhookdelivery",
                    constraint=models.UniqueConstraint(
                        fields=("endpoint", "event"), name="event_is_sent_to_an_endpoint_once"
                    ),
                ),
            ]
        ),
    ]
