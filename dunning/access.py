"""Access to what late invoices bill: the least that any of their cases leaves."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from billing.base.sql.lookups import array_of
from billing.events.models import Event
from billing.events.recorder import record_all
from billing.invoicing.models import InvoiceLine
from billing.subscriptions.models import Subscription
from dunning.models import DunningCase

# From the most access to the least.
ACCESSES = ("full", "restricted", "none")
# What has ended, or not begun, has no access that a debt could take.
_WITHOUT_ACCESS = ("ended", "incomplete")


def set_access(invoice_ids: set[int], as_of: date, actor: str) -> None:
    """Set the access to what some invoices bill; their customers are locked.

    What has ended stays ended: who pays late for it starts a new subscription.
    """
    if not invoice_ids:
        return
    lines = InvoiceLine.objects.filter(
        invoice__any_of=array_of(invoice_ids), subscription__isnull=False
    )
    ids = set(lines.values_list("subscription_id", flat=True))
    wanted = dict.fromkeys(ids, "full")
    demands = InvoiceLine.objects.filter(
        subscription__any_of=array_of(ids),
        invoice__dunning_case__status__in=[DunningCase.Status.OPEN, DunningCase.Status.EXHAUSTED],
        invoice__dunning_case__access__in=[DunningCase.Access.RESTRICTED, DunningCase.Access.NONE],
    ).values_list("subscription_id", "invoice__dunning_case__access")
    for subscription_id, access in demands.distinct():
        wanted[subscription_id] = max(wanted[subscription_id], access, key=ACCESSES.index)
    events = []
    moved: dict[str, list[int]] = defaultdict(list)
    alive = (
        Subscription.objects.select_for_update(of=["self"])
        .filter(pk__any_of=array_of(ids))
        .exclude(status__in=_WITHOUT_ACCESS)
        .order_by("pk")
    )
    for pk, public_id, seller, before in alive.values_list(
        "pk", "public_id", "seller__public_id", "access"
    ):
        after = wanted[pk]
        if before != after:
            moved[after].append(pk)
            events.append(
                Event(
                    type="subscription.access_changed",
                    seller=seller,
                    subject=public_id,
                    occurred_on=as_of,
                    actor=actor,
                    data={"from": before, "to": after},
                )
            )
    for access, moving in moved.items():
        Subscription.objects.filter(pk__any_of=array_of(moving)).update(access=access)
    record_all(events)


def subscriptions_of(invoice_ids: Iterable[int]) -> dict[int, list[Subscription]]:
    """{invoice: the subscriptions that its lines bill}, in two queries."""
    pairs = set(
        InvoiceLine.objects.filter(
            invoice__any_of=array_of(invoice_ids), subscription__isnull=False
        )
        .values_list("invoice_id", "subscription_id")
        .distinct()
    )
    found = Subscription.objects.select_related("seller").in_bulk(
        {subscription_id for _, subscription_id in pairs}
    )
    billed: dict[int, list[Subscription]] = defaultdict(list)
    for invoice_id, subscription_id in sorted(pairs):
        billed[invoice_id].append(found[subscription_id])
    return billed
