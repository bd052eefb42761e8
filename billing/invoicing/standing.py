"""What stands of customers, many at a time: all that their bills are made of.

It is read in a constant number of queries, and bills to come are drafted of it in memory.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from django.db.models import Exists, OuterRef, Q

from billing.base.sql.lookups import array_of
from billing.base.sql.prepared import prepared
from billing.engine import tax
from billing.engine.lines import Billed
from billing.engine.metering import Usage
from billing.invoicing.balances import free_balances
from billing.invoicing.buyers import Buyer
from billing.invoicing.coverage import CHARGE_OF_KIND
from billing.invoicing.models import OneOffItem
from billing.invoicing.snapshots import Snapshot
from billing.invoicing.taxing import Taxing
from billing.subscriptions.agreements import Contract, load_contracts
from billing.subscriptions.models import CouponRedemption, Subscription
from billing.usage.actions import load_usage
from customers.models import Seller


@dataclass(slots=True)
class Scope:
    """What a run may bill: by default all that is due for the customers."""

    subscription_id: int | None = None
    one_off_ids: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class DraftedLine:
    """A line that is in memory alone, for later bills that correct it or charge its days again."""

    treatment: tax.Treatment
    supply: Snapshot | None
    discounts: list[str]


@dataclass(slots=True)
class Standing:
    """All that the bills of some customers of one seller are made of, as far as it is due by a day.

    ``billed`` and ``usage`` are by subscription, ``balances`` in minor units by customer and
    currency. Drafting takes off the balances and spends the coupons. ``drafted`` are lines that no
    row has, by the refs below zero that stand for their ids.
    """

    buyers: list[Buyer]
    taxing: Taxing
    contracts: dict[int, Contract]
    billed: dict[int, list[Billed]]
    usage: dict[int, dict[str, Usage]]
    one_offs: list[OneOffItem]
    balances: dict[tuple[int, str], int]
    coupons: list[CouponRedemption]
    drafted: dict[int, DraftedLine] = field(default_factory=dict)

    @property
    def was_parked(self) -> bool:
        """Whether the subscription is parked that was asked for by name; no other one is read."""
        return any(contract.is_parked for contract in self.contracts.values())

    @property
    def next_bill_on(self) -> date | None:
        """The first day on which something of it may be due; None for never."""
        days = [each.next_bill_on for each in self.contracts.values() if not each.is_parked]
        return min(filter(None, days), default=None)

    def due_on(self, day: date) -> "Standing":
        """What of it is due by a day; what that takes of balances and coupons is taken of both."""
        return replace(
            self,
            contracts={
                each.id: each
                for each in self.contracts.values()
                if each.next_bill_on is not None and each.next_bill_on <= day
            },
            one_offs=[item for item in self.one_offs if item.due_on <= day],
            coupons=[each for each in self.coupons if each.starts_on <= day],
        )


def read_standing(
    seller: Seller, buyers: list[Buyer], until: date, scope: Scope | None = None
) -> Standing:
    """What is due by a day of customers of one seller that the caller has locked."""
    scope = scope or Scope()
    waiting = _Waiting.of(buyers, until, scope)
    contracts = load_contracts(waiting.subscriptions) if waiting.subscriptions else {}
    ids = list(contracts)
    has_usage = any(
        item.price.meter for contract in contracts.values() for item in contract.agreement.items
    )
    return Standing(
        buyers=buyers,
        taxing=Taxing(seller, [buyer.bill_to for buyer in buyers]),
        contracts=contracts,
        billed=_load_billed(ids),
        usage=load_usage(ids) if has_usage else {},
        one_offs=_due_one_offs(buyers, until, scope) if waiting.one_offs else [],
        balances=free_balances([buyer.id for buyer in buyers]) if waiting.balances else {},
        coupons=_live_coupons(buyers, until) if waiting.coupons else [],
    )


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The subscriptions that are due, by id, and what there may be beside them, asked at once.

    Most customers have none of the latter.
    """

    subscriptions: list[int]
    one_offs: bool
    balances: bool
    coupons: bool

    @classmethod
    def of(cls, buyers: Sequence[Buyer], until: date, scope: Scope) -> "_Waiting":
        asked = {
            "ids": _ids_of(buyers),
            "until": until if scope.one_off_ids is None else None,
            "only": scope.subscription_id,
        }
        with prepared(len(buyers)) as cursor:
            cursor.execute(_WAITING, asked)
            return cls(*cursor.fetchone())


# One that is asked for by name is billed though it be parked, and so unparked.
_WAITING = """
    SELECT ARRAY (SELECT id FROM subscriptions_subscription
                  WHERE customer_id = ANY(%(ids)s::bigint[]) AND next_bill_on <= %(until)s::date
                    AND COALESCE(id = %(only)s::bigint, parked_reason = '')),
           EXISTS (SELECT FROM invoicing_oneoffitem
                   WHERE customer_id = ANY(%(ids)s::bigint[]) AND line_id IS NULL),
           EXISTS (SELECT FROM invoicing_customerbalance
                   WHERE customer_id = ANY(%(ids)s::bigint[]) AND balance_minor > 0),
           EXISTS (SELECT FROM subscriptions_couponredemption
                   WHERE customer_id = ANY(%(ids)s::bigint[]) AND NOT is_spent
                     AND removed_on IS NULL)
"""


def _ids_of(buyers: Sequence[Buyer]) -> str:
    return array_of([buyer.id for buyer in buyers])


def _live_coupons(buyers: Sequence[Buyer], until: date) -> list[CouponRedemption]:
    """The customers' coupons before those of single subscriptions, each in the order given."""
    live = CouponRedemption.objects.filter(
        customer_id__any_of=_ids_of(buyers), is_spent=False, removed_on=None, starts_on__lte=until
    ).select_related("coupon")
    return sorted(live, key=lambda one: (one.subscription_id is not None, one.pk))


def _due_one_offs(buyers: Sequence[Buyer], until: date, scope: Scope) -> list[OneOffItem]:
    due = OneOffItem.objects.filter(customer_id__any_of=_ids_of(buyers), line=None)
    due = due.select_related("reverses__corrects", "subscription")
    if scope.one_off_ids is not None:
        return list(due.filter(pk__in=scope.one_off_ids).order_by("id"))
    to_come = Subscription.objects.filter(customer=OuterRef("customer"), next_bill_on__isnull=False)
    due = due.filter(due_on__lte=until).annotate(has_bill_to_come=Exists(to_come))
    if scope.subscription_id is not None:
        due = due.filter(Q(subscription=None) | Q(subscription_id=scope.subscription_id))
    return list(due.order_by("due_on", "id"))


def _load_billed(subscription_ids: Sequence[int]) -> dict[int, list[Billed]]:
    """The charge lines of each subscription that end inside its open window."""
    found: dict[int, list[Billed]] = defaultdict(list)
    if not subscription_ids:
        return found
    with prepared(len(subscription_ids)) as cursor:
        cursor.execute(_COVERAGE, [array_of(subscription_ids)])
        for row in cursor.fetchall():
            subscription_id, line, item, kind, start, end, days, *rest = row
            found[subscription_id].append(
                Billed(
                    line,
                    item,
                    CHARGE_OF_KIND[kind],
                    start,
                    end,
                    [(start, end)] if days is None else [(one.lower, one.upper) for one in days],
                    *rest,
                )
            )
    return found


_COVERAGE = """
    SELECT c.subscription_id, c.line_id, c.item_id, c.kind, c.starts_on, c.ends_on,
           NULLIF(own.days, datemultirange(daterange(c.starts_on, c.ends_on))),
           c.amount_minor, c.billed_minor, c.credited_minor, c.quantity, c.part, own.stands_for
    FROM invoicing_coverage c JOIN subscriptions_subscription s ON s.id = c.subscription_id,
         LATERAL (SELECT c.days, NULL::bigint AS stands_for
                  UNION ALL
                  SELECT c.again_days, c.again_for_id WHERE c.again_for_id IS NOT NULL) own
    WHERE s.id = ANY(%s::bigint[]) AND c.ends_on > COALESCE(s.window_on, s.starts_on)
    ORDER BY c.subscription_id, c.line_id, own.stands_for NULLS FIRST
"""
