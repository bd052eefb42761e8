"""The kill switch as people press it: with an event for each seller whose charging it stops."""

from django.db import transaction

from billing.base import clock
from billing.events.models import Event
from billing.events.recorder import record_all
from billing.outbound import actions
from billing.outbound.models import KillSwitch
from customers.models import Seller


@transaction.atomic
def stop_charging(*, reason: str, actor: str, seller: Seller | None = None) -> KillSwitch:
    """Stop all charging at once, or one seller's; raises what the gate's own does."""
    public_id = seller.public_id if seller else None
    switch = actions.stop_charging(reason=reason, actor=actor, seller=public_id)
    _tell("charging.stopped", switch, actor)
    return switch


@transaction.atomic
def resume_charging(switch: KillSwitch, *, actor: str) -> KillSwitch:
    """Turn a kill switch off; raises what the gate's own does."""
    switch = actions.resume_charging(switch, actor=actor)
    _tell("charging.resumed", switch, actor)
    return switch


def _tell(type: str, switch: KillSwitch, actor: str) -> None:
    sellers = Seller.objects.all()
    if switch.seller:
        sellers = sellers.filter(public_id=switch.seller)
    record_all(
        Event(
            type=type,
            seller=seller.public_id,
            subject=seller.public_id,
            occurred_on=clock.today(seller.time_zone),
            actor=actor,
            data={"reason": switch.reason, "is_of_all": switch.seller is None},
        )
        for seller in sellers.order_by("pk")
    )
