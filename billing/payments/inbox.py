"""What gateways tell us: kept as it came, once, and taken as a hint to ask.

Hooks may come twice, late, in any order or never. So nothing is believed of an event but what it
is about: the object is fetched from the gateway, whose answer is written as if we had asked by
ourselves. The list of events finds what hooks missed.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from billing.base import clock
from billing.base.leases import unheld
from billing.engine.errors import Refused
from billing.events.troubles import Watch
from billing.outbound.gate import Held, Kind, refusal
from billing.outbound.mark import doubt_for
from billing.outbound.turns import left_alone, time_is_up
from billing.payments.charging import settle
from billing.payments.gateway_events import GatewayCursor, GatewayEvent
from billing.payments.gateways import registry
from billing.payments.gateways.base import (
    About,
    Charge,
    Gateway,
    GatewayError,
    GatewayRefused,
    GatewayUnavailable,
    GatewayUnclear,
    Notice,
    Subject,
)
from billing.payments.models import CheckoutSession, Payment, Refund
from billing.payments.refunds import resolve_refund
from billing.payments.sessions import complete_session
from billing.payments.taking_in import owner_of, take_in
from customers.calendar import today_of
from customers.models import Seller

ACTOR = "gateway"
ATTEMPTS_MAX = 10
PAGE = 100
PAGES_MAX = 50
# An event may appear in the list after one that is younger; so far back it is read again.
OVERLAP = timedelta(minutes=10)
# What taking up an event raises that says nothing which anybody can understand.
SENSELESS = (ValueError, TypeError, LookupError, AttributeError)
logger = logging.getLogger(__name__)


class Unknown(Exception):
    """Raised for an event about nothing of ours; the text says what it was."""


# Keeping


def keep(gateway: str, notices: Sequence[Notice], now: datetime, *, is_polled: bool) -> int:
    """Keep events that are not there yet; how many those are."""
    ids = [notice.event_id for notice in notices]
    known = GatewayEvent.objects.filter(gateway=gateway, event_id__in=ids)
    before = set(known.values_list("event_id", flat=True))
    GatewayEvent.objects.bulk_create(
        [
            GatewayEvent(
                gateway=gateway,
                event_id=notice.event_id,
                type=notice.type,
                body=notice.body,
                is_polled=is_polled,
                received_at=now,
                next_attempt_at=now,
            )
            for notice in notices
            if notice.event_id not in before
        ],
        ignore_conflicts=True,
    )
    return len(set(ids) - before)


def poll_gateways() -> int:
    """Read the gateways' lists of events as far as they have grown; how many were new.

    Raises :class:`GatewayUnavailable` and its like where a gateway does not answer, once the others
    were asked: then its cursor stays.
    """
    if refusal(Kind.QUESTION):
        return 0
    watch, found = Watch("poll gateways", passing=(GatewayError,)), 0
    failed: GatewayError | None = None
    for gateway in registry.accounts():
        if gateway.name in left_alone():
            continue
        try:
            with watch.over(gateway.name):
                found += _poll(gateway)
        except GatewayError as error:
            failed = error
    if failed:
        raise failed
    return found


def _poll(gateway: Gateway) -> int:
    now, found = clock.now(), 0
    cursor, _ = GatewayCursor.objects.get_or_create(gateway=gateway.name)
    at = cursor.event_id
    for _ in range(PAGES_MAX):
        try:
            page = gateway.events_after(at, PAGE)
        except GatewayRefused as refused:
            if not at:
                raise
            # It knows this event no longer: all that it has is read, and what is known is kept.
            logger.error("gateway=%s events=read_anew reason=%r", gateway.name, refused.message)
            at = ""
            continue
        if not page:
            break
        found += keep(gateway.name, page, now, is_polled=True)
        at = page[-1].event_id
        _advance(gateway.name, page, now)
        if len(page) < PAGE:
            break
    return found


def _advance(gateway: str, page: Sequence[Notice], now: datetime) -> None:
    """Move the cursor to the last event before the first that is not long known."""
    ids = [notice.event_id for notice in page]
    old = set(
        GatewayEvent.objects.filter(
            gateway=gateway, event_id__in=ids, received_at__lte=now - OVERLAP
        ).values_list("event_id", flat=True)
    )
    last = ""
    for event_id in ids:
        if event_id not in old:
            break
        last = event_id
    if last:
        GatewayCursor.objects.filter(gateway=gateway).update(event_id=last)


# Taking up


def process_hooks(limit: int = 100) -> int:
    """Take up events that wait; how many. What is about nothing of ours is parked with a reason."""
    if refusal(Kind.QUESTION):  # What an event is about is asked for.
        return 0
    watch = Watch("process hooks", passing=(Unknown, Refused, GatewayError, *SENSELESS))
    for count in range(limit):
        event = None if time_is_up() else _claim()
        if event is None:
            return count
        try:
            with watch.over(event.event_id):
                is_taken = False
                _take_up(event)
                is_taken = True
        except Unknown as unknown:
            _park(event, str(unknown))
        except Held:
            _let_go(event)  # As where it has paid an order, whose invoice gets no number now.
        except Refused as refused:
            _park(event, refused.message)
        except GatewayUnavailable:
            # Nothing was asked, so it is no attempt; others of this gateway would fare the same.
            _let_go(event)
            return count
        except GatewayError as error:
            if event.attempts >= ATTEMPTS_MAX:
                _park(event, error.message)
        except SENSELESS as error:
            watch.keep(event.event_id, error)
            _park(event, f"It makes no sense: {type(error).__name__}.")
        else:
            if is_taken:
                GatewayEvent.objects.filter(pk=event.pk).update(processed_at=clock.now())
            elif event.attempts >= ATTEMPTS_MAX:
                _park(event, "Kvitt could not take it up: its traceback is among the troubles.")
    return limit


@transaction.atomic
def _claim() -> GatewayEvent | None:
    """Take one event: the attempt is counted and the next one put off before this one begins."""
    now = clock.now()
    waiting = (
        GatewayEvent.objects.filter(
            processed_at__isnull=True, parked_reason="", next_attempt_at__lte=now
        )
        .exclude(gateway__in=left_alone())
        .order_by("next_attempt_at", "id")
    )
    event = unheld(waiting).first()
    if event is None:
        return None
    if event.attempts >= ATTEMPTS_MAX:
        _park(event, "Each of the last attempts ended its worker.")
        return _claim()
    event.attempts += 1
    event.next_attempt_at = now + timedelta(minutes=2**event.attempts)
    event.save(update_fields=["attempts", "next_attempt_at"])
    return event


def _let_go(event: GatewayEvent) -> None:
    """Give an event back that could not be asked about; its turn comes again in a minute or two."""
    event.attempts -= 1
    event.next_attempt_at = clock.now() + timedelta(minutes=1)
    event.save(update_fields=["attempts", "next_attempt_at"])


def _park(event: GatewayEvent, reason: str) -> None:
    GatewayEvent.objects.filter(pk=event.pk).update(parked_reason=reason[:300])
    logger.warning("event=%s parked=%r", event.event_id, reason)


def _take_up(event: GatewayEvent) -> None:
    notice = Notice(event.event_id, event.type, event.body)
    subject = registry.subject_of(event.gateway, notice)
    if subject is None:
        raise Unknown(f"We know nothing of this {event.type}.")
    _TAKERS[subject.kind](event, subject)


def _take_up_charge(event: GatewayEvent, told: Subject) -> None:
    """A charge of ours is asked for, unless we know already what the event tells."""
    gateway_id, reference = told.gateway_id, told.reference
    ours = Payment.objects.filter(gateway=event.gateway).select_related("seller", "session")
    payment = ours.filter(gateway_id=gateway_id).first() or (
        Payment.objects.select_related("seller", "session")
        .filter(Q(public_id=reference) | Q(gateway=event.gateway, gateway_key=reference))
        .first()
    )
    if payment is None:
        if told.status != "succeeded" or not _take_unknown(event.gateway, gateway_id):
            raise Unknown(f"We have no payment for charge {gateway_id} ({reference}).")
        return
    if payment.gateway_id == gateway_id and payment.state == told.status:
        return
    session = getattr(payment, "session", None)
    if session is not None and session.status in {
        CheckoutSession.Status.CREATING,
        CheckoutSession.Status.OPEN,
    }:
        # A charge that fails on a page may be followed by one that does not.
        page = Subject(About.SESSION, session.gateway_id or "", session.public_id)
        _take_up_session(event, page)
        return
    made = registry.account(event.gateway, payment.seller).get_charge(gateway_id)
    if made.reference != payment.gateway_reference:
        raise Unknown(f"Charge {gateway_id} is for {made.reference}, not {payment}.")
    settle(payment.pk, made, as_of=today_of(payment.seller), actor=ACTOR)


def _take_unknown(gateway: str, gateway_id: str) -> bool:
    """Take in money that nothing here was asked for, where its customer is known; whether it was.

    After a restore it is the money of a payment that was lost, and more may have been.
    """
    made = _charge_of_nobody(gateway, gateway_id)
    if Seller.objects.filter(public_id=made.metadata.get("seller", "")).exists():
        doubt_for(gateway_id)
    owner = owner_of(gateway, made)
    if owner is None:
        return False
    return take_in(gateway, made, as_of=today_of(owner.seller), actor=ACTOR) is not None


def _charge_of_nobody(gateway: str, gateway_id: str) -> Charge:
    """A charge that no row here leads to, from whichever account knows it.

    Raises :class:`GatewayRefused` where none does.
    """
    *others, last = registry.accounts_at(gateway)
    for one in others:
        with suppress(GatewayRefused):
            return one.get_charge(gateway_id)
    return last.get_charge(gateway_id)


def _take_up_refund(event: GatewayEvent, told: Subject) -> None:
    ours = Refund.objects.filter(payment__gateway=event.gateway)
    refund = ours.filter(gateway_key=told.reference).first()
    if refund is None:
        raise Unknown(f"We have no refund {told.reference}.")
    if refund.state in {Refund.State.CREATED, Refund.State.UNKNOWN}:
        resolve_refund(refund.pk)


def _take_up_session(event: GatewayEvent, told: Subject) -> None:
    sessions = CheckoutSession.objects.select_related("customer__seller", "payment")
    session = sessions.filter(gateway=event.gateway, gateway_id=told.gateway_id).first()
    if session is None:
        ours = Q(public_id=told.reference) | Q(payment__public_id=told.reference)
        if sessions.filter(ours, gateway=event.gateway, gateway_id__isnull=True).exists():
            raise GatewayUnclear("The session is being opened.")
        raise Unknown(f"We have no session {told.gateway_id}.")
    if session.status == CheckoutSession.Status.OPEN:
        as_of = today_of(session.customer.seller)
        complete_session(session, as_of=as_of, actor=ACTOR)


_TAKERS = {
    About.CHARGE: _take_up_charge,
    About.REFUND: _take_up_refund,
    About.SESSION: _take_up_session,
}
