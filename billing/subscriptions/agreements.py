"""Reading what subscriptions have agreed to, many at a time and in a constant number of queries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

from django.db import transaction

from billing.base.sql.lookups import array_of
from billing.base.sql.prepared import prepared
from billing.base.sql.reading import read_beside
from billing.engine import pricing
from billing.engine.agreement import Agreement, Item, Pause
from billing.engine.lifecycle import status_on
from billing.engine.periods import Cycle, Grid
from billing.subscriptions.models import Subscription
from catalog.models import Price


@dataclass(slots=True)
class Terms:
    """What a line says and how it is taxed and booked, for one price.

    ``unit`` is its meter's, such as ``kg``; empty where the meter has none, and without a meter.
    """

    price: Price
    price_id: int
    plan_id: int
    plan_code: str
    plan_name: str
    description: str
    tax_category: str
    supply: str
    revenue_account: str
    unit: str


@dataclass(slots=True)
class Contract:
    """One subscription's row and its agreement. ``terms`` are those of the prices in it."""

    agreement: Agreement
    id: int
    public_id: str
    seller_id: int
    customer_id: int
    plan_id: int
    status: str
    is_parked: bool
    next_bill_on: date | None
    refunds_at_end: bool
    buyer_reference: str
    terms: dict[int, Terms] = field(default_factory=dict)

    @property
    def subscription_id(self) -> int:
        return self.id

    @property
    def currency(self) -> str:
        return self.agreement.currency

    def status_on(self, on: date) -> str:
        """What it is on a day: one that is incomplete stays so until it is completed or ends."""
        dated = self.dated_status_on(on)
        return (
            self.status
            if self.status == Subscription.Status.INCOMPLETE and dated != "ended"
            else dated
        )

    def dated_status_on(self, on: date) -> str:
        """What its dates alone say that it is."""
        agreement = self.agreement
        return status_on(
            on,
            paid_from=agreement.paid_from,
            ends_on=agreement.end,
            pauses=[(pause.start, pause.end) for pause in agreement.pauses],
        )

    def plan_on(self, on: date) -> int:
        """The plan whose items are in force on a day; the present one where none are."""
        for item in reversed(self.agreement.items):
            if item.start <= on and item.price.billing != "once" and item.price.ref in self.terms:
                return self.terms[item.price.ref].plan_id
        return self.plan_id

    def advance(self, next_bill_on: date | None, window_on: date) -> None:
        """Stand as :func:`load_contracts` would read it after a bill that nobody has written.

        Status and plan stay: no bill depends on them.
        """
        agreement = self.agreement
        self.is_parked, self.next_bill_on, agreement.window_on = False, next_bill_on, window_on
        agreement.items = [one for one in agreement.items if _is_open(one.end, window_on)]
        agreement.pauses = [one for one in agreement.pauses if _is_open(one.end, window_on)]


def _is_open(end: date | None, window_on: date) -> bool:
    """Whether a window that begins on a day still touches what ends on another one."""
    return end is None or end >= window_on


def load_contracts(subscription_ids: Sequence[int]) -> dict[int, Contract]:
    """The contracts by id, with the versions of items that the open window may still touch."""
    ids = subscription_ids
    contracts: dict[int, Any] = {row[0]: _contract(row) for row in _rows(_SUBSCRIPTIONS, ids)}
    rows = _rows(_ITEMS, ids)
    terms = _load_terms({row[2] for row in rows})
    for row in rows:
        contract = contracts[row[0]]
        contract.agreement.items.append(_item(row, terms[row[2]]))
        contract.terms = terms
    for row in _rows(_CYCLES, ids):
        contracts[row[0]].agreement.cycles.append(_cycle(row))
    for subscription_id, start, end, unused in _rows(_PAUSES, ids):
        contracts[subscription_id].agreement.pauses.append(
            Pause(start, end, is_credited=unused == "credit", is_shifting=unused == "shift")
        )
    return contracts


_SUBSCRIPTIONS = """
    SELECT id, public_id, seller_id, customer_id, plan_id, status, parked_reason <> '',
           next_bill_on, is_unused_refunded_at_end, buyer_reference, currency,
           starts_on, paid_from, ends_on, is_unused_credited_at_end, is_final_usage_billed,
           is_trial_usage_billed, billed_until, window_on
    FROM subscriptions_subscription WHERE id = ANY(%s::bigint[]) ORDER BY id
"""
_ITEMS = """
    SELECT i.subscription_id, i.id, i.price_id, i.quantity, i.agreed_amount, i.starts_on, i.ends_on,
           i.keeps_paid, i.position
    FROM subscriptions_subscriptionitem i
    JOIN subscriptions_subscription s ON s.id = i.subscription_id
    WHERE s.id = ANY(%s::bigint[])
      AND (i.ends_on IS NULL OR i.ends_on >= COALESCE(s.window_on, s.starts_on))
    ORDER BY i.subscription_id, i.starts_on, i.position, i.id
"""
_CYCLES = """
    SELECT subscription_id, starts_on, interval_unit, interval_count, anchor_on, anchor_day,
           tail_starts_on, tail_days
    FROM subscriptions_billingcycle WHERE subscription_id = ANY(%s::bigint[])
    ORDER BY subscription_id, starts_on
"""
_PAUSES = """
    SELECT p.subscription_id, p.starts_on, p.ends_on, p.unused
    FROM subscriptions_pause p JOIN subscriptions_subscription s ON s.id = p.subscription_id
    WHERE s.id = ANY(%s::bigint[])
      AND (p.ends_on IS NULL OR p.ends_on >= COALESCE(s.window_on, s.starts_on))
      AND (p.ends_on IS NULL OR p.ends_on > p.starts_on)
    ORDER BY p.subscription_id, p.starts_on
"""


def _rows(query: str, ids: Sequence[int]) -> list[Any]:
    with prepared(len(ids)) as cursor:
        cursor.execute(query, [array_of(ids)])
        rows: list[Any] = cursor.fetchall()
    return rows


def _contract(row: Sequence[Any]) -> Contract:
    # The columns stand in the order of the fields.
    currency, start, paid_from, *rest = row[10:]
    agreement = Agreement(currency, start, paid_from, [], [], [], *rest)
    return Contract(agreement, *row[:10])


def _item(row: Sequence[Any], terms: Terms) -> Item:
    _, ref, _, quantity, agreed_amount, start, end, keeps_paid, position = row
    price = _engine_price(terms, agreed_amount)
    return Item(ref, price, quantity, start, end, keeps_paid, position)


def _cycle(row: Sequence[Any]) -> Cycle:
    _, start, unit, count, anchor, day, tail_start, tail_days = row
    return Cycle(start, _grid(unit, count, anchor, day), tail_start, tail_days)


@lru_cache(maxsize=10_000)
def _grid(unit: str, count: int, anchor: date, day: int) -> Grid:
    return Grid(unit, count, anchor, day)


# A used price is never edited, so what the engine makes of it may be kept for the process's life.
_engine_prices: dict[tuple[int, Decimal | None], pricing.Price] = {}
# Those that a transaction uses first. It may be taken back, as every preview is, and then the price
# may be edited still.
_used_for_now: set[int] = set()


def use_for_now(price_ids: Collection[int]) -> None:
    """Note that this transaction is the first to use some prices."""
    _used_for_now.update(price_ids)
    transaction.on_commit(partial(_used_for_now.difference_update, price_ids))


def _engine_price(terms: Terms, agreed_amount: Decimal | None) -> pricing.Price:
    if not terms.price.is_used or terms.price_id in _used_for_now:
        return terms.price.terms(agreed_amount)
    key = (terms.price_id, agreed_amount)
    price = _engine_prices.get(key)
    if price is None:
        price = terms.price.terms(agreed_amount)
        if len(_engine_prices) >= 100_000:
            _engine_prices.clear()
        _engine_prices[key] = price
    return price


def _load_terms(price_ids: Collection[int]) -> dict[int, Terms]:
    ids = array_of(price_ids)
    prices = read_beside(Price, _OF_PLAN_AND_PRODUCT, _PRICES, [ids], len(price_ids))
    return {
        price.pk: Terms(
            price=price,
            price_id=price.pk,
            plan_id=price.plan_id,
            plan_code=plan_code,
            plan_name=plan_name,
            description=f"{plan_name} – {price.name}" if price.name else plan_name,
            tax_category=tax_category,
            supply=supply,
            revenue_account=revenue_account,
            unit=unit,
        )
        for price, (plan_code, plan_name, tax_category, supply, revenue_account, unit) in prices
    }


_OF_PLAN_AND_PRODUCT = (
    "plan.code, plan.name, product.tax_category, product.supply, product.revenue_account,"
    " COALESCE(meter.unit, '')"
)
# Meters stand above, and are named in this statement alone: asked by themselves they would be one
# more in each bill and preview.
_PRICES = """
    JOIN catalog_plan plan ON plan.id = catalog_price.plan_id
    JOIN catalog_product product ON product.id = plan.product_id
    LEFT JOIN usage_meter meter
      ON meter.seller_id = plan.seller_id AND meter.code = catalog_price.meter
    WHERE catalog_price.id = ANY(%s::bigint[])
"""
