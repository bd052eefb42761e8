"""Recording usage, and reading it for a bill."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from django.db import connection, transaction
from django.db.models import Value
from django.db.models.functions import Coalesce, Least

from billing.base import clock
from billing.base.sql.lookups import array_of
from billing.engine import metering
from billing.engine.bounds import QUANTITY_MAX
from billing.engine.errors import BillingError, Refused, UsageRefused
from billing.subscriptions.models import Pause, Subscription, SubscriptionItem
from billing.usage.models import Meter, UsageRecord
from customers.locks import lock_customer, lock_customers
from customers.models import Seller


@transaction.atomic
def record_usage(
    subscription: Subscription,
    meter: Meter,
    *,
    at: datetime,
    as_of: date,
    quantity: Decimal = Decimal(1),
    key: str | None = None,
    properties: Mapping[str, Any] | None = None,
) -> UsageRecord:
    """Record one event; a ``key`` that was used before answers with the first record.

    The event belongs to the local day of ``at``. What a bill could not charge is refused: see
    :func:`_day_of`. Raises :class:`UsageRefused`.
    """
    lock_customer(subscription.customer_id)
    subscription.refresh_from_db()
    if key is not None:
        known = UsageRecord.objects.filter(subscription=subscription, meter=meter, key=key).first()
        if known is not None:
            return known
    on = _day_of(subscription, meter, at, as_of, _Lives.of([subscription.pk]))
    properties = dict(properties or {})
    value, distinct = _measured(meter, quantity, properties)
    usage = UsageRecord.objects.create(
        subscription=subscription,
        meter=meter,
        key=key,
        at=at,
        on=on,
        quantity=quantity,
        value=value,
        distinct=distinct,
        properties=properties,
    )
    _bill_late([usage], as_of)
    return usage


@transaction.atomic
def withdraw_usage(record: UsageRecord, *, as_of: date, actor: str) -> UsageRecord:
    """Let a record count no longer: it should not have been recorded.

    What has been billed for it comes back with the next bill, as long as its period is open. One
    that is withdrawn already stays as it is. Raises :class:`UsageRefused` ("usage_too_late").
    """
    found = _locked(record)
    if found.withdrawn_at is None:
        _check_open(found.subscription, found.on)
        found.withdrawn_at, found.withdrawn_by = clock.now(), actor
        found.save(update_fields=["withdrawn_at", "withdrawn_by"])
        _bill_late([found], as_of)
    return found


@transaction.atomic
def correct_usage(
    record: UsageRecord,
    *,
    quantity: Decimal,
    key: str,
    as_of: date,
    actor: str,
    properties: Mapping[str, Any] | None = None,
) -> UsageRecord:
    """Put a record of the same instant in the place of one that is wrong, and withdraw that.

    The properties stay unless others are given. Asked again with the same ``key`` it answers with
    the record that it made. Raises :class:`UsageRefused`, and :class:`Refused` ("usage_withdrawn"
    where the wrong one counts no longer, "usage_key_used" where the key is another record's).
    """
    wrong = _locked(record)
    of_key = UsageRecord.objects.filter(
        subscription=wrong.subscription, meter=wrong.meter, key=key
    ).first()
    if of_key is not None:
        if of_key.corrects_id == wrong.pk:
            return of_key
        raise Refused("Another record has this key. Choose a new one.", code="usage_key_used")
    if wrong.withdrawn_at is not None:
        raise Refused(
            "This record has already been withdrawn. Correct the one in its place, or record "
            "a new one.",
            code="usage_withdrawn",
        )
    kept = dict(wrong.properties if properties is None else properties)
    value, distinct = _measured(wrong.meter, quantity, kept)
    withdraw_usage(wrong, as_of=as_of, actor=actor)
    return UsageRecord.objects.create(
        subscription=wrong.subscription,
        meter=wrong.meter,
        key=key,
        at=wrong.at,
        on=wrong.on,
        quantity=quantity,
        value=value,
        distinct=distinct,
        properties=kept,
        corrects=wrong,
    )


def _locked(record: UsageRecord) -> UsageRecord:
    """A record as it stands, its customer locked against a bill that is being made of it."""
    lock_customer(record.subscription.customer_id)
    return UsageRecord.objects.select_related("subscription", "meter").get(pk=record.pk)


@dataclass(frozen=True, slots=True)
class Measured:
    """One event to record, as it was sent; ``key`` tells it from every other of its meter."""

    subscription: str
    meter: str
    quantity: Decimal
    at: datetime
    key: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event of many: recorded, known already, or refused with the reason."""

    status: Literal["recorded", "duplicate", "refused"]
    refusal: BillingError | None = None


@transaction.atomic
def record_many(
    seller: Seller, events: Sequence[Measured], *, as_of: date, is_all_or_nothing: bool = False
) -> list[Outcome]:
    """Record many events of any of a seller's subscriptions (public ids) and meters (codes).

    What is wrong with one does not stop the others, unless ``is_all_or_nothing``: then nothing is
    recorded where any is refused, and the outcomes say which. A constant number of queries.
    """
    named = {event.subscription for event in events}
    known = Subscription.objects.filter(seller=seller, public_id__in=named)
    lock_customers(known.values_list("customer_id", flat=True))
    subscriptions = {each.public_id: each for each in known}
    codes = {event.meter for event in events}
    meters = {each.code: each for each in Meter.objects.filter(seller=seller, code__in=codes)}
    seen = set(
        UsageRecord.objects.filter(
            subscription__in=subscriptions.values(), key__in={event.key for event in events}
        ).values_list("subscription__public_id", "meter__code", "key")
    )
    lives = _Lives.of([each.pk for each in subscriptions.values()])
    outcomes: list[Outcome] = []
    rows: list[UsageRecord] = []
    for event in events:
        name = (event.subscription, event.meter, event.key)
        if name in seen:
            outcomes.append(Outcome("duplicate"))
            continue
        try:
            rows.append(_row(event, subscriptions, meters, lives, as_of))
        except BillingError as refusal:
            outcomes.append(Outcome("refused", refusal))
            continue
        seen.add(name)
        outcomes.append(Outcome("recorded"))
    if is_all_or_nothing and any(outcome.refusal for outcome in outcomes):
        return outcomes
    UsageRecord.objects.bulk_create(rows)
    _bill_late(rows, as_of)
    return outcomes


def _row(
    event: Measured,
    subscriptions: Mapping[str, Subscription],
    meters: Mapping[str, Meter],
    lives: "_Lives",
    as_of: date,
) -> UsageRecord:
    subscription, meter = subscriptions.get(event.subscription), meters.get(event.meter)
    if subscription is None:
        raise UsageRefused("There is no such subscription.", code="unknown_subscription")
    if meter is None:
        raise UsageRefused(f"There is no meter “{event.meter}”.", code="unknown_meter")
    on = _day_of(subscription, meter, event.at, as_of, lives)
    value, distinct = _measured(meter, event.quantity, event.properties)
    return UsageRecord(
        subscription=subscription,
        meter=meter,
        key=event.key,
        at=event.at,
        on=on,
        quantity=event.quantity,
        value=value,
        distinct=distinct,
        properties=dict(event.properties),
    )


def _bill_late(rows: Sequence[UsageRecord], as_of: date) -> None:
    """Let what belongs to days that were billed come on the next bill."""
    late = {
        row.subscription_id
        for row in rows
        if row.subscription.billed_through is not None and row.on < row.subscription.billed_through
    }
    if late:
        Subscription.objects.filter(pk__in=late).update(
            next_bill_on=Coalesce(Least("next_bill_on", Value(as_of)), Value(as_of))
        )


@dataclass(frozen=True, slots=True)
class _Lives:
    """The days on which subscriptions, by id, charge for each meter's code, and their pauses."""

    metered: Mapping[tuple[int, str], Sequence[tuple[date, date | None]]]
    pauses: Mapping[int, Sequence[tuple[date, date | None]]]

    @classmethod
    def of(cls, subscription_ids: Sequence[int]) -> "_Lives":
        """Two queries for any number of them."""
        metered: dict[tuple[int, str], list[tuple[date, date | None]]] = defaultdict(list)
        pauses: dict[int, list[tuple[date, date | None]]] = defaultdict(list)
        items = SubscriptionItem.objects.filter(subscription__in=subscription_ids, quantity__gt=0)
        for owner, code, begun, over in items.exclude(price__meter="").values_list(
            "subscription_id", "price__meter", "starts_on", "ends_on"
        ):
            metered[owner, code].append((begun, over))
        rests = Pause.objects.filter(subscription__in=subscription_ids)
        for owner, begun, over in rests.values_list("subscription_id", "starts_on", "ends_on"):
            pauses[owner].append((begun, over))
        return cls(metered, pauses)


def _lies_in(on: date, spans: Sequence[tuple[date, date | None]]) -> bool:
    return any(start <= on and (end is None or on < end) for start, end in spans)


def _day_of(
    subscription: Subscription, meter: Meter, at: datetime, as_of: date, lives: _Lives
) -> date:
    """The local day to which an event belongs.

    Refuses what no bill could charge: before the start, after the end, in a pause, where nothing
    charges for the meter, in a period that is closed, or still to come. A clock that is fast
    around midnight is forgiven: what it says of tomorrow is today's.
    """
    on = clock.local_day(at, subscription.time_zone)
    if on > as_of + timedelta(days=1):
        raise UsageRefused(
            f"Usage on {on} is still to come. Record it once it has happened.",
            code="usage_in_the_future",
        )
    _check_life(subscription, on)
    _check_open(subscription, on)
    on = max(subscription.starts_on, min(on, as_of))
    if not meter.is_carried and _lies_in(on, lives.pauses.get(subscription.pk, ())):
        raise UsageRefused(
            f"The subscription is paused on {on}, and usage then is not billed. Resume it first, "
            "or leave this usage out.",
            code="usage_during_pause",
        )
    if not _lies_in(on, lives.metered.get((subscription.pk, meter.code), ())):
        raise UsageRefused(
            f"Nothing in the subscription charges for the meter “{meter.code}” on {on}. Change it "
            "to a plan with a price for that meter first.",
            code="usage_not_metered",
        )
    return on


def _check_life(subscription: Subscription, on: date) -> None:
    if subscription.status == Subscription.Status.INCOMPLETE:
        raise UsageRefused(
            "It has not begun: its order is not paid. Record usage once it is.",
            code="subscription_incomplete",
        )
    if on < subscription.starts_on:
        raise UsageRefused(
            f"Usage on {on} is before the start, {subscription.starts_on}.",
            code="usage_before_start",
        )
    if subscription.ends_on is not None and on >= subscription.ends_on:
        raise UsageRefused(
            f"Usage on {on} is after the end, {subscription.ends_on}.", code="usage_after_end"
        )


def _check_open(subscription: Subscription, on: date) -> None:
    """Whether a later bill still looks at a day."""
    if subscription.billed_until is not None and on < subscription.billed_until:
        raise UsageRefused(
            f"Usage on {on} is too late: days before {subscription.billed_until} were billed "
            "before the subscription came here.",
            code="usage_too_late",
        )
    if subscription.window_on is not None and on < subscription.window_on:
        raise UsageRefused(
            f"Usage on {on} is too late: the period has been billed and closed. Usage can be "
            f"recorded back to {subscription.window_on}.",
            code="usage_too_late",
        )


def _measured(
    meter: Meter, quantity: Decimal, properties: Mapping[str, Any]
) -> tuple[Decimal | None, str]:
    """What the meter aggregates of a record: nothing where its filter leaves the record out."""
    _check_quantity(meter, quantity)
    for name, wanted in meter.filter.items():
        allowed = wanted if isinstance(wanted, list) else [wanted]
        if str(properties.get(name)) not in {str(value) for value in allowed}:
            return None, ""
    if meter.aggregation == Meter.Aggregation.COUNT:
        return Decimal(1), ""
    if meter.aggregation == Meter.Aggregation.UNIQUE:
        named = str(properties.get(meter.property, "")) if meter.property else str(quantity)
        return (Decimal(1), named[:200]) if named else (None, "")
    if not meter.property:
        return quantity, ""
    try:
        measured = Decimal(str(properties[meter.property]))
        _check_quantity(meter, measured)
        return measured, ""
    except (KeyError, InvalidOperation) as error:
        raise UsageRefused(
            f"The meter {meter} needs a number in the property “{meter.property}”.",
            code="usage_property_missing",
        ) from error


def _check_quantity(meter: Meter, quantity: Decimal) -> None:
    quantity = Decimal(quantity)
    if not quantity.is_finite() or abs(quantity) > QUANTITY_MAX:
        raise UsageRefused(
            f"A quantity of usage is between -{QUANTITY_MAX} and {QUANTITY_MAX}. Measure in a "
            "larger unit.",
            code="usage_quantity_out_of_bounds",
        )
    if meter.is_whole and quantity % 1:
        raise UsageRefused(
            f"The meter {meter} takes whole units alone; {quantity} is not whole.",
            code="usage_not_whole",
        )


def load_usage(subscription_ids: Sequence[int]) -> dict[int, dict[str, metering.Usage]]:
    """The usage of each subscription's open window, by meter code: two queries for any number.

    A carried meter is read from its start.
    """
    found: dict[int, dict[str, list[Any]]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(_RECORDS, [array_of(subscription_ids)])
        rows = cursor.fetchall()
    if not rows:
        return {}
    meters = Meter.objects.in_bulk({row[1] for row in rows})
    for subscription_id, meter_id, on, value, name in rows:
        kept = found[subscription_id].setdefault(meters[meter_id].code, [meter_id, [], [], []])
        kept[1].append(on)
        kept[2].append(value)
        kept[3].append(name)
    return {
        subscription_id: {
            code: metering.Usage(engine_meter(meters[meter_id]), days, values, names)
            for code, (meter_id, days, values, names) in by_code.items()
        }
        for subscription_id, by_code in found.items()
    }


_RECORDS = """
    SELECT r.subscription_id, r.meter_id, r."on", r.value, r."distinct"
    FROM usage_usagerecord r
    JOIN subscriptions_subscription s ON s.id = r.subscription_id
    JOIN usage_meter m ON m.id = r.meter_id
    WHERE s.id = ANY(%s::bigint[]) AND r.value IS NOT NULL AND r.withdrawn_at IS NULL
      AND (m.is_carried OR r."on" >= COALESCE(s.window_on, s.starts_on))
    ORDER BY r.subscription_id, r.meter_id, r."on", r.at, r.id
"""


def engine_meter(meter: Meter) -> metering.Meter:
    return metering.Meter(
        meter.aggregation, meter.is_carried, meter.rounding_mode, meter.rounding_digits
    )
