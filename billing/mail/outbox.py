"""Sending what waits, a batch at a time. No transaction is open while a provider is spoken to.

A message is claimed with a lease, an advisory lock of its worker's connection: when the worker dies
the lock goes, and with the next sweep what it had claimed leaves. Each attempt is counted before it
begins. It is *sending* only from the moment at which the whole mail is handed over: a worker that
dies before leaves it waiting, and it comes again; one that dies after leaves it to a person, since
nobody knows whether it was taken, and twice is worse than late. The same goes for a provider that
takes a mail and hangs up without a word.
"""

import logging
import smtplib
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.conf import settings
from django.core import mail
from django.db import transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.utils import translation

from billing.base import clock, tallies
from billing.base.leases import lease, living, unheld
from billing.engine.errors import Refused
from billing.events.troubles import Watch
from billing.jobs.runs import NotNow, job_run
from billing.mail.actions import send_to_todays
from billing.mail.as_it_was import Written, as_it_was, kept_of
from billing.mail.composing import compose, kept_page
from billing.mail.letters import Astray, Occasion, Unneeded
from billing.mail.models import Message
from billing.mail.smtp import EmailBackend, Refusals
from billing.mail.transport import SMTP
from billing.mail.words import write
from billing.mail.words.visits import SIGN_IN
from billing.outbound.gate import Held, Kind, Pass, pass_out
from customers.calendar import today_of
from customers.locks import lock_customer
from customers.models import Seller

JOB = "send mail"
LEASES = "kvitt mail"
LIMIT = 20
# A slow provider must not hold up what else the tick has to do.
BATCH_SECONDS_MAX = 30
TRIED_FOR = timedelta(days=3)
WAIT_MAX = timedelta(hours=1)
# One that has ended so many workers would end the next as well. The first may have been chance:
# a server that was turned off. After the second it waits 1, 2, 4 … minutes.
DEATHS_MAX = 8
ERROR_MAX = 1000
# Servers that answer this or more will answer the same tomorrow.
FINAL = 500
DIED = "The worker died while it wrote or sent this mail."
State = Message.State

logger = logging.getLogger(__name__)


def send_due(limit: int = LIMIT, seller: Seller | None = None) -> int:
    """Send what is due; how many messages came to an end. 0 where the provider is away.

    While mail is held, or this machine's clock is ahead, all stays as it is: it leaves when the
    gate opens, as things stand then.

    Of one seller, or of all but those whose test clock is on its way: their mail is written on the
    days that it tells of, by whoever plays them.
    """
    now = clock.now()
    try:
        allowed = pass_out(Kind.MAIL)
    except Held:
        return 0
    if clock.is_ahead():
        return 0
    _free_dead(now)
    with lease(LEASES) as mine:
        batch = _claim(now, limit, seller, mine)
        return _send(batch, allowed, now) if batch else 0


def _send(batch: list[Message], allowed: Pass, now: datetime) -> int:
    post, watch = _Post(allowed), Watch("write mail")
    try:
        post.open()
    except Held:
        _release(batch, now)
        return 0
    except Exception as error:  # Whatever a backend raises: nothing has been handed over.
        logger.warning("mail=provider_away reason=%r", str(error))
        _put_off_all(batch, now, error)
        return 0
    done, ends_at = 0, monotonic() + BATCH_SECONDS_MAX
    try:
        for at, message in enumerate(batch, start=1):
            done += _handle(message, post, now, watch)
            if post.is_away or monotonic() > ends_at:
                _release(batch[at:], now)
                return 0 if post.is_away else done
    finally:
        post.close()
        _tally(batch)
    return done


def _tally(batch: list[Message]) -> None:
    """Count for whoever watches what has come to an end, and how."""
    ended = Message.objects.filter(pk__in=[message.pk for message in batch], lease=None)
    states = ended.exclude(state=State.WAITING).values_list("state", flat=True)
    tallies.add("mail", Counter(states))


def send_soon() -> None:
    """What a hint calls: the tick's job, now. Where it runs already, it takes this up as well."""
    with suppress(NotNow), job_run(JOB, seconds_max=BATCH_SECONDS_MAX, by_itself=True) as run:
        while count := send_due():
            run.advance(count)
            run.end_if_asked()


class _Post:
    """The connection to the provider, opened anew after a mail that it did not take."""

    def __init__(self, allowed: Pass) -> None:
        assert allowed.kind is Kind.MAIL
        self.backend = mail.mailers.default
        self.is_away = False

    def open(self) -> None:
        self.backend.open()

    def send(self, message: mail.EmailMessage) -> None:
        if not self.backend.send_messages([message]):
            raise Refused("The mail backend took nothing.", code="not_taken")

    def refused(self, message: Message) -> Refusals:
        """Who did not get the last mail while others did, and why; nobody where all have it."""
        if not isinstance(self.backend, EmailBackend):
            return {}
        return self.backend.refused_among(message.addressees.everybody)

    def reopen(self) -> None:
        self.close()
        try:
            self.open()
        except Exception:  # The next tick finds out what it is.
            self.is_away = True

    def close(self) -> None:
        # A mail that was taken stays taken, however the goodbye goes.
        with suppress(Exception):
            self.backend.close()


# Claiming


def due_now() -> QuerySet[Message]:
    """The messages that a sweep would take up now."""
    found: QuerySet[Message] = _waiting(clock.now(), None)
    return found


def _waiting(now: datetime, seller: Seller | None) -> Any:
    of_seller = Q(seller=seller) if seller else Q(seller__test_clock__advancing_to=None)
    return Message.objects.filter(
        of_seller, state=State.WAITING, lease=None, next_attempt_at__lte=now
    )


def _free_dead(now: datetime) -> None:
    """Let go of what dead workers had claimed: it leaves with this sweep, as if nobody had.

    What one had in hand has counted its attempt, and the death; what was handed over is unclear.
    """
    # Read before who lives is asked: a lease is locked before anything is claimed with it.
    claimed = Message.objects.filter(lease__isnull=False, state__in=[State.WAITING, State.SENDING])
    leases = set(claimed.values_list("lease", flat=True))
    dead = leases - living(LEASES) if leases else set()
    if not dead:
        return
    in_hand = claimed.filter(lease__in=dead)
    in_hand.filter(state=State.SENDING).update(state=State.UNCLEAR, last_error=DIED, lease=None)
    killers = in_hand.filter(state=State.WAITING, last_error=DIED)
    for message in killers:
        deaths = message.deaths + 1
        wait = timedelta(minutes=2 ** (deaths - 2)) if deaths > 1 else timedelta()
        killers.filter(pk=message.pk).update(
            state=State.FAILED if deaths >= DEATHS_MAX else State.WAITING,
            deaths=deaths,
            next_attempt_at=now + wait,
            lease=None,
        )
    in_hand.filter(state=State.WAITING).update(lease=None)


def _claim(now: datetime, limit: int, seller: Seller | None, mine: int) -> list[Message]:
    """Take what is due, sign-in links first; somebody sits and waits for those."""
    first = Case(When(kind=SIGN_IN.name, then=Value(0)), default=Value(1))
    due = _waiting(now, seller).order_by(first, "next_attempt_at", "pk")
    with transaction.atomic():
        batch = list(
            unheld(due.select_related("seller__test_clock", "customer__seller__test_clock"))[:limit]
        )
        Message.objects.filter(pk__in=[message.pk for message in batch]).update(lease=mine)
    for message in batch:
        message.lease = mine
    return batch


def _mine(message: Message, state: str = State.WAITING) -> Any:
    """The row, as long as it is in a state and this worker's claim on it holds."""
    return Message.objects.filter(pk=message.pk, state=state, lease=message.lease)


def _begin(message: Message, now: datetime) -> bool:
    """Count the attempt; not where somebody else has the message."""
    message.attempts += 1
    message.first_attempt_at = message.first_attempt_at or now
    return bool(
        _mine(message).update(
            attempts=message.attempts, first_attempt_at=message.first_attempt_at, last_error=DIED
        )
    )


def _release(messages: list[Message], now: datetime) -> None:
    """Let go of what was claimed and not tried."""
    for message in messages:
        _mine(message).update(lease=None)


# One message


def _handle(message: Message, post: _Post, now: datetime, watch: Watch) -> bool:
    """Write a message and send it; whether it came to an end."""
    if not _begin(message, now):
        return False
    occasion = Occasion(message, today_of(message.seller), now)
    try:
        with translation.override(message.language):
            written = _written(occasion)
    except Unneeded as reason:
        return _end(message, State.WAITING, State.SUPPRESSED, str(reason))
    except Exception as error:  # One that cannot be written must not hold up the others.
        watch.let_through(error)
        watch.keep(message.public_id, error)
        _put_off(message, State.WAITING, now, _said(error))
        return False
    watch.clear(message.public_id)
    if written is None:
        return True
    if written.mail is None:
        kept = written.kept
        return bool(_mine(message).update(state=State.PRINT, last_error="", lease=None, **kept))
    if not _mine(message).update(state=State.SENDING, **written.kept):
        return False
    return _hand_over(message, written.mail, post, now)


def _written(occasion: Occasion) -> Written | None:
    """What is about to leave; None where it goes to somebody else instead."""
    try:
        return as_it_was(occasion) if occasion.message.is_as_it_was else _written_anew(occasion)
    except Astray as reason:
        _redirect(occasion, str(reason))
        return None


def _redirect(occasion: Occasion, reason: str) -> None:
    """Have a mail go to those who get such mail now, with this sweep or the next one.

    Where there is nobody, or they have it, it is not sent at all, for this reason.
    """
    message = occasion.message
    with transaction.atomic():
        # Before the message, as for a person who has it sent again.
        lock_customer(message.customer_id)
        if _end(message, State.WAITING, State.SUPPRESSED, reason):
            with suppress(Refused):
                send_to_todays(message, as_of=occasion.today, actor=JOB)


def _written_anew(occasion: Occasion) -> Written:
    letter = write(occasion)
    made = None if occasion.is_on_paper else compose(occasion, letter)
    return Written(kept_of(kept_page(occasion, letter), letter), made)


def _hand_over(message: Message, made: mail.EmailMessage, post: _Post, now: datetime) -> bool:
    try:
        post.send(made)
    except Exception as error:  # What it means is asked below.
        logger.warning("mail=%s not sent: %s", message.public_id, type(error).__name__)
        _conclude(message, error, now)
        post.reopen()
        post.is_away = post.is_away or not _is_answer(error)
        return False
    return _note_taken(message, post.refused(message), now)


def _note_taken(message: Message, refused: Refusals, now: datetime) -> bool:
    """What it means that the server took a mail for some at least; whether that is the end of it.

    Who was put off, for a copy too, is tried again. Else whom it is to has got it, or a person
    hears that they have not. A copy that is refused is told beside what was sent.
    """
    said = "; ".join(
        f"{address}: {code} {words.decode(errors='replace')}"
        for address, (code, words) in refused.items()
    )[:ERROR_MAX]
    has_arrived = refused.keys().isdisjoint(message.addressees.to)
    if refused:
        everybody = message.addressees.everybody
        message.taken_for = [each for each in everybody if each not in refused]
        _mine(message, State.SENDING).update(taken_for=message.taken_for)
    if any(code < FINAL for code, _ in refused.values()):
        _put_off(message, State.SENDING, now, said)
        return False
    return _end(message, State.SENDING, State.SENT if has_arrived else State.FAILED, said)


def _conclude(message: Message, error: Exception, now: datetime) -> None:
    """What a failed handover means: try again, give up, or nobody knows."""
    if _is_refused_for_good(error):
        _end(message, State.SENDING, State.FAILED, _said(error))
    elif _is_certain(error):
        _put_off(message, State.SENDING, now, _said(error))
    else:
        _end(message, State.SENDING, State.UNCLEAR, _said(error))


def _codes(error: Exception) -> list[int]:
    """What the server answered, if it did."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []


def _is_answer(error: Exception) -> bool:
    """Whether it is about this mail, so that the next one may fare better."""
    return bool(_codes(error)) or isinstance(error, ValueError | Refused)


def _is_refused_for_good(error: Exception) -> bool:
    """Whether the recipient or the mail is refused, and would be tomorrow."""
    is_about_the_mail = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError)
    codes = _codes(error)
    is_final = is_about_the_mail and bool(codes) and all(code >= FINAL for code in codes)
    return is_final or isinstance(error, ValueError)  # An address that is none.


def _is_certain(error: Exception) -> bool:
    """Whether the mail was certainly not taken.

    Our SMTP backend says ``HandoverUnclear`` where it may have been, which is no OSError. Of what
    another backend raises only the server's own answer is believed.
    """
    if _codes(error) or isinstance(error, Refused):
        return True
    return isinstance(error, OSError) and settings.MAILERS["default"].get("BACKEND") == SMTP


def _put_off(message: Message, state: str, now: datetime, said: str) -> None:
    """Try again later; after three days of trying it is given up."""
    assert message.first_attempt_at is not None
    if now - message.first_attempt_at >= TRIED_FOR:
        _end(message, state, State.FAILED, said)
        return
    wait = min(timedelta(minutes=2 ** min(message.attempts - 1, 10)), WAIT_MAX)
    _mine(message, state).update(
        state=State.WAITING, next_attempt_at=now + wait, lease=None, last_error=said
    )


def _put_off_all(batch: list[Message], now: datetime, error: Exception) -> None:
    """The provider is away: each message has had an attempt, and waits for so long as its own."""
    for message in batch:
        if _begin(message, now):
            _put_off(message, State.WAITING, now, _said(error))


def _end(message: Message, state: str, ends: str, said: str) -> bool:
    """Move a message that is in a state to the one that it ends in; whether it was there still.

    What only waited for copies is sent, whatever becomes of those: whom it is to has it.
    """
    whom = set(message.addressees.to)
    if ends in {State.FAILED, State.SUPPRESSED} and whom and whom <= set(message.taken_for):
        ends = State.SENT
    ended = {
        "state": ends,
        "sent_at": clock.now() if ends == State.SENT else None,
        "last_error": said,
        "lease": None,
    }
    if ends != State.SENT or state != State.WAITING:
        return bool(_mine(message, state).update(**ended))
    # It has been handed over before, and only what is handed over can be sent.
    with transaction.atomic():
        _mine(message, state).update(state=State.SENDING)
        return bool(_mine(message, State.SENDING).update(**ended))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:ERROR_MAX]
