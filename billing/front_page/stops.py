"""What stands still and why: the banner of the front page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from billing.outbound import mark
from billing.outbound.gate import standing_holds, switches_on
from billing.outbound.models import Hold, KillSwitch
from customers.models import Seller

PRESS, RELEASE = "outbound.press_killswitch", "outbound.release_hold"
GO_ON, RESUME = "Resume everything", "Resume charging"


@dataclass(frozen=True)
class Stop:
    """What stands still and why; with an address only for those who may let it go on."""

    title: str
    why: str
    since: Any = None
    url: str = ""
    button: str = ""


def stops(request: HttpRequest) -> list[Stop]:
    """All that stands still now, the widest first."""
    return list(_stops(request))


def _stops(request: HttpRequest) -> Iterator[Stop]:
    if not settings.OUTBOUND:
        yield Stop(
            "Nothing leaves",
            "KVITT_OUTBOUND is off: no mail, charge, refund or webhook leaves. Set it on, and "
            "restart web and worker, once this installation is to reach people.",
        )
    if reason := mark.blindness():
        yield Stop("Everything is held on this machine", reason)
    for hold in standing_holds():
        url = _act(hold, "go-on") if request.user.has_perm(RELEASE) else ""
        yield Stop("Everything is held", hold.reason, hold.held_at, url, GO_ON)
    names = dict(Seller.objects.values_list("public_id", "name"))
    for switch in switches_on():
        whose = f"of {names.get(switch.seller, switch.seller)} " if switch.seller else ""
        url = _act(switch, "resume") if request.user.has_perm(PRESS) else ""
        why = f"{switch.on_by} stopped it: {switch.reason}"
        yield Stop(f"Charging {whose}is stopped", why, switch.on_at, url, RESUME)


def _act(obj: Hold | KillSwitch, name: str) -> str:
    return reverse(f"admin:outbound_{obj._meta.model_name}_act", args=[obj.pk, name])
