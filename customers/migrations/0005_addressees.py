import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import customers.models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0004_buyer_reference"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="customer",
            name="insert_insert",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="customer",
            name="update_update",
        ),
        migrations.AddField(
            model_name="customer",
            name="invoice_cc",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                size=10,
                verbose_name="copy of invoices to",
            ),
        ),
        migrations.AddField(
            model_name="customer",
            name="invoice_to",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                help_text="Addresses with commas between them, in place of the customer's own.",
                size=10,
                verbose_name="invoices to",
            ),
        ),
        migrations.AddField(
            model_name="customer",
            name="reminder_cc",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                size=10,
                verbose_name="copy of reminders to",
            ),
        ),
        migrations.AddField(
            model_name="customer",
            name="reminder_to",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                help_text="Where nobody is named here, reminders go where invoices go.",
                size=10,
                verbose_name="reminders to",
            ),
        ),
        migrations.AddField(
            model_name="customerevent",
            name="invoice_cc",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                size=10,
                verbose_name="copy of invoices to",
            ),
        ),
        migrations.AddField(
            model_name="customerevent",
            name="invoice_to",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                help_text="Addresses with commas between them, in place of the customer's own.",
                size=10,
                verbose_name="invoices to",
            ),
        ),
        migrations.AddField(
            model_name="customerevent",
            name="reminder_cc",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                size=10,
                verbose_name="copy of reminders to",
            ),
        ),
        migrations.AddField(
            model_name="customerevent",
            name="reminder_to",
            field=customers.models.AddressesField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                help_text="Where nobody is named here, reminders go where invoices go.",
                size=10,
                verbose_name="reminders to",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="customer",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "customers_customerevent" ("address_line1", "address_line2", "business_evidence", "buyer_reference", "city", "collection", "country", "delivery", "email", "external_id", "id", "invoice_cc", "invoice_to", "is_business", "is_consolidated", "language", "metadata", "name", "net_terms_days", "organisation_number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "postal_code", "public_id", "recorded_at", "reminder_cc", "reminder_to", "seller_id", "tax", "vat_number") SELECT new_values."address_line1", new_values."address_line2", new_values."business_evidence", new_values."buyer_reference", new_values."city", new_values."collection", new_values."country", new_values."delivery", new_values."email", new_values."external_id", new_values."id", new_values."invoice_cc", new_values."invoice_to", new_values."is_business", new_values."is_consolidated", new_values."language", new_values."metadata", new_values."name", new_values."net_terms_days", new_values."organisation_number", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."postal_code", new_values."public_id", new_values."recorded_at", new_values."reminder_cc", new_values."reminder_to", new_values."seller_id", new_values."tax", new_values."vat_number" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;',
                    hash="c954a31414fd544c542fc2b228bbdea75a225f4c",
                    level="STATEMENT",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_a36e0",
                    referencing="REFERENCING NEW TABLE AS new_values ",
                    table="customers_customer",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="customer",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "customers_customerevent" ("address_line1", "address_line2", "business_evidence", "buyer_reference", "city", "collection", "country", "delivery", "email", "external_id", "id", "invoice_cc", "invoice_to", "is_business", "is_consolidated", "language", "metadata", "name", "net_terms_days", "organisation_number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "postal_code", "public_id", "recorded_at", "reminder_cc", "reminder_to", "seller_id", "tax", "vat_number") VALUES (NEW."address_line1", NEW."address_line2", NEW."business_evidence", NEW."buyer_reference", NEW."city", NEW."collection", NEW."country", NEW."delivery", NEW."email", NEW."external_id", NEW."id", NEW."invoice_cc", NEW."invoice_to", NEW."is_business", NEW."is_consolidated", NEW."language", NEW."metadata", NEW."name", NEW."net_terms_days", NEW."organisation_number", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."postal_code", NEW."public_id", NEW."recorded_at", NEW."reminder_cc", NEW."reminder_to", NEW."seller_id", NEW."tax", NEW."vat_number"); RETURN NULL;',
                    hash="7b9ad9fb477595d90287bea71a18a32037c9ef12",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_ca86d",
                    table="customers_customer",
                    when="AFTER",
                ),
            ),
        ),
    ]
