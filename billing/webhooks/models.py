"""Endpoints, and what is sent to them.

Tables, permissions and addresses of the desk are of the app ``events``, which had them first.
"""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.base.public_ids import PublicIdField
from billing.events.models import Event


class WebhookEndpoint(models.Model):
    """An address of a shop that is told what happens at one seller.

    The seller's public id stands for it, as on events; see :mod:`billing.webhooks.delivering`.
    """

    # Endpoints are looked after by people of any place: their days are those of UTC.
    time_zone = "UTC"

    public_id = PublicIdField(prefix="we")
    seller = models.CharField(max_length=40, help_text="Public id of the seller.")
    is_live = models.BooleanField(help_text="The seller's mode, which never changes.")
    url = models.CharField("address", max_length=2000)
    types = ArrayField(
        models.CharField(max_length=60),
        help_text="Types of events, such as invoice.paid; invoice.* for all of a kind, * for all.",
    )
    description = models.CharField(max_length=200, blank=True, default="")
    is_enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(
        max_length=200, blank=True, default="", help_text="Empty where a person turned it off."
    )
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when nothing has been taken there."
    )
    secret_sealed = models.TextField(help_text="Signs what is sent; encrypted.")
    old_secret_sealed = models.TextField(blank=True, default="")
    old_secret_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then the secret before this one signs as well."
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        app_label = "events"
        verbose_name = "webhook endpoint"
        constraints = [
            models.CheckConstraint(
                condition=Q(types__len__gt=0), name="webhook_endpoint_is_told_something"
            ),
            models.CheckConstraint(
                condition=Q(old_secret_sealed="", old_secret_until=None)
                | (~Q(old_secret_sealed="") & Q(old_secret_until__isnull=False)),
                name="old_webhook_secret_has_an_end",
            ),
        ]
        indexes = [models.Index(fields=["seller"], name="webhook_endpoint_of_a_seller")]
        triggers = [
            pgtrigger.ReadOnly(
                name="webhook_endpoint_stays_with_its_seller", fields=["seller", "is_live"]
            )
        ]

    def __str__(self) -> str:
        return self.url


class EventBody(models.Model):
    """An event as it is sent: written once, so that every attempt sends the same bytes."""

    event = models.OneToOneField(
        Event, on_delete=models.PROTECT, primary_key=True, related_name="body"
    )
    text = models.TextField()

    class Meta:
        app_label = "events"
        verbose_name_plural = "event bodies"
        triggers = [pgtrigger.ReadOnly(name="event_body_is_never_edited")]

    def __str__(self) -> str:
        return f"Body of event {self.event_id}"


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint: taken there at least once, or listed as dead."""

    class State(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        DEAD = "dead"

    time_zone = "UTC"

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="webhook_deliveries")
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries"
    )
    # Of the event: what is sent of one object goes in this order.
    subject = models.CharField(max_length=40)
    sequence = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    first_attempt_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When it was taken, or died.")
    last_error = models.TextField(blank=True, default="")

    class Meta:
        app_label = "events"
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "event"], name="event_is_sent_to_an_endpoint_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                condition=Q(state="pending"),
                name="webhook_delivery_is_due",
            ),
            models.Index(
                fields=["endpoint", "subject", "sequence"],
                condition=Q(state="pending"),
                name="webhook_delivery_in_order",
            ),
            models.Index(fields=["ended_at"], name="webhook_delivery_has_ended"),
            models.Index(
                fields=["id"], condition=Q(state="dead"), name="webhook_delivery_is_given_up"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.sequence} ({self.get_state_display().lower()})"


class WebhookAttempt(models.Model):
    """One try to deliver; written before it begins, so one without an end killed its worker."""

    delivery = models.ForeignKey(
        WebhookDelivery, on_delete=models.CASCADE, related_name="attempt_log"
    )
    began_at = models.DateTimeField(db_index=True)
    milliseconds = models.PositiveIntegerField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = models.TextField(blank=True, default="", help_text="Its first 500 characters.")
    error = models.TextField(blank=True, default="")

    class Meta:
        app_label = "events"
        verbose_name = "webhook attempt"

    def __str__(self) -> str:
        return f"{self.began_at:%Y-%m-%d %H:%M:%S}: {self.status or self.error or 'no end'}"
