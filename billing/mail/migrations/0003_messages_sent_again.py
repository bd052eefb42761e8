import django.contrib.postgres.fields
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0001_initial"),
        ("mail", "0002_kinds_stand_with_their_words"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="message",
            name="message_stays_with_its_recipient",
        ),
        migrations.AddField(
            model_name="message",
            name="is_as_it_was",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="In the words of the mail that it sends again; else written anew.",
                verbose_name="as it was",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="link_purpose",
            field=models.CharField(
                db_default="",
                default="",
                editable=False,
                help_text="What its link opened.",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="link_subject",
            field=models.CharField(db_default="", default="", editable=False, max_length=60),
        ),
        migrations.AddField(
            model_name="message",
            name="papers",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=120),
                db_default=[],
                default=list,
                editable=False,
                help_text="What was attached: public ids, each with the name of its file.",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="resends",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                help_text="The mail that was sent before, which this one sends again.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="mail.message",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="message",
            trigger=pgtrigger.compiler.Trigger(
                name="message_stays_with_its_recipient",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."object" IS DISTINCT FROM (NEW."object") OR OLD."recipient" IS DISTINCT FROM (NEW."recipient") OR OLD."resends_id" IS DISTINCT FROM (NEW."resends_id") OR OLD."is_as_it_was" IS DISTINCT FROM (NEW."is_as_it_was"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="56a5518bb1009426a102e4b6e4b7fe29f7bb64b9",
                    operation="UPDATE",
                    pgid="pgtrigger_message_stays_with_its_recipient_a9460",
                    table="mail_message",
                    when="BEFORE",
                ),
            ),
        ),
    ]
