import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import billing.api.models
import billing.base.public_ids
from billing.installation.at_once import AtOnce


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        AtOnce(
            [
                migrations.CreateModel(
                    name="Bucket",
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
                        ("what", models.CharField(max_length=40)),
                        ("address", models.GenericIPAddressField()),
                        ("tokens", billing.api.models.TokensField(decimal_places=6, max_digits=16)),
                        ("filled_at", models.DateTimeField(db_index=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="IdempotentRequest",
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
                        ("key", models.CharField(max_length=255)),
                        (
                            "fingerprint",
                            models.CharField(help_text="Of method, path and body.", max_length=64),
                        ),
                        (
                            "claim",
                            models.CharField(
                                help_text="Of the worker that answers it.", max_length=32
                            ),
                        ),
                        ("claimed_at", models.DateTimeField(db_index=True)),
                        (
                            "status",
                            models.PositiveSmallIntegerField(
                                help_text="Empty while it runs.", null=True
                            ),
                        ),
                        ("answer", models.TextField(db_default="", default="")),
                    ],
                ),
                migrations.CreateModel(
                    name="ApiKey",
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
                        ("public_id", billing.base.public_ids.PublicIdField(prefix="key")),
                        ("name", models.CharField(help_text="What uses it.", max_length=100)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("secret", "secret, for the shop's servers"),
                                    ("publishable", "publishable, for the shop's pages"),
                                ],
                                default="secret",
                                max_length=11,
                            ),
                        ),
                        (
                            "scopes",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(
                                    choices=[
                                        ("customers:read", "see customers"),
                                        ("customers:write", "make and change customers"),
                                        ("plans:read", "see plans and prices"),
                                        (
                                            "subscriptions:read",
                                            "see subscriptions, preview changes",
                                        ),
                                        (
                                            "subscriptions:write",
                                            "start, change and cancel subscriptions",
                                        ),
                                        ("usage:read", "see what was used"),
                                        ("usage:write", "record and correct usage"),
                                        ("invoices:read", "see invoices and their PDFs"),
                                        ("payments:read", "see payments"),
                                        ("payments:write", "charge saved cards"),
                                        ("credit_notes:read", "see credit notes"),
                                        ("credit_notes:write", "credit invoices"),
                                        ("one_off_items:read", "see one-off items"),
                                        ("one_off_items:write", "add one-off items"),
                                        ("coupons:read", "validate coupons"),
                                        ("checkout_sessions:read", "see checkout sessions"),
                                        (
                                            "checkout_sessions:write",
                                            "make and expire checkout sessions",
                                        ),
                                        (
                                            "portal_sessions:write",
                                            "sign customers in to their pages",
                                        ),
                                        ("access:read", "ask what a customer may use"),
                                        ("events:read", "read events"),
                                        ("webhook_endpoints:read", "see webhook endpoints"),
                                        (
                                            "webhook_endpoints:write",
                                            "make and change webhook endpoints",
                                        ),
                                        ("test_clocks:read", "see test clocks"),
                                        ("test_clocks:write", "make and move test clocks"),
                                    ],
                                    max_length=40,
                                ),
                                default=list,
                            ),
                        ),
                        (
                            "prefix",
                            models.CharField(
                                help_text="How it begins, to tell keys apart.", max_length=20
                            ),
                        ),
                        (
                            "secret_hash",
                            models.CharField(editable=False, max_length=64, unique=True),
                        ),
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "last_used_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="To the minute: written at most once in it.",
                                null=True,
                            ),
                        ),
                        (
                            "burst",
                            models.PositiveIntegerField(
                                db_default=200,
                                default=200,
                                help_text="Requests at once; of a publishable key, of each visitor's address.",
                            ),
                        ),
                        (
                            "per_s",
                            models.PositiveIntegerField(
                                db_default=50,
                                default=50,
                                help_text="Requests a second, in the long run.",
                            ),
                        ),
                        (
                            "tokens",
                            billing.api.models.TokensField(
                                db_default=200,
                                decimal_places=6,
                                default=200,
                                editable=False,
                                max_digits=16,
                            ),
                        ),
                        (
                            "filled_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        ("created_by", models.CharField(blank=True, default="", max_length=80)),
                        (
                            "recorded_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(), editable=False
                            ),
                        ),
                        (
                            "origin",
                            models.ForeignKey(
                                blank=True,
                                help_text="The first key of those that replaced each other: they repeat the same requests.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="successors",
                                to="api.apikey",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "API key",
                        "permissions": [("rotate_apikey", "Can rotate and revoke API keys")],
                    },
                ),
            ]
        ),
    ]
