"""What can be done with mail: post it, have it sent again, settle what became of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from billing.base import clock
from billing.engine.errors import Refused
from billing.mail.kinds import MailKind
from billing.mail.models import Message
from billing.mail.words import KINDS
from billing.mail.words.visits import ADDRESS_CHANGED
from billing.outbound.mark import is_doubted
from customers.addressees import Addressees
from customers.models import Customer
from customers.persons import staying_of

State = Message.State
NO_ADDRESS = "The customer has no email address."
TOLD_BEFORE = (
    "The database was restored, and this may have been sent before. Send it again where the "
    "customer has not had it."
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail that is to be made: about an object or event, which ``object`` names.

    It goes to whom the customer has named for its kind, unless ``to_address`` names another, and
    not to those for whom it was taken before (``taken_for``).
    """

    kind: MailKind
    object: str
    customer: Customer
    facts: Mapping[str, Any]
    to_address: str = ""
    taken_for: Sequence[str] = ()

    @property
    def reader(self) -> Customer:
        """Who reads it: of a merged customer the one that stays."""
        return staying_of(self.customer)

    @property
    def addressees(self) -> Addressees:
        """Nobody where it goes on paper."""
        if self.to_address:
            return Addressees.of([self.to_address])
        if self.kind.is_document and self.reader.delivery == Customer.Delivery.PRINT:
            return Addressees()
        return self.kind.addressees(self.customer)

    @property
    def recipient(self) -> str:
        return next(iter(self.addressees.to), "")


def addressees_now(kind: str, customer: Customer, recipient: str) -> Addressees:
    """Who gets a mail that went to ``recipient``, now: an old address is told of its end alone."""
    if kind == ADDRESS_CHANGED.name:
        return Addressees.of(filter(None, [recipient]))
    return KINDS[kind].addressees(customer)


def post(
    kind: MailKind,
    *,
    object: str,
    customer: Customer,
    facts: Mapping[str, Any],
    taken_for: Sequence[str] = (),
) -> Message:
    """Make the mail of a kind about an object, unless it is made already; nothing is sent here."""
    draft = Draft(kind, object, customer, facts, taken_for=taken_for)
    post_all([draft])
    return Message.objects.get(
        kind=kind.name, object=object, recipient=draft.recipient, resends__isnull=True
    )


def post_all(drafts: Iterable[Draft]) -> None:
    """Make mails, unless they are made already; nothing is sent here.

    Who cannot be mailed gets what matters as a letter to print; the rest is kept as suppressed.
    """
    now = clock.now()
    is_after_restore = is_doubted(now)
    messages = [_message(draft, now, is_after_restore) for draft in drafts]
    Message.objects.bulk_create(messages, ignore_conflicts=True)


def _message(draft: Draft, now: datetime, is_after_restore: bool) -> Message:
    addressees, customer = draft.addressees, draft.customer
    recipient, *others = addressees.to or ("",)
    is_reachable = bool(recipient) or draft.kind.is_printed
    state, said = (State.WAITING, "") if is_reachable else (State.SUPPRESSED, NO_ADDRESS)
    # A letter is decided on by whoever posts it.
    if is_after_restore and recipient and not draft.kind.is_asked_for:
        state, said = State.UNCLEAR, TOLD_BEFORE
    return Message(
        seller_id=customer.seller_id,
        customer=customer,
        kind=draft.kind.name,
        object=draft.object,
        recipient=recipient,
        also_to=others,
        cc=list(addressees.cc) if recipient else [],
        taken_for=list(draft.taken_for),
        language=draft.reader.language,
        facts=dict(draft.facts),
        state=state,
        last_error=said,
        next_attempt_at=now,
    )


@transaction.atomic
def send_again(message: Message, *, as_of: date, actor: str) -> Message:
    """Have a mail sent that was not, or of which nobody knows; written anew, as things stand.
    One that was sent is sent again by :mod:`billing.mail.resending`.

    It goes to those who get such mail now: where the first of them is another, as a message of its
    own, which sends again what this one did; one, however often it is asked for. What tells an old
    address of its end stays with that. The id in its header stays, so that a program which has it
    already can tell. Those for whom the mail server took it before do not get it once more. Raises
    :class:`Refused` ("invalid_transition") for one that is sent or on its way, "sent_already" where
    the one to the other address is sent, "no_address", and "nobody_left" where all whom it is to
    have it.
    """
    # Of two mails that are to go to one address instead, the second must see what the first made.
    Customer.objects.select_for_update(of=["self"]).get(pk=message.customer_id)
    message = _locked(message)
    addressees = addressees_now(message.kind, message.customer, message.recipient)
    address = next(iter(addressees.to), "")
    if not message.recipient:
        raise Refused("This is a letter. Print it and post it.", code="no_address")
    if not address:
        raise Refused("The customer has no email address. Add one first.", code="no_address")
    if set(addressees.to) <= set(message.taken_for):
        raise Refused(
            "Everybody who gets such mail now has it already. Press Do not send.",
            code="nobody_left",
        )
    if address == message.recipient:
        _put_back(message, addressees)
        return message
    if State.WAITING not in Message.LIFECYCLE[message.state]:
        raise Refused(
            f"A mail that is {message.state} is not sent again.", code="invalid_transition"
        )
    if message.state != State.SUPPRESSED:
        message.move(State.SUPPRESSED)
    Message.objects.filter(pk=message.pk).update(last_error=f"Sent to {address} instead.")
    return _send_instead(message, addressees)


def send_to_todays(message: Message, *, as_of: date, actor: str) -> None:
    """Have a mail that was given up go to those who get such mail now, as :func:`send_again` does.

    What must reach a customer who has no address any more is printed.
    """
    kind = KINDS[message.kind]
    todays = addressees_now(message.kind, message.customer, message.recipient)
    if kind.is_printed and message.resends is None and not todays.to:
        post(kind, object=message.object, customer=message.customer, facts=message.facts)
    else:
        send_again(message, as_of=as_of, actor=actor)


def _send_instead(message: Message, addressees: Addressees) -> Message:
    """The message that goes to other addressees in place of one that has not arrived."""
    if message.resends is None:
        again = post(
            KINDS[message.kind],
            object=message.object,
            customer=message.customer,
            facts=message.facts,
            taken_for=message.taken_for,
        )
    else:
        again = _sending_in_place_of(message, addressees)
    if again.state == State.SENT:
        raise Refused(
            f"It has been sent to {again.recipient}. Send that mail again.", code="sent_already"
        )
    # After a restore all are in doubt until a person says so, as here.
    if again.state in {State.FAILED, State.UNCLEAR, State.SUPPRESSED}:
        _put_back(again, addressees)
    return again


def _sending_in_place_of(message: Message, addressees: Addressees) -> Message:
    """The sending of the same mail to another address, which is made where there is none yet.

    What was sent there before this one was asked for is no answer to it. One that has not arrived
    is taken up where it is in the same words.
    """
    there = Message.objects.filter(resends=message.resends_id, recipient=addressees.to[0]).order_by(
        "-pk"
    )
    since = Q(state__in=[State.WAITING, State.SENDING]) | Q(state=State.SENT, pk__gt=message.pk)
    found = (
        there.filter(since).first()
        or there.exclude(state=State.SENT).filter(is_as_it_was=message.is_as_it_was).first()
    )
    if found is None:
        assert message.resends is not None
        found = sending_of(
            message.resends,
            message.customer,
            addressees,
            language=message.language,
            is_as_it_was=message.is_as_it_was,
            taken_for=message.taken_for,
        )
        found.save()
    return found


def sending_of(sent: Message, customer: Customer, addressees: Addressees, **how: Any) -> Message:
    """A message that sends one again which was sent, not saved yet."""
    return Message(
        seller_id=sent.seller_id,
        customer=customer,
        kind=sent.kind,
        object=sent.object,
        recipient=addressees.to[0],
        also_to=list(addressees.to[1:]),
        cc=list(addressees.cc),
        facts=sent.facts,
        resends=sent,
        next_attempt_at=clock.now(),
        **how,
    )


def _put_back(message: Message, addressees: Addressees) -> None:
    """Have a message leave with the next sweep, as if it had never been tried."""
    message.move(
        State.WAITING,
        also_to=list(addressees.to[1:]),
        cc=list(addressees.cc),
        attempts=0,
        first_attempt_at=None,
        next_attempt_at=clock.now(),
        last_error="",
    )


@transaction.atomic
def let_go(message: Message, *, as_of: date, actor: str) -> Message:
    """Give a mail up that failed or of which nobody knows: it is not sent."""
    message = _locked(message)
    said = f"Let go by {actor}."
    message.move(State.SUPPRESSED, last_error=f"{said} {message.last_error}".strip())
    return message


@transaction.atomic
def note_arrived(message: Message, *, as_of: date, actor: str) -> Message:
    """Settle that a mail has been sent: seen at the provider, or printed and posted."""
    message = _locked(message)
    if message.state not in {State.UNCLEAR, State.PRINT}:
        raise Refused(f"Nothing is open about a mail that is {message.state}.", code="not_open")
    message.move(State.SENT, sent_at=clock.now(), last_error=f"Settled by {actor}.")
    return message


def _locked(message: Message) -> Message:
    messages = Message.objects.select_for_update(of=["self"]).select_related("customer", "seller")
    return messages.get(pk=message.pk)
