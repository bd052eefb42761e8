"""The one gate: whatever leaves this installation has asked here whether it may.

Three things close it. ``KVITT_OUTBOUND=off`` closes it for everything: nothing is sent and nobody
is asked. A hold closes it for all that does something outside, and for giving numbers; asking a
gateway what it knows stays allowed, because comparing both sides is what a hold waits for. So does,
for itself alone, a process that cannot see its mark (``billing.outbound.mark``). A kill switch
closes it for charging alone.

What is held has not failed and is no attempt: it waits as it is and goes on by itself when the
gate opens. So whoever works on rows asks before touching them, and whoever opens a connection
asks again, with the pass that :func:`pass_out` gives.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.db.models import F, Q, QuerySet

from billing.engine.errors import Refused
from billing.outbound.mark import blindness
from billing.outbound.models import Hold, KillSwitch


class Kind(StrEnum):
    """What is about to be done outside.

    A charge is also a page at the gateway on which somebody pays; a card, one on which a card is
    left; a withdrawal takes back a charge or a page that is not paid. A number is that of a
    document: it leaves with what is printed.
    """

    CHARGE = "charge"
    CARD = "card"
    REFUND = "refund"
    WITHDRAWAL = "withdrawal"
    QUESTION = "question"
    MAIL = "mail"
    WEBHOOK = "webhook"
    VIES = "vies"
    NUMBER = "number"


OUTBOUND_OFF: Final = "outbound_off"
OUTBOUND_HELD: Final = "outbound_held"
CHARGING_STOPPED: Final = "charging_stopped"

_GOES_WHILE_OFF: Final = {Kind.NUMBER}
_GOES_WHILE_HELD: Final = {Kind.QUESTION}


class Held(Refused):
    """Raised when something may not leave now; nothing was done, and it may be tried later."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The gate's word that something of a kind may leave: given by :func:`pass_out` alone.

    What opens connections takes one, so that nothing is sent by who forgot to ask. It is for what
    is done next, and is not kept.
    """

    kind: Kind
    seller: str | None = None


def pass_out(kind: Kind, seller: str | None = None) -> Pass:
    """The pass for something that is about to leave; ``seller`` is a public id, if it is one's.

    Raises :class:`Held` ("outbound_off", "outbound_held", "charging_stopped").
    """
    if held := refusal(kind, seller):
        raise held
    return Pass(kind, seller)


def refusal(kind: Kind, seller: str | None = None) -> Held | None:
    """Why something of a kind may not leave now; None where it may. One query, two for a charge."""
    if not settings.OUTBOUND and kind not in _GOES_WHILE_OFF:
        return Held(
            "Nothing leaves this installation: KVITT_OUTBOUND is off. What is due waits.",
            code=OUTBOUND_OFF,
        )
    if kind in _GOES_WHILE_HELD:
        return None
    if reason := blindness():
        return Held(reason, code=OUTBOUND_HELD, hold="mark_unreadable")
    if hold := standing_holds().first():
        return Held(
            f"Everything is held since {hold.held_at:%Y-%m-%d %H:%M} UTC: {hold.reason}",
            code=OUTBOUND_HELD,
            hold=hold.code,
        )
    if kind is Kind.CHARGE and (switch := _stopping(seller)):
        return Held(
            f"Charging was stopped at {switch.on_at:%Y-%m-%d %H:%M} UTC by {switch.on_by}: "
            f"{switch.reason}",
            code=CHARGING_STOPPED,
            seller=switch.seller,
        )
    return None


def standing_holds() -> QuerySet[Hold]:
    """The holds that nobody has released, oldest first."""
    return Hold.objects.filter(released_at=None).order_by("held_at", "id")


def switches_on() -> QuerySet[KillSwitch]:
    """The kill switches that are on; everybody's first."""
    return KillSwitch.objects.filter(off_at=None).order_by(F("seller").asc(nulls_first=True), "id")


def stops_of_charging(seller: str) -> list[tuple[datetime, datetime | None]]:
    """When nothing could be charged for a seller: since, and until or None for until now.

    By kill switches and by holds, in no order; they may overlap.
    """
    switches = KillSwitch.objects.filter(Q(seller=None) | Q(seller=seller))
    return [
        *switches.values_list("on_at", "off_at"),
        *Hold.objects.values_list("held_at", "released_at"),
    ]


def _stopping(seller: str | None) -> KillSwitch | None:
    return switches_on().filter(Q(seller=None) | Q(seller=seller)).first()
