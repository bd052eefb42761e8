"""Keys, what was answered to each request that must not count twice, and who guesses keys."""

from typing import Any

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.api.scopes import PUBLISHABLE, Scope
from billing.base.public_ids import PublicIdField
from customers.models import Seller

# Requests that a key may make at once, and then each second.
BURST, PER_S = 200, 50


def scopes_of_keys() -> list[tuple[str, str]]:
    """The choices of a key's scopes; a function, so that a new scope needs no migration."""
    return list(Scope.choices)


class TokensField(models.DecimalField):
    """What a bucket holds, to a millionth of a request."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("max_digits", 16)
        options.setdefault("decimal_places", 6)
        super().__init__(**options)


class ApiKey(models.Model):
    """A shop's key to the API. Only a hash of it is kept; see :mod:`billing.api.keys`.

    Whether it is live or test is its seller's to say, and seller's mode never changes.
    ``tokens`` are the requests that it had left at ``filled_at``: a token bucket.
    """

    class Kind(models.TextChoices):
        SECRET = "secret", "secret, for the shop's servers"
        PUBLISHABLE = "publishable", "publishable, for the shop's pages"

    public_id = PublicIdField(prefix="key")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100, help_text="What uses it.")
    kind = models.CharField(max_length=11, choices=Kind, default=Kind.SECRET)
    scopes = ArrayField(models.CharField(max_length=40, choices=scopes_of_keys), default=list)
    prefix = models.CharField(max_length=20, help_text="How it begins, to tell keys apart.")
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    origin = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="successors",
        help_text="The first key of those that replaced each other: they repeat the same requests.",
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="To the minute: written at most once in it."
    )
    burst = models.PositiveIntegerField(
        default=BURST,
        db_default=BURST,
        help_text="Requests in one go; of a publishable key, from each visitor's address.",
    )
    per_s = models.PositiveIntegerField(
        default=PER_S, db_default=PER_S, help_text="Requests a second, in the long run."
    )
    tokens = TokensField(db_default=BURST, default=BURST, editable=False)
    filled_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.CharField(max_length=80, blank=True, default="")
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=~Q(kind="publishable") | Q(scopes__contained_by=sorted(PUBLISHABLE)),
                name="publishable_key_does_little",
            ),
            models.CheckConstraint(
                condition=Q(burst__gte=1, per_s__gte=1), name="api_key_may_make_requests"
            ),
        ]
        permissions = [("rotate_apikey", "Can rotate and revoke API keys")]
        triggers = [
            pgtrigger.ReadOnly(
                name="api_key_stays_what_it_is",
                fields=["public_id", "seller", "kind", "prefix", "secret_hash", "origin"],
            ),
            pgtrigger.Protect(
                name="revoked_api_key_stays_so",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__revoked_at__isnull=False, new__revoked_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class IdempotentRequest(models.Model):
    """A request that must not count twice, and what was answered; see :mod:`.idempotency`."""

    owner = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="Of method, path and body.")
    claim = models.CharField(max_length=32, help_text="Of the worker that answers it.")
    claimed_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="Empty while it runs.")
    answer = models.TextField(default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="request_is_claimed_once"),
            models.CheckConstraint(
                condition=Q(status__isnull=True) | Q(status__gte=200, status__lt=500),
                name="failures_of_ours_are_not_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.status or 'running'}"


class Bucket(models.Model):
    """What an address may do so often, and how often it still may: a token bucket.

    ``what`` is trying keys, trying a seller's coupon codes, or using a publishable key.
    """

    what = models.CharField(max_length=40)
    address = models.GenericIPAddressField()
    tokens = TokensField()
    filled_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["what", "address"], name="address_has_one_bucket")
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.address}"
