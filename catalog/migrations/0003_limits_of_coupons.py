import django.core.validators
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_initial"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="coupon",
            name="insert_insert",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="coupon",
            name="update_update",
        ),
        migrations.AddField(
            model_name="coupon",
            name="is_once_per_person",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Whoever has had it, by whatever customer of one address, gets it no more.",
                verbose_name="once per person",
            ),
        ),
        migrations.AddField(
            model_name="coupon",
            name="last_on",
            field=models.DateField(
                blank=True,
                help_text="On which it can be redeemed; what it gives may last longer. Empty: none.",
                null=True,
                verbose_name="last day",
            ),
        ),
        migrations.AddField(
            model_name="coupon",
            name="uses_max",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="By all customers together; empty: any number.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000000),
                ],
                verbose_name="uses",
            ),
        ),
        migrations.AddField(
            model_name="couponevent",
            name="is_once_per_person",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Whoever has had it, by whatever customer of one address, gets it no more.",
                verbose_name="once per person",
            ),
        ),
        migrations.AddField(
            model_name="couponevent",
            name="last_on",
            field=models.DateField(
                blank=True,
                help_text="On which it can be redeemed; what it gives may last longer. Empty: none.",
                null=True,
                verbose_name="last day",
            ),
        ),
        migrations.AddField(
            model_name="couponevent",
            name="uses_max",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="By all customers together; empty: any number.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000000),
                ],
                verbose_name="uses",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="coupon",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "catalog_couponevent" ("amount_off_minor", "code", "currency", "duration", "id", "is_active", "is_once_per_person", "last_on", "name", "percent_off", "periods", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plans", "prices", "public_id", "seller_id", "uses_max") VALUES (NEW."amount_off_minor", NEW."code", NEW."currency", NEW."duration", NEW."id", NEW."is_active", NEW."is_once_per_person", NEW."last_on", NEW."name", NEW."percent_off", NEW."periods", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."plans", NEW."prices", NEW."public_id", NEW."seller_id", NEW."uses_max"); RETURN NULL;',
                    hash="f4a076b13578793b5b1a47be263f43ec0ac335c9",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_3a6de",
                    table="catalog_coupon",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="coupon",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "catalog_couponevent" ("amount_off_minor", "code", "currency", "duration", "id", "is_active", "is_once_per_person", "last_on", "name", "percent_off", "periods", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plans", "prices", "public_id", "seller_id", "uses_max") VALUES (NEW."amount_off_minor", NEW."code", NEW."currency", NEW."duration", NEW."id", NEW."is_active", NEW."is_once_per_person", NEW."last_on", NEW."name", NEW."percent_off", NEW."periods", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."plans", NEW."prices", NEW."public_id", NEW."seller_id", NEW."uses_max"); RETURN NULL;',
                    hash="af92b0d68ab1cdfd266cb75ac6a33a290886c588",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_67935",
                    table="catalog_coupon",
                    when="AFTER",
                ),
            ),
        ),
    ]
