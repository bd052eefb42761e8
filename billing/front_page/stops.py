"""What stands still and why: the banner of the front page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import pgettext

from billing.desk.figures import page_locale
from billing.desk.labels import BUTTON, in_words
from billing.jobs.heart import CLOCK_JUMPED
from billing.outbound import mark
from billing.outbound.gate import standing_holds, switches_on
from billing.outbound.models import Hold, KillSwitch
from customers.models import Seller

PRESS, RELEASE = "outbound.press_killswitch", "outbound.release_hold"
GO_ON, RESUME = "Resume everything", "Resume charging"
# What a hold has seen is kept in English, with its particulars. Pages in another language say by
# its code what was seen, and the particulars stand on the hold's own page.
SEEN = {
    "database_replaced": (
        "The database is no longer in the same place, as after a restore, a move or a failover."
    ),
    "database_is_older": "This machine has seen the database farther on than it is now.",
    "database_unmarked": (
        "This machine has no mark of the database, and cannot tell whether it is an older one."
    ),
    "gateway_knows_more": "The gateway knows of a charge that the database has lost.",
    CLOCK_JUMPED: (
        "The last tick was long before what this machine's clock says, and no payment gateway can "
        "confirm it. If Kvitt stood still for so long, resume everything. If a clock is wrong, "
        "set it right first: what is billed now would be dated in the future."
    ),
}


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
            pgettext("desk", "Nothing leaves"),
            pgettext(
                "desk",
                "KVITT_OUTBOUND is off: no email, charge, refund or webhook leaves. Turn it on, "
                "and restart web and worker, once this installation is to reach people.",
            ),
        )
    if reason := mark.blindness():
        title = pgettext("desk", "Everything is held on this machine")
        yield Stop(title, reason if _is_english() else _why_blind())
    for hold in standing_holds():
        yield _of_hold(hold, may_release=request.user.has_perm(RELEASE))
    names = dict(Seller.objects.values_list("public_id", "name"))
    for switch in switches_on():
        whose = names.get(switch.seller, switch.seller) if switch.seller else ""
        yield _of_switch(switch, whose, may_press=request.user.has_perm(PRESS))


def _of_hold(hold: Hold, *, may_release: bool) -> Stop:
    title, url = pgettext("desk", "Everything is held"), _act(hold, "go-on") if may_release else ""
    return Stop(title, _why_held(hold), hold.held_at, url, in_words(GO_ON, BUTTON))


def _why_held(hold: Hold) -> str:
    if _is_english() or hold.code not in SEEN:
        return hold.reason
    seen = pgettext("desk", SEEN[hold.code])
    if hold.code not in mark.CODES:
        return seen
    what_to_do = pgettext(
        "desk",
        "Charges, emails, webhooks and the numbers of documents wait. Run `manage.py reconcile`, "
        "which compares the database with the gateways, and read what it says. `manage.py "
        "reconcile --go-on` lets everything resume.",
    )
    return f"{seen} {what_to_do}"


def _why_blind() -> str:
    return pgettext(
        "desk",
        "This machine cannot keep its mark of the database in %(folder)s, and so cannot tell "
        "whether the database is an older one. Charges, emails, webhooks and the numbers of "
        "documents wait. Make the folder writable for the account that Kvitt runs as; then "
        "everything resumes automatically.",
    ) % {"folder": settings.MARKS_DIR}


def _is_english() -> bool:
    return page_locale().language == "en"


def _of_switch(switch: KillSwitch, seller: str, *, may_press: bool) -> Stop:
    title = (
        pgettext("desk", "Charging by %(seller)s is stopped") % {"seller": seller}
        if seller
        else pgettext("desk", "Charging is stopped")
    )
    said = {"who": switch.on_by, "reason": switch.reason}
    why = pgettext("desk", "%(who)s stopped it: %(reason)s") % said
    url = _act(switch, "resume") if may_press else ""
    return Stop(title, why, switch.on_at, url, in_words(RESUME, BUTTON))


def _act(obj: Hold | KillSwitch, name: str) -> str:
    return reverse(f"admin:outbound_{obj._meta.model_name}_act", args=[obj.pk, name])
