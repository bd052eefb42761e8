"""Telling shops what happens: what is due is claimed, sent, and what came of it is written.

At least once, and for each object in the order of its events: the next event of an object waits
until the one before it was taken or is given up. Other objects do not wait, and endpoints do not
wait for each other: a few threads do the talking, so many of them for one endpoint and no more,
while this thread alone asks the database. No transaction is open while something is sent.
"""

import logging
import random
import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, Exists, OuterRef, QuerySet, Value, When
from standardwebhooks import Webhook

from billing.base import clock, tallies
from billing.base.leases import unheld
from billing.engine.errors import BillingError
from billing.events.troubles import Watch
from billing.outbound.gate import Held, Kind, Pass, pass_out
from billing.outbound.turns import time_is_up
from billing.webhooks.actions import disable_failing, secrets_of
from billing.webhooks.bodies import bodies_of
from billing.webhooks.models import EventBody, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from billing.webhooks.sending import Answer, send

ACTOR = "system"
THREADS = 32
PER_ENDPOINT = 8
# While it fails: one that hangs leaves room for another.
PER_FAILING_ENDPOINT = 2
# After so many in one run, an endpoint that takes nothing is left alone until the next: one that
# gives no answer at all, or asks to be, sooner than one that refuses what it gets.
SILENCES_MAX, REFUSALS_MAX = 3, 100
ASKS_TO_WAIT = frozenset({429, 503})
SECONDS_MAX, SECONDS_EACH = 30, 15
SECONDS_BETWEEN_LOOKS = 1
TRIED_FOR = timedelta(days=3)
WAIT_MIN, WAIT_MAX_MINUTES = timedelta(minutes=1), 12 * 60
# Three days come to some fifteen: who gets here has ended its worker again and again.
ATTEMPTS_MAX = 40
# When an endpoint answers again after so long, what waits for it is sent at once.
WAS_DOWN = timedelta(minutes=10)
GONE = 410
KEPT_FOR = timedelta(days=30)
FORGOTTEN_AT_A_TIME = 5000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Flight:
    """An attempt under way: all that a thread needs, and what its outcome is written to."""

    allowed: Pass
    attempt: WebhookAttempt
    delivery: WebhookDelivery
    url: str
    headers: dict[str, str]
    body: bytes
    hidden: tuple[str, ...]
    was_failing: bool

    def go(self) -> Answer:
        return send(self.allowed, self.url, self.headers, self.body, SECONDS_EACH)


@dataclass
class _Fared:
    """How an endpoint has fared in a run, and which types of events it did not take."""

    taken: int = 0
    refused: int = 0
    silent: int = 0
    failed_types: set[str] = field(default_factory=set)

    def note(self, type: str, answer: Answer) -> None:
        if answer.is_taken:
            self.taken += 1
            return
        self.failed_types.add(type)
        if answer.status is None or answer.status in ASKS_TO_WAIT:
            self.silent += 1
        else:
            self.refused += 1

    @property
    def is_failing(self) -> bool:
        return self.refused + self.silent > self.taken

    @property
    def is_left_alone(self) -> bool:
        """Whether it takes so little that the rest waits; what is taken now and then goes on."""
        is_mute = self.silent >= SILENCES_MAX and not self.taken
        return is_mute or self.refused + self.silent >= REFUSALS_MAX * (1 + self.taken)


@dataclass
class _Run:
    """One call of :func:`deliver_webhooks`: whose turn it is, and how each has fared in it."""

    turns: deque[int]
    flights: dict["Future[Answer]", _Flight] = field(default_factory=dict)
    fared: defaultdict[int, _Fared] = field(default_factory=lambda: defaultdict(_Fared))
    begun: int = 0
    looks_again_at: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)

    def take_outcomes(self) -> Counter[str]:
        taken, self.outcomes = self.outcomes, Counter()
        return taken

    def room_for(self, endpoint: WebhookEndpoint) -> int:
        """How many more may go there now; fewer to where attempts fail.

        None until half of them have landed: a claim costs the same for one as for several.
        """
        under_way = sum(one.delivery.endpoint_id == endpoint.pk for one in self.flights.values())
        fared = self.fared[endpoint.pk]
        is_failing = fared.is_failing or (endpoint.failing_since and not fared.taken)
        at_once = PER_FAILING_ENDPOINT if is_failing else PER_ENDPOINT
        if under_way > at_once // 2:
            return 0
        return min(at_once - under_way, THREADS - len(self.flights))


def deliver_webhooks(seconds_max: float = SECONDS_MAX) -> int:
    """Send what is due; how many attempts were made.

    Begins none after ``seconds_max``, and each ends within its own 15 seconds, so that a receiver
    that hangs holds nobody up for longer. While webhooks are held, what is due stays as it is.
    """
    until = time.monotonic() + seconds_max
    run = _Run(deque(_waiting_endpoints()))
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="webhook")
    try:
        while True:
            if time.monotonic() < until:
                _begin_where_there_is_room(run, pool)
            if not run.flights:
                return run.begun
            done, _ = wait(run.flights, SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
            for future in done:
                _land(run, run.flights.pop(future), future.result())
            tallies.add("webhooks", run.take_outcomes())
            time_is_up()  # Which tells of progress; what is under way is waited for.
            _look_again(run)
    finally:
        pool.shutdown(wait=False)


def _look_again(run: _Run) -> None:
    """Once a second give a turn to who has something due by now: one that hangs may last longer."""
    if time.monotonic() < run.looks_again_at:
        return
    run.looks_again_at = time.monotonic() + SECONDS_BETWEEN_LOOKS
    run.turns.extend(each for each in _waiting_endpoints() if each not in run.turns)


def _due(now: datetime) -> QuerySet[WebhookDelivery]:
    """What may be sent: of each object and endpoint the first that has not been taken."""
    earlier = WebhookDelivery.objects.filter(
        endpoint=OuterRef("endpoint"),
        subject=OuterRef("subject"),
        sequence__lt=OuterRef("sequence"),
        state=WebhookDelivery.State.PENDING,
    )
    return WebhookDelivery.objects.filter(
        ~Exists(earlier), state=WebhookDelivery.State.PENDING, next_attempt_at__lte=now
    )


def _waiting_endpoints() -> list[int]:
    waiting = WebhookDelivery.objects.filter(
        endpoint=OuterRef("pk"),
        state=WebhookDelivery.State.PENDING,
        next_attempt_at__lte=clock.now(),
    )
    found = WebhookEndpoint.objects.filter(Exists(waiting), is_enabled=True)
    ids = list(found.values_list("pk", flat=True))
    random.shuffle(ids)  # So that nobody is always the last.
    return ids


# Beginning


def _begin_where_there_is_room(run: _Run, pool: ThreadPoolExecutor) -> None:
    """Claim for each endpoint in turn what fits; one that has nothing more due loses its turn."""
    for _ in range(len(run.turns)):
        if len(run.flights) >= THREADS:
            return
        endpoint_id = run.turns.popleft()
        endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id, is_enabled=True).first()
        fared = run.fared[endpoint_id]
        if endpoint is None or fared.is_left_alone:
            continue
        room = run.room_for(endpoint)
        claimed = _claim(endpoint, room, fared.failed_types) if room > 0 else []
        for flight in claimed:
            run.flights[pool.submit(flight.go)] = flight
            run.begun += 1
        if room <= 0 or len(claimed) == room:
            run.turns.append(endpoint_id)


def _claim(endpoint: WebhookEndpoint, count: int, failed_types: set[str]) -> list[_Flight]:
    """Take what is due: the attempt is written down and the next put off before it begins.

    What is of a type that has failed in this run comes last, and before it what has been tried
    before: so a handler that is broken, or objects that it refuses, keep the others waiting for
    one attempt and no longer.
    """
    try:
        allowed = pass_out(Kind.WEBHOOK, endpoint.seller)
    except Held:
        return []
    now = clock.now()
    is_retry = Case(When(attempts__gt=0, then=Value(1)), default=Value(0))
    order: list[Case | str] = [is_retry, "next_attempt_at", "event_id"]
    if failed_types:
        order.insert(0, Case(When(event__type__in=failed_types, then=Value(1)), default=Value(0)))
    with transaction.atomic():
        due = list(
            unheld(_due(now).filter(endpoint=endpoint).select_related("event").order_by(*order))[
                :count
            ]
        )
        for delivery in [each for each in due if each.attempts >= ATTEMPTS_MAX]:
            due.remove(delivery)
            WebhookDelivery.objects.filter(pk=delivery.pk).update(
                state=WebhookDelivery.State.DEAD,
                ended_at=now,
                last_error="The worker died in the last attempt.",
            )
        for delivery in due:
            delivery.first_attempt_at = delivery.first_attempt_at or now
            delivery.next_attempt_at = _next_attempt(delivery, now)
            delivery.attempts += 1
        WebhookDelivery.objects.bulk_update(
            due, ["first_attempt_at", "next_attempt_at", "attempts"]
        )
        attempts = WebhookAttempt.objects.bulk_create(
            WebhookAttempt(delivery=delivery, began_at=now) for delivery in due
        )
    attempted = list(zip(attempts, due, strict=True))
    return _flights(allowed, endpoint, attempted, now) if attempted else []


type _Attempted = Sequence[tuple[WebhookAttempt, WebhookDelivery]]


def _flights(
    allowed: Pass, endpoint: WebhookEndpoint, attempted: _Attempted, now: datetime
) -> list[_Flight]:
    """What is to be sent, written at once; what one object cannot be rendered for, others can."""
    try:
        signing = secrets_of(endpoint, now)
        with transaction.atomic():
            events = [delivery.event for _, delivery in attempted]
            bodies = bodies_of(events, is_live=endpoint.is_live)
    except Exception as error:
        if len(attempted) > 1:
            return [each for one in attempted for each in _flights(allowed, endpoint, [one], now)]
        ((attempt, delivery),) = attempted
        watch = Watch("write webhooks")
        watch.let_through(error)
        watch.keep(delivery.event.public_id, error)
        reason = error.message if isinstance(error, BillingError) else type(error).__name__
        _write(attempt, delivery, Answer(error=f"It could not be written: {reason}"), now)
        return []
    return [
        _flight(allowed, endpoint, attempt, delivery, bodies[delivery.event_id], signing, now)
        for attempt, delivery in attempted
    ]


def _next_attempt(delivery: WebhookDelivery, now: datetime) -> datetime:
    """After 1, 2, 4 … minutes and at most 12 hours, up to a fifth more; last after three days.

    Never so soon that this attempt may still be under way.
    """
    minutes = min(2**delivery.attempts, WAIT_MAX_MINUTES)
    seconds = random.uniform(1, 1.2) * 60 * minutes  # noqa: S311 -- no secret.
    last_at = (delivery.first_attempt_at or now) + TRIED_FOR
    return max(min(now + timedelta(seconds=seconds), last_at), now + WAIT_MIN)


def _flight(
    allowed: Pass,
    endpoint: WebhookEndpoint,
    attempt: WebhookAttempt,
    delivery: WebhookDelivery,
    body: str,
    signing: Sequence[str],
    now: datetime,
) -> _Flight:
    event = delivery.event
    signatures = [Webhook(secret).sign(event.public_id, now, body) for secret in signing]
    headers = {
        "webhook-id": event.public_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    hidden = (*signing, *(signature.partition(",")[2] for signature in signatures))
    was_failing = endpoint.failing_since is not None
    url, text = endpoint.url, body.encode()
    return _Flight(allowed, attempt, delivery, url, headers, text, hidden, was_failing)


# Writing what came of it


def _land(run: _Run, flight: _Flight, answer: Answer) -> None:
    endpoint_id = flight.delivery.endpoint_id
    shown = answer.excerpt
    for secret in flight.hidden:  # Some receivers answer with what they were sent.
        shown = shown.replace(secret, "…")
    answer = Answer(answer.status, shown, answer.error, answer.milliseconds)
    _write(flight.attempt, flight.delivery, answer, clock.now(), was_failing=flight.was_failing)
    run.fared[endpoint_id].note(flight.delivery.event.type, answer)
    run.outcomes[_outcome_of(answer)] += 1
    if endpoint_id not in run.turns:
        run.turns.append(endpoint_id)


def _outcome_of(answer: Answer) -> str:
    if answer.is_taken:
        return "taken"
    return "unanswered" if answer.status is None else "refused"


@transaction.atomic
def _write(
    attempt: WebhookAttempt,
    delivery: WebhookDelivery,
    answer: Answer,
    now: datetime,
    *,
    was_failing: bool = True,
) -> None:
    WebhookAttempt.objects.filter(pk=attempt.pk).update(
        milliseconds=answer.milliseconds,
        status=answer.status,
        answer=answer.excerpt,
        error=answer.error,
    )
    # Not where it was sent again by hand, or claimed by another worker, in the meantime.
    mine = WebhookDelivery.objects.filter(
        pk=delivery.pk,
        state=WebhookDelivery.State.PENDING,
        next_attempt_at=delivery.next_attempt_at,
    )
    if answer.is_taken:
        mine.update(state=WebhookDelivery.State.DONE, ended_at=now, last_error="")
        if not was_failing:  # When it was claimed; another may have failed since.
            failing = WebhookEndpoint.objects.filter(pk=delivery.endpoint_id)
            failing.filter(failing_since__isnull=False).update(failing_since=None)
            return
    endpoint = WebhookEndpoint.objects.select_for_update().filter(pk=delivery.endpoint_id).first()
    if endpoint is None:
        return  # Deleted while it was told.
    if answer.is_taken:
        _note_success(endpoint, now)
    else:
        _note_failure(mine, endpoint, delivery, answer, now)


def _note_success(endpoint: WebhookEndpoint, now: datetime) -> None:
    if endpoint.failing_since is None:
        return
    if now - endpoint.failing_since >= WAS_DOWN:
        under_way = WebhookAttempt.objects.filter(
            delivery=OuterRef("pk"), status=None, error="", began_at__gt=now - WAIT_MIN
        )
        tried = endpoint.deliveries.filter(state=WebhookDelivery.State.PENDING, attempts__gt=0)
        tried = tried.filter(~Exists(under_way), next_attempt_at__gt=now)
        tried.update(next_attempt_at=now)
    endpoint.failing_since = None
    endpoint.save(update_fields=["failing_since"])


def _note_failure(
    mine: QuerySet[WebhookDelivery],
    endpoint: WebhookEndpoint,
    delivery: WebhookDelivery,
    answer: Answer,
    now: datetime,
) -> None:
    reason = answer.error or f"It answered {answer.status}."
    began_at = delivery.first_attempt_at or now
    if now - began_at >= TRIED_FOR:
        mine.update(state=WebhookDelivery.State.DEAD, ended_at=now, last_error=reason)
    else:
        mine.update(last_error=reason)
    if endpoint.failing_since is None:
        endpoint.failing_since = now
        endpoint.save(update_fields=["failing_since"])
    is_gone = answer.status == GONE
    if endpoint.is_enabled and (is_gone or now - endpoint.failing_since >= TRIED_FOR):
        what = "It answered 410 Gone." if is_gone else "It has taken nothing for three days."
        disable_failing(endpoint, what, as_of=now.date(), actor=ACTOR)
        logger.warning("webhook_endpoint=%s disabled reason=%r", endpoint.public_id, what)


# Forgetting


def forget_old_webhooks() -> int:
    """Delete what was taken a month ago, with its attempts and bodies; what is dead stays."""
    before = clock.now() - KEPT_FOR
    done = WebhookDelivery.objects.filter(state=WebhookDelivery.State.DONE, ended_at__lt=before)
    old = list(done.order_by("ended_at").values_list("pk", "event_id")[:FORGOTTEN_AT_A_TIME])
    with transaction.atomic():
        WebhookDelivery.objects.filter(pk__in=[pk for pk, _ in old]).delete()
        bodies = EventBody.objects.filter(event__in=[event_id for _, event_id in old])
        bodies.exclude(event__webhook_deliveries__isnull=False).delete()
        WebhookAttempt.objects.filter(began_at__lt=before).exclude(
            delivery__state=WebhookDelivery.State.PENDING
        ).delete()
    return len(old)
