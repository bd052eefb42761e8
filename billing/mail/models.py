from typing import Any

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.base.public_ids import PublicIdField
from billing.base.stateful import Stateful
from customers.addressees import Addressees
from customers.models import LANGUAGES, AddressesField, Customer, Seller

# Sending is a message from the moment at which it is handed over; unclear, when nobody knows
# whether it was taken: only a person has it sent once more.
MESSAGE_LIFECYCLE = {
    "waiting": frozenset({"sending", "print", "failed", "suppressed"}),
    "sending": frozenset({"sent", "waiting", "failed", "unclear"}),
    "unclear": frozenset({"waiting", "sent", "suppressed"}),
    "failed": frozenset({"waiting", "suppressed"}),
    "suppressed": frozenset({"waiting"}),
    "print": frozenset({"sent"}),
    "sent": frozenset[str](),
}


class Message(Stateful):
    """A mail to a customer: on its way, or as it was sent.

    It is written when its kind is rendered for sending, in words that are true then. What is kept
    of it has no working link: whoever reads the log must not get in as the customer. Without a
    recipient it is a letter, which somebody prints and posts.
    """

    class Kind(models.TextChoices):
        ORDER = "order", "order confirmation"
        INVOICE = "invoice", "invoice"
        CREDIT_NOTE = "credit_note", "credit note"
        RECEIPT = "receipt", "receipt"
        REFUND = "refund", "money paid back"
        PAYMENT_FAILED = "payment_failed", "payment failed"
        ACTION_NEEDED = "action_needed", "action needed"
        REMINDER = "reminder", "reminder"
        RESTRICTED = "restricted", "access restricted"
        SUSPENDED = "suspended", "access suspended"
        RESTORED = "restored", "access restored"
        RENEWAL = "renewal", "upcoming renewal"
        TRIAL_ENDING = "trial_ending", "trial ending"
        PLAN_CHANGED = "plan_changed", "plan changed"
        PAUSED = "paused", "paused"
        RESUMED = "resumed", "resumed"
        CANCELED = "canceled", "canceled"
        CANCEL_UNDONE = "cancel_undone", "canceling undone"
        SIGN_IN = "sign_in", "sign-in link"

    class State(models.TextChoices):
        WAITING = "waiting"
        SENDING = "sending"
        SENT = "sent"
        UNCLEAR = "unclear"
        FAILED = "failed"
        SUPPRESSED = "suppressed"
        PRINT = "print", "to be printed"

    STATE_FIELD = "state"
    LIFECYCLE = MESSAGE_LIFECYCLE

    public_id = PublicIdField(prefix="msg")
    seller = models.ForeignKey(
        Seller, on_delete=models.PROTECT, related_name="messages", db_index=False
    )
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=20, choices=Kind)
    object = models.CharField(
        max_length=60, help_text="What it tells of, once: an object's public id, or an event's."
    )
    recipient = models.EmailField(blank=True, default="")
    also_to = AddressesField("also to")
    cc = AddressesField("copy to")
    language = models.CharField(max_length=5, choices=LANGUAGES, default="en")
    facts = models.JSONField(default=dict, db_default={}, help_text="What the event told.")
    subject = models.CharField(max_length=300, blank=True, default="")
    text = models.TextField(blank=True, default="")
    html = models.TextField(blank=True, default="")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    deaths = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Workers that ended with this mail in hand."
    )
    lease = models.IntegerField(
        null=True, editable=False, help_text="Of the worker that has it, as long as that lives."
    )
    first_attempt_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="", db_default="")
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        permissions = [("send_message", "Can send a mail again, or settle what became of it")]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "object", "recipient"], name="message_is_made_once"
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False)
                | (~Q(state="sent") & Q(sent_at__isnull=True)),
                name="sent_message_has_its_moment",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=["waiting", "sending"]),
                name="message_is_due",
            ),
            models.Index(
                fields=["lease"],
                condition=Q(lease__isnull=False, state__in=["waiting", "sending"]),
                name="message_is_in_hand",
            ),
            models.Index(
                fields=["state"],
                condition=Q(state__in=["failed", "unclear", "print"]),
                name="message_needs_a_person",
            ),
        ]
        triggers = [
            pgtrigger.FSM(
                name="message_follows_its_lifecycle",
                field="state",
                transitions=[
                    (old, new) for old, news in MESSAGE_LIFECYCLE.items() for new in sorted(news)
                ],
            ),
            pgtrigger.ReadOnly(
                name="message_stays_with_its_recipient",
                fields=["public_id", "seller", "customer", "kind", "object", "recipient"],
            ),
            pgtrigger.Protect(
                name="sent_message_is_never_edited",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state="sent"),
            ),
            pgtrigger.Protect(
                name="sent_message_is_never_deleted",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__state="sent"),
            ),
        ]

    def __str__(self) -> str:
        return self.subject or f"{self.get_kind_display()} to {self.recipient or self.customer}"

    @property
    def addressees(self) -> Addressees:
        """Whom it is to and who gets a copy; nobody where it is a letter."""
        return Addressees((*filter(None, [self.recipient]), *self.also_to), tuple(self.cc))

    def fact(self, name: str) -> Any:
        """What the event told under a name; None where it did not."""
        return self.facts.get(name)
