"""What was used, told period by period: the quantities that bills go by."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Any

from billing.engine import periods
from billing.engine.metering import Usage
from billing.subscriptions.agreements import load_contracts
from billing.subscriptions.models import Subscription
from billing.usage.actions import engine_meter
from billing.usage.models import Meter, UsageRecord

PERIODS_MAX = 100


@dataclass(frozen=True, slots=True)
class PeriodSum:
    """What a meter comes to on the days ``[start, end)``, aggregated and rounded as it says.

    ``records`` counts those behind it. ``is_open`` as long as a later bill looks at the period, so
    that usage of it may be recorded, corrected and withdrawn.
    """

    meter: str
    unit: str
    start: date
    end: date
    quantity: Decimal
    records: int
    is_open: bool


def usage_by_period(
    subscription: Subscription, *, since: date | None = None, as_of: date
) -> list[PeriodSum]:
    """The sums of each meter that was used, newest period first; three queries.

    From the period that contains ``since``, or else the first that is open, until that of
    ``as_of``; of more than 100 periods the newest. A period that a change cuts is one here, and
    part by part on its bill.
    """
    first = max(since or subscription.window_on or subscription.starts_on, subscription.starts_on)
    last = as_of
    if subscription.ends_on is not None:
        last = min(as_of, subscription.ends_on - timedelta(days=1))
    cycles = load_contracts([subscription.pk])[subscription.pk].agreement.cycles
    spans = list(takewhile(lambda span: span.start <= last, periods.periods(cycles, first)))
    spans = spans[-PERIODS_MAX:]
    if not spans:
        return []
    records = UsageRecord.objects.filter(
        subscription=subscription, on__lt=spans[-1].end, withdrawn_at=None, value__isnull=False
    ).select_related("meter")
    used = _by_meter(records.order_by("on", "at", "pk"))
    opens_on = subscription.window_on or subscription.starts_on
    return [
        PeriodSum(
            meter=meter.code,
            unit=meter.unit,
            start=span.start,
            end=span.end,
            quantity=usage.total(span.start, span.end),
            records=len(usage.events(span.start, span.end)),
            is_open=span.end > opens_on,
        )
        for span in reversed(spans)
        for meter, usage in used
        if usage.events(span.start, span.end)
    ]


def _by_meter(records: Iterable[UsageRecord]) -> Sequence[tuple[Meter, Usage]]:
    kept: dict[Meter, list[list[Any]]] = defaultdict(lambda: [[], [], []])
    for record in records:
        for column, value in zip(
            kept[record.meter], (record.on, record.value, record.distinct), strict=True
        ):
            column.append(value)
    found = ((meter, Usage(engine_meter(meter), *columns)) for meter, columns in kept.items())
    return sorted(found, key=lambda each: each[0].code)
