import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("catalog", "0002_initial"),
        ("customers", "0001_initial"),
        ("dunning", "0001_initial"),
        ("invoicing", "0001_initial"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        AtOnce(
            [
                migrations.AddField(
                    model_name="dunningcase",
                    name="invoice",
                    field=models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dunning_case",
                        to="invoicing.invoice",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningcase",
                    name="seller",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dunning_cases",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningaction",
                    name="case",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="actions",
                        to="dunning.dunningcase",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningchoice",
                    name="plan",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dunning_choices",
                        to="catalog.plan",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningchoice",
                    name="seller",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dunning_choices",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningchoiceevent",
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
                    model_name="dunningchoiceevent",
                    name="pgh_obj",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="dunning.dunningchoice",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningchoiceevent",
                    name="plan",
                    field=models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="catalog.plan",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningchoiceevent",
                    name="seller",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningpolicy",
                    name="seller",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dunning_policies",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningchoiceevent",
                    name="policy",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="dunning.dunningpolicy",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningchoice",
                    name="policy",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="choices",
                        to="dunning.dunningpolicy",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningcase",
                    name="policy",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cases",
                        to="dunning.dunningpolicy",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningpolicyevent",
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
                    model_name="dunningpolicyevent",
                    name="pgh_obj",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="dunning.dunningpolicy",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningpolicyevent",
                    name="seller",
                    field=models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="customers.seller",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningstep",
                    name="policy",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="dunning.dunningpolicy",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningcase",
                    name="next_step",
                    field=models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="dunning.dunningstep",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningaction",
                    name="step",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="dunning.dunningstep",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningstepevent",
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
                    model_name="dunningstepevent",
                    name="pgh_obj",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="dunning.dunningstep",
                    ),
                ),
                migrations.AddField(
                    model_name="dunningstepevent",
                    name="policy",
                    field=models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="dunning.dunningpolicy",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="dunningpolicy",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "code"),
                        name="dunning_policy_code_is_unique",
                        nulls_distinct=False,
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningpolicy",
                    trigger=pgtrigger.compiler.Trigger(
                        name="shipped_dunning_policy_stays",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."seller_id" IS NULL)',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="829af6f6c439f7ee6981107ffe41454135665a1d",
                            operation="DELETE",
                            pgid="pgtrigger_shipped_dunning_policy_stays_cde69",
                            table="dunning_dunningpolicy",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningpolicy",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "dunning_dunningpolicyevent" ("code", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "public_id", "seller_id") VALUES (NEW."code", NEW."id", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."public_id", NEW."seller_id"); RETURN NULL;',
                            hash="d8b0bc0c2fb2d6ecbb9ffb003b5a0fdb21d52329",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_d1f9e",
                            table="dunning_dunningpolicy",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningpolicy",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "dunning_dunningpolicyevent" ("code", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "public_id", "seller_id") VALUES (NEW."code", NEW."id", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."public_id", NEW."seller_id"); RETURN NULL;',
                            hash="e7a51b1847d3139001c592fc89f403e91b7a39c3",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_96baa",
                            table="dunning_dunningpolicy",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningchoiceevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="f261f755198dbb9a862cbd90d6edf52ef97331b1",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_81dd7",
                            table="dunning_dunningchoiceevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="dunningchoice",
                    constraint=models.UniqueConstraint(
                        fields=("seller", "plan"),
                        name="one_dunning_policy_is_chosen_for_a_plan",
                        nulls_distinct=False,
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningchoice",
                    trigger=pgtrigger.compiler.Trigger(
                        name="dunning_choice_stays_with_its_seller",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n    IF (SELECT seller_id FROM dunning_dunningpolicy WHERE id = NEW.policy_id) <> NEW.seller_id\n       OR (SELECT seller_id FROM catalog_plan WHERE id = NEW.plan_id) <> NEW.seller_id THEN\n        RAISE EXCEPTION 'policy % or plan % is another seller''s', NEW.policy_id, NEW.plan_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_choice_stays_with_its_seller';\n    END IF;\n    RETURN NEW;\n",
                            hash="1190b82a8857c2e313d6dc5b3b6a8013e6a22231",
                            operation="INSERT OR UPDATE",
                            pgid="pgtrigger_dunning_choice_stays_with_its_seller_66052",
                            table="dunning_dunningchoice",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningchoice",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "dunning_dunningchoiceevent" ("id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "policy_id", "seller_id") VALUES (NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."plan_id", NEW."policy_id", NEW."seller_id"); RETURN NULL;',
                            hash="eb9c02eea6d132e12352f6073879768c5e0eb79a",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_83f80",
                            table="dunning_dunningchoice",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningchoice",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "dunning_dunningchoiceevent" ("id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "policy_id", "seller_id") VALUES (NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."plan_id", NEW."policy_id", NEW."seller_id"); RETURN NULL;',
                            hash="cb48e21185aa7df6893925b843d3997e198ddcd1",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_f64aa",
                            table="dunning_dunningchoice",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningchoice",
                    trigger=pgtrigger.compiler.Trigger(
                        name="delete_delete",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "dunning_dunningchoiceevent" ("id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "policy_id", "seller_id") VALUES (OLD."id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."plan_id", OLD."policy_id", OLD."seller_id"); RETURN NULL;',
                            hash="a20004bac70b5232954ddb93fae946d3cbc2274b",
                            operation="DELETE",
                            pgid="pgtrigger_delete_delete_1afc5",
                            table="dunning_dunningchoice",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningpolicyevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="7d46516b379db68f3b4583cd89f3bf7e4a052fd2",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_a6748",
                            table="dunning_dunningpolicyevent",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="dunningstep",
                    constraint=models.UniqueConstraint(
                        fields=("policy", "since", "days", "kind"),
                        name="dunning_step_is_in_a_policy_once",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningstep",
                    trigger=pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "dunning_dunningstepevent" ("days", "id", "kind", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "policy_id", "since") VALUES (NEW."days", NEW."id", NEW."kind", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."policy_id", NEW."since"); RETURN NULL;',
                            hash="eef84416161fb3b465cc9d75d8b92027653451a9",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_33f0e",
                            table="dunning_dunningstep",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningstep",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "dunning_dunningstepevent" ("days", "id", "kind", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "policy_id", "since") VALUES (NEW."days", NEW."id", NEW."kind", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."policy_id", NEW."since"); RETURN NULL;',
                            hash="ac3d5ea42fe4e62156f72bcdafd8f414ec3df994",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_43b1e",
                            table="dunning_dunningstep",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningstep",
                    trigger=pgtrigger.compiler.Trigger(
                        name="delete_delete",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "dunning_dunningstepevent" ("days", "id", "kind", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "policy_id", "since") VALUES (OLD."days", OLD."id", OLD."kind", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."policy_id", OLD."since"); RETURN NULL;',
                            hash="7716efdf22155c1629684cdfeaad68b1a740f350",
                            operation="DELETE",
                            pgid="pgtrigger_delete_delete_4f78c",
                            table="dunning_dunningstep",
                            when="AFTER",
                        ),
                    ),
                ),
                migrations.AddIndex(
                    model_name="dunningcase",
                    index=models.Index(
                        condition=models.Q(("status", "open")),
                        fields=["seller", "next_step_on"],
                        name="dunning_case_is_open",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="dunningcase",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_on__isnull", True), ("status", "open")),
                            models.Q(
                                models.Q(("status", "open"), _negated=True),
                                ("closed_on__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="dunning_case_has_an_end_when_it_is_closed",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="dunningcase",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("next_step__isnull", True), ("next_step_on__isnull", True)),
                            models.Q(("next_step__isnull", False), ("next_step_on__isnull", False)),
                            _connector="OR",
                        ),
                        name="next_dunning_step_has_its_day",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="dunningcase",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("charged_from__isnull", True),
                            models.Q(
                                ("charged_from__gte", models.F("late_from")), ("since", "due")
                            ),
                            _connector="OR",
                        ),
                        name="late_card_comes_after_the_due_date",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningcase",
                    trigger=pgtrigger.compiler.Trigger(
                        name="dunning_case_follows_its_lifecycle",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            declare="DECLARE _is_valid_transition BOOLEAN;",
                            func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{open:exhausted,open:recovered,open:stopped,stopped:exhausted,stopped:open,stopped:recovered,exhausted:recovered,recovered:open}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                            hash="b0d6a01e15759e171d48fbdf3d6da2389f3f0242",
                            operation="UPDATE",
                            pgid="pgtrigger_dunning_case_follows_its_lifecycle_616a3",
                            table="dunning_dunningcase",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningcase",
                    trigger=pgtrigger.compiler.Trigger(
                        name="dunning_case_is_never_deleted",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                            hash="f3ad0c56640849eeb89a8b714406582966bce314",
                            operation="DELETE",
                            pgid="pgtrigger_dunning_case_is_never_deleted_8d6df",
                            table="dunning_dunningcase",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="dunningaction",
                    constraint=models.UniqueConstraint(
                        fields=("case", "step"), name="dunning_step_is_taken_once_in_a_case"
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningaction",
                    trigger=pgtrigger.compiler.Trigger(
                        name="dunning_action_is_never_edited",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="c9601b3b47227a1e2945ea7aa16bd53c33489312",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_dunning_action_is_never_edited_4fcdc",
                            table="dunning_dunningaction",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="dunningstepevent",
                    trigger=pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="2eb1d08634f24e1e28e4d3ae4476db90ef5b4e7a",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_29d8f",
                            table="dunning_dunningstepevent",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
