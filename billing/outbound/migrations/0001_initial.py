import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="HoldEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        (
                            "code",
                            models.CharField(
                                help_text="Why, for programs: database_is_older.", max_length=40
                            ),
                        ),
                        (
                            "reason",
                            models.TextField(help_text="Why, and what to do, in a sentence."),
                        ),
                        ("details", models.JSONField(blank=True, db_default={}, default=dict)),
                        (
                            "held_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        ("released_at", models.DateTimeField(blank=True, null=True)),
                        ("released_by", models.CharField(blank=True, default="", max_length=80)),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="KillSwitch",
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
                            "seller",
                            models.CharField(
                                blank=True,
                                help_text="Public id; empty for all sellers.",
                                max_length=40,
                                null=True,
                            ),
                        ),
                        ("reason", models.CharField(max_length=300)),
                        (
                            "on_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        ("on_by", models.CharField(max_length=80)),
                        ("off_at", models.DateTimeField(blank=True, null=True)),
                        ("off_by", models.CharField(blank=True, default="", max_length=80)),
                    ],
                    options={
                        "verbose_name_plural": "kill switches",
                        "permissions": [
                            ("press_killswitch", "Can stop charging, and let it go on")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="KillSwitchEvent",
                    fields=[
                        ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                        ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                        ("pgh_label", models.TextField(help_text="The event label.")),
                        ("id", models.BigIntegerField()),
                        (
                            "seller",
                            models.CharField(
                                blank=True,
                                help_text="Public id; empty for all sellers.",
                                max_length=40,
                                null=True,
                            ),
                        ),
                        ("reason", models.CharField(max_length=300)),
                        (
                            "on_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        ("on_by", models.CharField(max_length=80)),
                        ("off_at", models.DateTimeField(blank=True, null=True)),
                        ("off_by", models.CharField(blank=True, default="", max_length=80)),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="DatabaseMark",
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
                        ("installation", models.CharField(max_length=32)),
                        (
                            "generation",
                            models.PositiveIntegerField(
                                default=1, help_text="How often a person has said go on."
                            ),
                        ),
                        ("position", models.PositiveBigIntegerField(default=1)),
                        ("place", models.CharField(max_length=120)),
                        ("seen_at", models.DateTimeField()),
                        ("seen_by", models.CharField(max_length=255)),
                        (
                            "restores",
                            models.PositiveIntegerField(
                                db_default=0,
                                default=0,
                                help_text="How often it went on after something may have been lost: events of other numbers than those lost are told from then on.",
                            ),
                        ),
                        (
                            "doubted_until",
                            models.DateTimeField(
                                blank=True,
                                help_text="What the tick tells until then may have been told before.",
                                null=True,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("pk", 1)), name="database_has_one_mark"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Hold",
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
                            "code",
                            models.CharField(
                                help_text="Why, for programs: database_is_older.", max_length=40
                            ),
                        ),
                        (
                            "reason",
                            models.TextField(help_text="Why, and what to do, in a sentence."),
                        ),
                        ("details", models.JSONField(blank=True, db_default={}, default=dict)),
                        (
                            "held_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        ("released_at", models.DateTimeField(blank=True, null=True)),
                        ("released_by", models.CharField(blank=True, default="", max_length=80)),
                    ],
                    options={
                        "permissions": [("release_hold", "Can let everything go on after a hold")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("released_at", None), ("released_by", "")),
                                    models.Q(
                                        ("released_at__isnull", False),
                                        models.Q(("released_by", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="hold_is_released_by_somebody",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("released_at", None)),
                                fields=("code",),
                                name="hold_stands_once_for_a_reason",
                            ),
                        ],
                    },
                ),
            ]
        ),
        AtOnce(
            [
                pgtrigger.migrations.AddTrigger(
                    model_name="hold",
                    trigger=pgtrigger.compiler.Trigger(
                        name="hold_keeps_its_reason",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."code" IS DISTINCT FROM (NEW."code") OR OLD."held_at" IS DISTINCT FROM (NEW."held_at"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="996a3a05095da434c7def72dcdd37f8ad913a25b",
                            operation="UPDATE",
                            pgid="pgtrigger_hold_keeps_its_reason_0f4a1",
                            table="outbound_hold",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="hold",
                    trigger=pgtrigger.compiler.Trigger(
                        name="released_hold_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."released_at" IS NOT NULL)',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="28904d2c8b973ac23a655fa51792bb5559f68c5e",
                            operation="UPDATE",
                            pgid="pgtrigger_released_hold_is_never_edited_c08ef",
                            table="outbound_hold",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="hold",
                    trigger=pgtrigger.compiler.Trigger(
                        name="hold_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="e876bda81db3e70d40719f24b7195c1eb594b77d",
                            operation="DELETE",
                            pgid="pgtrigger_hold_is_never_deleted_6e401",
                            table="outbound_hold",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="hold",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "outbound_holdevent" ("code", "details", "held_at", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "released_at", "released_by") VALUES (NEW."code", NEW."details", NEW."held_at", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."reason", NEW."released_at", NEW."released_by"); RETURN NULL;',
                            hash="de0c5a025646a84841e2c0f5ec5850b240e181cd",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_0ff62",
                            table="outbound_hold",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="hold",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "outbound_holdevent" ("code", "details", "held_at", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "released_at", "released_by") VALUES (NEW."code", NEW."details", NEW."held_at", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."reason", NEW."released_at", NEW."released_by"); RETURN NULL;',
                            hash="6509854ac29a0dd9291cd74110cd6a417a000992",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_e9673",
                            table="outbound_hold",
                            when="AFTER",
                        ),
                    ),
                ),
                migrations.AddField(
                    model_name="holdevent",
                    name="pgh_context",
                    field=models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                migrations.AddField(
                    model_name="holdevent",
                    name="pgh_obj",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="outbound.hold",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="killswitch",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="kill_switch_has_a_reason",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="killswitch",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("off_at", None), ("off_by", "")),
                            models.Q(
                                ("off_at__isnull", False), models.Q(("off_by", ""), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="kill_switch_is_turned_off_by_somebody",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="killswitch",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("off_at", None)),
                        fields=("seller",),
                        name="kill_switch_is_on_once",
                        nulls_distinct=False,
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="killswitch",
                    trigger=pgtrigger.compiler.Trigger(
                        name="kill_switch_keeps_its_reason",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."seller" IS DISTINCT FROM (NEW."seller") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."on_at" IS DISTINCT FROM (NEW."on_at") OR OLD."on_by" IS DISTINCT FROM (NEW."on_by"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="7d01880725ce52a92ac165bd671237dce592aada",
                            operation="UPDATE",
                            pgid="pgtrigger_kill_switch_keeps_its_reason_09cdb",
                            table="outbound_killswitch",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="killswitch",
                    trigger=pgtrigger.compiler.Trigger(
                        name="kill_switch_that_is_off_stays_off",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."off_at" IS NOT NULL)',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="73d404ace4c63f8b7e82ccb16db3fc72c58f0463",
                            operation="UPDATE",
                            pgid="pgtrigger_kill_switch_that_is_off_stays_off_66e71",
                            table="outbound_killswitch",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="killswitch",
                    trigger=pgtrigger.compiler.Trigger(
                        name="kill_switch_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="480a055ff8bcc5dde3a53a80bb4ffd41f3cfb833",
                            operation="DELETE",
                            pgid="pgtrigger_kill_switch_is_never_deleted_e4c28",
                            table="outbound_killswitch",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="killswitch",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "outbound_killswitchevent" ("id", "off_at", "off_by", "on_at", "on_by", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "seller") VALUES (NEW."id", NEW."off_at", NEW."off_by", NEW."on_at", NEW."on_by", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."reason", NEW."seller"); RETURN NULL;',
                            hash="fc007e34a0b942c5b6dbe98045ad10f62bc555c0",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_34601",
                            table="outbound_killswitch",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="killswitch",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "outbound_killswitchevent" ("id", "off_at", "off_by", "on_at", "on_by", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "seller") VALUES (NEW."id", NEW."off_at", NEW."off_by", NEW."on_at", NEW."on_by", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."reason", NEW."seller"); RETURN NULL;',
                            hash="c8356f18f55157f9ed82c58435f0009d86ae6367",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_b20e7",
                            table="outbound_killswitch",
                            when="AFTER",
                        ),
                    ),
                ),
                migrations.AddField(
                    model_name="killswitchevent",
                    name="pgh_context",
                    field=models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                migrations.AddField(
                    model_name="killswitchevent",
                    name="pgh_obj",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="outbound.killswitch",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="holdevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="cfbcd11091902897a074d8ad41cefa6b02405dbc",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_2b87d",
                            table="outbound_holdevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="killswitchevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="1ddde1a2c802720569719e6a58d730db73d0ae7c",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_078f6",
                            table="outbound_killswitchevent",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
