"""After a restore: comparing the database with what each gateway and each mark knows.

What can be told apart by itself is taken in; what a person must decide is listed. It may be run
any number of times: what was taken in is known from then on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from billing.base import clock
from billing.engine.errors import Refused
from billing.engine.money import major_string
from billing.invoicing.number_series import NumberGap, NumberSeries
from billing.outbound import mark
from billing.outbound.actions import record_comparison, release
from billing.outbound.gate import Held, standing_holds
from billing.outbound.models import DatabaseMark, Hold
from billing.payments.charging import settle
from billing.payments.gateways import registry
from billing.payments.gateways.base import Charge, Gateway, RefundMade
from billing.payments.models import IN_FLIGHT, Payment, Refund
from billing.payments.refunds import settle_refund
from billing.payments.taking_in import owner_of, take_in
from customers.calendar import today_of
from customers.models import Seller

# A gateway's clock is another one, and what was under way at the backup was asked for before it.
BEFORE = timedelta(days=2)
GAP = "Given since the backup that was restored on {day}, perhaps, and lost with it."


@dataclass(slots=True)
class Found:
    """What both sides differ in: sentences for a person, and the ids of charges of nobody here."""

    compared: int = 0
    taken_in: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    of_nobody: list[str] = field(default_factory=list)


def reconcile(*, actor: str, since: datetime | None = None, nothing_lost: bool = False) -> Found:
    """Compare, and take in what is missing here.

    ``since`` is before the backup; by default two days before this database was last at work.
    With ``nothing_lost`` the numbers that only a mark knows of, ahead of documents, stay free.
    Raises what a gateway's client raises: without its record nothing can be said.
    """
    found = Found()
    holds = list(_of_the_database())
    begins = since or _begin_of(holds) - BEFORE
    for gateway in registry.accounts():
        numbers = _compare_charges(gateway, begins, actor, found)
        _compare_refunds(gateway, begins, found)
        _skip_numbers(numbers, actor, found)
    if not nothing_lost:
        _skip_numbers(_witnessed(holds), actor, found)
    for hold in holds:
        record_comparison(hold, found.of_nobody)
    return found


def go_on(*, actor: str, nothing_lost: bool = False) -> list[Hold]:
    """Mark this database as the one that holds, and let everything go on; the holds it ended.

    What the first ticks tell customers may have been told before: it waits for a person, unless
    one says that nothing was lost. Raises :class:`Refused` ("nothing_held").
    """
    holds = list(_of_the_database())
    if not holds:
        raise Refused("Nothing is held because of the database.", code="nothing_held")
    mark.adopt_database()
    if not nothing_lost:
        until = clock.now() + DOUBTED_FOR
        DatabaseMark.objects.update(doubted_until=until, restores=F("restores") + 1)
    return [release(hold, actor=actor) for hold in holds]


DOUBTED_FOR = timedelta(hours=1)


def _of_the_database() -> Iterator[Hold]:
    return iter(standing_holds().filter(code__in=mark.CODES))


def _begin_of(holds: Sequence[Hold]) -> datetime:
    seen = [hold.details.get("since") for hold in holds]
    instants = [datetime.fromisoformat(each) for each in seen if each]
    return min([*instants, clock.now()])


# Charges


def _compare_charges(
    gateway: Gateway, since: datetime, actor: str, found: Found
) -> dict[tuple[str, str], int]:
    """Compare all charges since; the highest number that each seller's invoices had on them."""
    numbers: dict[tuple[str, str], int] = {}
    for made in _pages(gateway.charges_since, since):
        found.compared += 1
        seller, sequence = made.metadata.get("seller", ""), made.metadata.get("sequence", "")
        if seller and sequence.isdecimal():
            name = (seller, "invoice")
            numbers[name] = max(numbers.get(name, 0), int(sequence))
        _compare_charge(gateway, made, actor, found)
    return numbers


def _compare_charge(gateway: Gateway, made: Charge, actor: str, found: Found) -> None:
    said = f"{made.gateway_id} ({major_string(made.amount_minor, made.currency)} {made.currency})"
    ours = Payment.objects.filter(gateway=gateway.name).select_related("seller")
    payment = (
        ours.filter(gateway_id=made.gateway_id).first()
        or ours.filter(gateway_key=made.reference).first()
        or ours.filter(public_id=made.reference).first()
    )
    if payment is not None:
        if payment.state in {*IN_FLIGHT, Payment.State.PLANNED, Payment.State.CANCELED}:
            try:
                settle(payment.pk, made, as_of=today_of(payment.seller), actor=actor)
            except Held:
                # It pays an order, whose invoice is given a number with its money.
                found.undecided.append(f"{said} pays an order, and is booked when all goes on.")
        elif (made.status == "succeeded") != (payment.received_on is not None):
            found.undecided.append(f"{said} has {made.status}, but {payment} has {payment.state}.")
        return
    owner = owner_of(gateway.name, made)
    if made.status == "succeeded" and owner is None:
        found.of_nobody.append(made.gateway_id)
        found.undecided.append(
            f"{said} has succeeded and is of a customer whom nobody here knows "
            f"({made.metadata.get('customer') or made.customer}): pay it back at the gateway, "
            "or add the customer and record the payment."
        )
    elif made.status == "succeeded" and owner is not None:
        as_of = today_of(owner.seller)
        if payment := take_in(gateway.name, made, as_of=as_of, actor=actor):
            number = made.metadata.get("number", "")
            found.taken_in.append(f"{said} of {owner}, for invoice {number or '?'}: {payment}.")
    elif made.status == "requires_action":
        found.undecided.append(f"{said} waits for its customer: cancel it at the gateway.")


def _compare_refunds(gateway: Gateway, since: datetime, found: Found) -> None:
    for made in _pages(gateway.refunds_since, since):
        found.compared += 1
        refunds = Refund.objects.filter(payment__gateway=gateway.name)
        known = refunds.filter(gateway_id=made.gateway_id).first()
        if known is not None:
            continue
        if asked := refunds.filter(gateway_key=made.reference).first():
            settle_refund(asked.pk, made)
            continue
        payment = Payment.objects.filter(gateway=gateway.name, gateway_id=made.charge).first()
        if payment is not None and not _is_taken_in(payment):
            found.undecided.append(
                f"Refund {made.gateway_id} of {major_string(made.amount_minor, made.currency)} "
                f"{made.currency} was paid back of {payment}: issue the credit note with its "
                "refund, or refund the invoice, again. The gateway answers with the first."
            )


def _is_taken_in(payment: Payment) -> bool:
    """Whether it came here with what was paid back taken off already."""
    return payment.payment_method_id is None and not payment.allocations.exists()


def _pages[Row: (Charge, RefundMade)](
    ask: Callable[[datetime, str], Sequence[Row]], since: datetime
) -> Iterator[Row]:
    last = ""
    while page := ask(since, last):
        yield from page
        last = page[-1].gateway_id


# Numbers


def _witnessed(holds: Sequence[Hold]) -> dict[tuple[str, str], int]:
    """The highest numbers that the machines' marks know, by seller and kind."""
    numbers: dict[tuple[str, str], int] = {}
    for hold in holds:
        witnesses: dict[str, list[dict[str, Any]]] = hold.details.get("witnesses", {})
        for kept in chain.from_iterable(witnesses.values()):
            for name, number in kept.get("numbers", {}).items():
                seller, _, kind = name.partition(" ")
                numbers[seller, kind] = max(numbers.get((seller, kind), 0), int(number))
    return numbers


def _skip_numbers(numbers: dict[tuple[str, str], int], actor: str, found: Found) -> None:
    for (public_id, kind), last in numbers.items():
        seller = Seller.objects.filter(public_id=public_id).first()
        if seller and (gap := skip_numbers(seller, kind, last, actor=actor)):
            found.taken_in.append(
                f"{seller}: the {kind} numbers {gap.first} to {gap.last} are not given again."
            )


@transaction.atomic
def skip_numbers(seller: Seller, kind: str, last: int, *, actor: str) -> NumberGap | None:
    """Give no number up to ``last`` again, and record why; None where none was left of them."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL kvitt.reconciles = 'on'")
    NumberSeries.objects.get_or_create(
        seller=seller, kind=kind, defaults={"prefix": "C" if kind == "credit_note" else ""}
    )
    series = NumberSeries.objects.select_for_update().get(seller=seller, kind=kind)
    if series.next_number > last:
        return None
    reason = GAP.format(day=today_of(seller))
    gap = NumberGap.objects.create(
        seller=seller,
        kind=kind,
        first=series.next_number,
        last=last,
        reason=reason,
        recorded_by=actor,
    )
    NumberSeries.objects.filter(pk=series.pk).update(next_number=last + 1)
    return gap
