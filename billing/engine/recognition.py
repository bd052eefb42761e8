"""Revenue recognition: which part of a line belongs to which month."""

from datetime import date

from billing.engine.money import round_ratio


def recognize_by_month(amount_minor: int, start: date, end: date) -> dict[tuple[int, int], int]:
    """Spread an amount evenly over the days of [start, end) and sum it by (year, month).

    Straight line by day, as K3 and IFRS 15 have it for a service that is rendered evenly. Each
    month takes round(amount × days until its end / days) minus what came before, so the months sum
    to the amount and no month is more than a unit from exact. Every month that the span touches
    is a key, also with 0. A span without days is recognised whole in the month of its start.
    """
    days = (end - start).days
    if days <= 0:
        return {(start.year, start.month): amount_minor}
    parts: dict[tuple[int, int], int] = {}
    recognized = 0
    until = start
    while until < end:
        year, month = until.year, until.month
        until = min(end, date(year + month // 12, month % 12 + 1, 1))
        share = round_ratio(amount_minor * (until - start).days, days)
        parts[year, month] = share - recognized
        recognized = share
    return parts
