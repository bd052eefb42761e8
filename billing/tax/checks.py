"""Asking VIES about customers' VAT numbers, soon after they are given and every so often after.

VAT is charged until a number has been seen to be valid, so an outage never holds up a bill or a
checkout: it only lets the buyer pay VAT for longer. What is answered counts for bills from then on.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection

from billing.engine.supply import is_in_eu
from billing.events.troubles import Watch
from billing.outbound.gate import Held, Kind, refusal
from billing.tax import vies
from billing.tax.models import VatNumberCheck
from billing.tax.supplies import country_prefixes, counts_for, plain, registrations_of
from customers.calendar import now_of, today_of
from customers.models import Customer, Seller

# How long a yes or no is good for, and how long an unknown answer waits to be asked again.
GOOD_FOR: Final = timedelta(days=90)
AGAIN_AFTER: Final = timedelta(hours=1)
PAGE_SECONDS: Final = 4
ASKED_BY_HAND: Final = "ASKED_BY_HAND"
DUE_MAX: Final = 20

Answer = VatNumberCheck.Answer
_ENOUGH_FOR_A_PAGE: Final = {
    Answer.VALID: GOOD_FOR,
    Answer.INVALID: AGAIN_AFTER,
    Answer.UNKNOWN: timedelta(minutes=1),
}


def matters(seller: Seller, number: str) -> bool:
    """Whether a bill of a seller would be another if the number were valid."""
    on = today_of(seller)
    return (
        counts_for(seller, plain(number))
        and is_in_eu(str(seller.country), on)
        and registrations_of(seller, on).home
    )


def ask(seller: Seller, number: str, *, seconds: float = vies.PATIENT_SECONDS) -> VatNumberCheck:
    """Ask VIES about a number and keep what it says.

    Raises :class:`Held` where nobody may be asked now, and RuntimeError inside a transaction.
    """
    number = plain(number)
    answer = vies.ask(number, plain(seller.vat_number), seconds=seconds)
    known = {True: Answer.VALID, False: Answer.INVALID, None: Answer.UNKNOWN}
    return VatNumberCheck.objects.create(
        seller=seller,
        number=number,
        asked_at=now_of(seller),
        answer=known[answer.is_valid],
        consultation_number=answer.consultation_number,
        name=answer.name,
        problem=answer.problem,
    )


def standing(seller: Seller, number: str) -> Answer:
    """What is known of a number: valid, invalid or unknown; the last yes or no counts."""
    checks = VatNumberCheck.objects.filter(seller=seller, number=plain(number))
    last = checks.exclude(answer=Answer.UNKNOWN).first()
    return Answer(last.answer) if last else Answer.UNKNOWN


def look_up(seller: Seller, number: str, may_ask: Callable[[], bool]) -> Answer:
    """What is known of a number that somebody has just typed, asked for where that is too little.

    ``may_ask`` is asked first, so that nobody can have us ask for ever. Waits a few seconds at
    most. Raises RuntimeError inside a transaction.
    """
    known = standing(seller, number)
    last = VatNumberCheck.objects.filter(seller=seller, number=plain(number)).first()
    is_old = last is None or last.asked_at <= now_of(seller) - _ENOUGH_FOR_A_PAGE[known]
    if is_old and may_ask():
        with suppress(Held):  # It is asked about when the gate opens.
            ask(seller, number, seconds=PAGE_SECONDS)
        known = standing(seller, number)
    return known


def ask_by_hand(customer: Customer) -> None:
    """Have a customer's number asked about with the next tick, whatever is known of it."""
    VatNumberCheck.objects.create(
        seller=customer.seller,
        number=plain(customer.vat_number),
        asked_at=now_of(customer.seller),
        answer=Answer.UNKNOWN,
        problem=ASKED_BY_HAND,
    )


def ask_due(seller: Seller, on_answer: Callable[[], object] = lambda: None) -> int:
    """Ask about the numbers whose time has come, a handful; how many. The rest waits.

    ``on_answer`` is called after each, and may end it by an exception. Stops where VIES itself
    cannot be reached. Raises RuntimeError inside a transaction.
    """
    if refusal(Kind.VIES) or not settings.VIES_URL:
        return 0
    on = today_of(seller)
    if not is_in_eu(str(seller.country), on) or not registrations_of(seller, on).home:
        return 0
    watch = Watch("check VAT numbers", seller.public_id, passing=(Held,))
    count = 0
    for number in _due(seller, now_of(seller), watch.waiting):
        count += 1
        check = None
        try:
            with watch.over(number):
                check = ask(seller, number)
        except Held:
            break
        on_answer()
        if check and check.problem == vies.UNREACHABLE:
            break
    return count


def _due(seller: Seller, now: datetime, left_out: list[str]) -> list[str]:
    """Customers' numbers that nobody has asked about, or not for long enough, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            _DUE,
            {
                "seller": seller.pk,
                "prefixes": sorted(country_prefixes(seller)),
                "by_hand": ASKED_BY_HAND,
                "again": now - AGAIN_AFTER,
                "old": now - GOOD_FOR,
                "left_out": left_out,
                "limit": DUE_MAX,
            },
        )
        return [number for (number,) in cursor]


_DUE = """
    SELECT n.number FROM (
        SELECT DISTINCT upper(regexp_replace(vat_number, '[^A-Za-z0-9]', '', 'g')) AS number
        FROM customers_customer WHERE seller_id = %(seller)s AND vat_number <> ''
    ) n LEFT JOIN LATERAL (
        SELECT answer, problem, asked_at FROM tax_vatnumbercheck
        WHERE seller_id = %(seller)s AND number = n.number ORDER BY asked_at DESC, id DESC LIMIT 1
    ) c ON true
    WHERE left(n.number, 2) = ANY(%(prefixes)s) AND length(n.number) <= 20
      AND n.number <> ALL(%(left_out)s)
      AND (c.answer IS NULL OR c.problem = %(by_hand)s OR c.asked_at <= %(old)s
           OR (c.answer = 'unknown' AND c.asked_at <= %(again)s))
    ORDER BY c.asked_at NULLS FIRST, n.number LIMIT %(limit)s
"""
