from typing import Any

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import pgettext

from billing.base.public_ids import PublicIdField
from billing.base.sql.plain import JoinedWords, PlainWords
from billing.base.stateful import Stateful
from customers.addressees import Addressees
from customers.models import ADDRESSEES_MAX, LANGUAGES, AddressesField, Customer, Seller

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


def kinds_of_mail() -> list[tuple[str, str]]:
    """The choices of a message's kind; asked for late, since the kinds stand with their words."""
    from billing.mail.words import KINDS

    return [(kind.name, kind.title) for kind in KINDS.values()]


# Everybody to whom a mail went, as one text.
TYPED = PlainWords("recipient", JoinedWords("also_to", "cc"))


class Message(Stateful):
    """A mail to a customer: on its way, or as it was sent.

    It is written when its kind is rendered for sending, in words that are true then. What is kept
    of it has no working link: whoever reads the log must not get in as the customer. Without a
    recipient it is a letter, which somebody prints and posts. What is sent again is a message of
    its own.
    """

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
    # What the desk searches for each word that is typed.
    TYPED = TYPED

    public_id = PublicIdField(prefix="msg")
    seller = models.ForeignKey(
        Seller, on_delete=models.PROTECT, related_name="messages", db_index=False
    )
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=20, choices=kinds_of_mail)
    object = models.CharField(
        max_length=60, help_text="What it tells of, once: an object's public id, or an event's."
    )
    recipient = models.EmailField(blank=True, default="")
    also_to = AddressesField("also to")
    cc = AddressesField("copy to")
    taken_for = AddressesField(
        "taken for",
        size=2 * ADDRESSEES_MAX,
        help_text="Who has it already, where the server refused another addressee. It is not sent "
        "to them again.",
    )
    language = models.CharField(max_length=5, choices=LANGUAGES, default="en")
    facts = models.JSONField(default=dict, db_default={}, help_text="What the event told.")
    resends = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
        # It refers to what was sent, which is never deleted.
        db_constraint=False,
        help_text="The mail that was sent before, which this one sends again.",
    )
    is_as_it_was = models.BooleanField(
        "as it was",
        default=False,
        db_default=False,
        help_text="In the words of the mail that it sends again; else written anew.",
    )
    subject = models.CharField(max_length=300, blank=True, default="")
    text = models.TextField(blank=True, default="")
    html = models.TextField(blank=True, default="")
    link_purpose = models.CharField(
        max_length=20, default="", db_default="", editable=False, help_text="What its link opened."
    )
    link_subject = models.CharField(max_length=60, default="", db_default="", editable=False)
    papers = ArrayField(
        models.CharField(max_length=120),
        default=list,
        db_default=[],
        editable=False,
        help_text="What was attached: public ids, each with the name of its file.",
    )
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
                fields=["kind", "object", "recipient"],
                condition=Q(resends__isnull=True),
                name="message_is_told_once",
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False)
                | (~Q(state="sent") & Q(sent_at__isnull=True)),
                name="sent_message_has_its_moment",
            ),
        ]
        indexes = [
            GinIndex(OpClass(TYPED, name="gin_trgm_ops"), name="message_by_addressee"),
            models.Index(fields=["object"], name="message_by_object"),
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
                fields=[
                    *("public_id", "seller", "customer", "kind", "object", "recipient"),
                    *("resends", "is_as_it_was"),
                ],
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
        said = {"kind": self.get_kind_display(), "to": self.recipient or self.customer}
        return self.subject or pgettext("desk", "%(kind)s to %(to)s") % said

    @property
    def addressees(self) -> Addressees:
        """Whom it is to and who gets a copy; nobody where it is a letter."""
        return Addressees((*filter(None, [self.recipient]), *self.also_to), tuple(self.cc))

    def fact(self, name: str) -> Any:
        """What the event told under a name; None where it did not."""
        return self.facts.get(name)
