import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import billing.base.public_ids
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Message",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", billing.base.public_ids.PublicIdField(prefix="msg")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("order", "order confirmation"),
                            ("invoice", "invoice"),
                            ("credit_note", "credit note"),
                            ("receipt", "receipt"),
                            ("refund", "money paid back"),
                            ("payment_failed", "payment failed"),
                            ("action_needed", "action needed"),
                            ("reminder", "reminder"),
                            ("restricted", "access restricted"),
                            ("suspended", "access suspended"),
                            ("restored", "access restored"),
                            ("renewal", "upcoming renewal"),
                            ("trial_ending", "trial ending"),
                            ("plan_changed", "plan changed"),
                            ("paused", "paused"),
                            ("resumed", "resumed"),
                            ("canceled", "canceled"),
                            ("cancel_undone", "canceling undone"),
                            ("sign_in", "sign-in link"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "object",
                    models.CharField(
                        help_text="What it tells of, once: an object's public id, or an event's.",
                        max_length=60,
                    ),
                ),
                ("recipient", models.EmailField(blank=True, default="", max_length=254)),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("sv", "Svenska")], default="en", max_length=5
                    ),
                ),
                (
                    "facts",
                    models.JSONField(db_default={}, default=dict, help_text="What the event told."),
                ),
                ("subject", models.CharField(blank=True, default="", max_length=300)),
                ("text", models.TextField(blank=True, default="")),
                ("html", models.TextField(blank=True, default="")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("sending", "Sending"),
                            ("sent", "Sent"),
                            ("unclear", "Unclear"),
                            ("failed", "Failed"),
                            ("suppressed", "Suppressed"),
                            ("print", "to be printed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0)),
                (
                    "deaths",
                    models.PositiveSmallIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Workers that ended with this mail in hand.",
                    ),
                ),
                (
                    "lease",
                    models.IntegerField(
                        editable=False,
                        help_text="Of the worker that has it, as long as that lives.",
                        null=True,
                    ),
                ),
                ("first_attempt_at", models.DateTimeField(blank=True, null=True)),
                (
                    "next_attempt_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("last_error", models.TextField(blank=True, db_default="", default="")),
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
                        related_name="messages",
                        to="customers.customer",
                    ),
                ),
                (
                    "seller",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="messages",
                        to="customers.seller",
                    ),
                ),
            ],
            options={
                "permissions": [
                    ("send_message", "Can send a mail again, or settle what became of it")
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["waiting", "sending"])),
                        fields=["next_attempt_at"],
                        name="message_is_due",
                    ),
                    models.Index(
                        condition=models.Q(
                            ("lease__isnull", False), ("state__in", ["waiting", "sending"])
                        ),
                        fields=["lease"],
                        name="message_is_in_hand",
                    ),
                    models.Index(
                        condition=models.Q(("state__in", ["failed", "unclear", "print"])),
                        fields=["state"],
                        name="message_needs_a_person",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "object", "recipient"), name="message_is_made_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("sent_at__isnull", False), ("state", "sent")),
                            models.Q(
                                models.Q(("state", "sent"), _negated=True),
                                ("sent_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="sent_message_has_its_moment",
                    ),
                ],
            },
        ),
        AtOnce(
            [
                pgtrigger.migrations.AddTrigger(
                    model_name="message",
                    trigger=pgtrigger.compiler.Trigger(
                        name="message_follows_its_lifecycle",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE _is_valid_transition BOOLEAN;",
                            func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{waiting:failed,waiting:print,waiting:sending,waiting:suppressed,sending:failed,sending:sent,sending:unclear,sending:waiting,unclear:sent,unclear:suppressed,unclear:waiting,failed:suppressed,failed:waiting,suppressed:waiting,print:sent}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                            hash="3e1cac530cdc32bb1743009398024a094bdc7efe",
                            operation="UPDATE",
                            pgid="pgtrigger_message_follows_its_lifecycle_85f70",
                            table="mail_message",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="message",
                    trigger=pgtrigger.compiler.Trigger(
                        name="message_stays_with_its_recipient",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."object" IS DISTINCT FROM (NEW."object") OR OLD."recipient" IS DISTINCT FROM (NEW."recipient"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="8a62754f61aa2b8fe48c92b2fac7b89d0731af21",
                            operation="UPDATE",
                            pgid="pgtrigger_message_stays_with_its_recipient_a9460",
                            table="mail_message",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="message",
                    trigger=pgtrigger.compiler.Trigger(
                        name="sent_message_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.\"state\" = 'sent')",
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="aa72e8cc9515a5eb756c76c1efd7c5337faa4767",
                            operation="UPDATE",
                            pgid="pgtrigger_sent_message_is_never_edited_da4c7",
                            table="mail_message",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="message",
                    trigger=pgtrigger.compiler.Trigger(
                        name="sent_message_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.\"state\" = 'sent')",
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="4008dc18664d0cdd400fbb7b94d5687edddc23b4",
                            operation="DELETE",
                            pgid="pgtrigger_sent_message_is_never_deleted_95345",
                            table="mail_message",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
