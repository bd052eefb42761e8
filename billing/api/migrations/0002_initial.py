import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("api", "0001_initial"),
        ("customers", "0001_initial"),
    ]

    operations = [
        AtOnce(
            [
                migrations.AddField(
                    model_name="apikey",
                    name="seller",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="api_keys",
                        to="customers.seller",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="bucket",
                    constraint=models.UniqueConstraint(
                        fields=("what", "address"), name="address_has_one_bucket"
                    ),
                ),
                migrations.AddField(
                    model_name="idempotentrequest",
                    name="owner",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="api.apikey",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="apikey",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "publishable"), _negated=True),
                            (
                                "scopes__contained_by",
                                ["checkout_sessions:write", "coupons:read", "plans:read"],
                            ),
                            _connector="OR",
                        ),
                        name="publishable_key_does_little",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="apikey",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("burst__gte", 1), ("per_s__gte", 1)),
                        name="api_key_may_make_requests",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="apikey",
                    trigger=pgtrigger.compiler.Trigger(
                        name="api_key_stays_what_it_is",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."public_id" IS DISTINCT FROM (NEW."public_id") OR OLD."seller_id" IS DISTINCT FROM (NEW."seller_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."prefix" IS DISTINCT FROM (NEW."prefix") OR OLD."secret_hash" IS DISTINCT FROM (NEW."secret_hash") OR OLD."origin_id" IS DISTINCT FROM (NEW."origin_id"))',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="c88e6fc347302a7de1e3dd534083af271256081a",
                            operation="UPDATE",
                            pgid="pgtrigger_api_key_stays_what_it_is_81317",
                            table="api_apikey",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="apikey",
                    trigger=pgtrigger.compiler.Trigger(
                        name="revoked_api_key_stays_so",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (NEW."revoked_at" IS NULL AND OLD."revoked_at" IS NOT NULL)',
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                            hash="1defd315e72affde473128b3e159e583ff3420ee",
                            operation="UPDATE",
                            pgid="pgtrigger_revoked_api_key_stays_so_93d06",
                            table="api_apikey",
                            when="BEFORE",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="idempotentrequest",
                    constraint=models.UniqueConstraint(
                        fields=("owner", "key"), name="request_is_claimed_once"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="idempotentrequest",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("status__isnull", True),
                            models.Q(("status__gte", 200), ("status__lt", 500)),
                            _connector="OR",
                        ),
                        name="failures_of_ours_are_not_kept",
                    ),
                ),
            ]
        ),
    ]
