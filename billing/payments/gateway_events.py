"""What gateways tell, as it came, and how far their lists of events have been read."""

import pgtrigger
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Q
from django.db.models.functions import Left

# The words of what was told, ids among them. Of a longer text PostgreSQL might make no vector, and
# refuse to keep it.
TOLD = SearchVector("event_id", Left("body", 100_000), config="simple")


class GatewayEvent(models.Model):
    """What a gateway told us, as it came. It is a hint only: what is true the gateway is asked."""

    # What the desk searches for the words that are typed.
    TOLD = TOLD

    gateway = models.CharField(max_length=40)
    event_id = models.CharField(max_length=80)
    type = models.CharField(max_length=60)
    body = models.TextField(help_text="As it came, or as the list of events gave it.")
    is_polled = models.BooleanField(default=False, help_text="Found in the list, not by a hook.")
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    parked_reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "event_id"], name="gateway_event_is_kept_once"
            )
        ]
        indexes = [
            GinIndex(TOLD, name="gateway_event_by_its_words"),
            models.Index(
                fields=["id"], condition=~Q(parked_reason=""), name="gateway_event_is_parked"
            ),
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(processed_at__isnull=True, parked_reason=""),
                name="gateway_event_waits",
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="gateway_event_is_never_edited",
                fields=["gateway", "event_id", "type", "body", "is_polled", "received_at"],
            ),
            pgtrigger.Protect(name="gateway_event_is_never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class GatewayCursor(models.Model):
    """How far a gateway's list of events has been read."""

    gateway = models.CharField(max_length=40, unique=True)
    event_id = models.CharField(max_length=80)

    def __str__(self) -> str:
        return f"{self.gateway} {self.event_id}"
