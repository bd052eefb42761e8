"""Writing what was read, in bulk: catalog, customers and subscriptions."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Model

from billing.base.csvfile import Problem
from billing.base.public_ids import new_public_ids
from billing.base.sql.bulk import copy_new
from billing.events.recorder import record
from billing.subscriptions.importing import mapping as mapping_file
from billing.subscriptions.importing.entries import Entry, Imported
from billing.subscriptions.models import BillingCycle, Subscription, SubscriptionItem
from catalog.models import Plan, Price, Product
from customers.models import Customer, Seller

CHUNK_SIZE = 2_000


class Writer:
    """Writes entries in bulk, inside the caller's transaction."""

    def __init__(self, mapping: mapping_file.Mapping, seller: Seller):
        self.mapping, self.seller = mapping, seller
        self.plans = {plan.code: plan for plan in seller.plans.all()}
        self.prices: dict[str, Price] = {
            price.plan.code: price
            for price in Price.objects.filter(
                plan__seller=seller,
                code=mapping.price_code,
                currency=seller.currency,
                is_active=True,
            ).select_related("plan")
        }
        # What a plan charges for usage is not in the file, and is had by whoever has the plan.
        self.metered: dict[str, list[Price]] = defaultdict(list)
        for price in (
            Price.objects.filter(plan__seller=seller, currency=seller.currency, is_active=True)
            .exclude(meter="")
            .select_related("plan")
        ):
            self.metered[price.plan.code].append(price)
        self.customers: dict[str, int] = {}

    def without_clashes(self, entries: Sequence[Entry], problems: list[Problem]) -> Sequence[Entry]:
        """The entries that fit the plans there are; what is wrong with the others is a problem."""
        place = self.mapping.fields["plan.code"].place
        fitting = []
        for entry in entries:
            reason = self._clash(entry)
            if reason:
                problems.append(Problem(entry.row, place, reason))
            else:
                fitting.append(entry)
        return fitting

    def _clash(self, entry: Entry) -> str | None:
        plan, price = self.plans.get(entry.plan_code), self.prices.get(entry.plan_code)
        if plan is not None:
            there = (plan.interval_unit, plan.interval_count)
            if there != (entry.plan.interval_unit, entry.plan.interval_count):
                return f"The plan there is billed every {there[1]} {there[0]}."
        if price is not None and price.model not in (Price.Model.FLAT, Price.Model.PER_UNIT):
            return f"The price {price.code} there is {price.model}; an agreed amount needs flat."
        if price is not None and price.meter:
            return (
                f"The price {price.code} there counts {price.meter}; name another in the mapping."
            )
        return None

    def write(
        self, entries: Sequence[Entry], imported: Imported, on_rows: Callable[[int, int], None]
    ) -> None:
        ids = [entry.external_id for entry in entries]
        known = set(
            self.seller.subscriptions.filter(external_id__in=ids).values_list(
                "external_id", flat=True
            )
        )
        new = [entry for entry in entries if entry.external_id not in known]
        imported.already_there = len(known)
        if not new:
            return
        self._write_catalog(new)
        customer_ids = {entry.customer_id for entry in new}
        there = self.seller.customers.filter(external_id__in=customer_ids)
        self.customers = {
            str(external): pk for external, pk in there.values_list("external_id", "pk")
        }
        for chunk in _chunks(new):
            imported.customers += self._write_customers(chunk)
        _analyze(Customer)
        for chunk in _chunks(new):
            self._write_subscriptions(chunk)
            on_rows(len(chunk), len(new))
        _analyze(Subscription, SubscriptionItem, BillingCycle)
        imported.subscriptions = len(new)
        imported.ended = sum(entry.is_ended for entry in new)
        imported.active = len(new) - imported.ended

    def record(self, file: str, imported: Imported, as_of: date, actor: str) -> None:
        """One event for the run; a run that found everything there is no event."""
        if imported.subscriptions:
            counts = ("customers", "subscriptions", "active", "ended", "skipped")
            record(
                "subscriptions.imported",
                seller=self.seller.public_id,
                subject=self.seller.public_id,
                occurred_on=as_of,
                actor=actor,
                data={"file": file} | {name: getattr(imported, name) for name in counts},
            )

    def _write_catalog(self, entries: Sequence[Entry]) -> None:
        """Products, plans and prices that the entries need and that are not there."""
        products = {product.name: product for product in self.seller.products.all()}
        amounts = _commonest_amounts(entries)
        for code, terms in {entry.plan_code: entry.plan for entry in entries}.items():
            if terms.product not in products:
                products[terms.product] = Product.objects.create(
                    seller=self.seller,
                    name=terms.product,
                    tax_category=terms.tax_category,
                    revenue_account=terms.revenue_account,
                )
            if code not in self.plans:
                self.plans[code] = Plan.objects.create(
                    seller=self.seller,
                    product=products[terms.product],
                    code=code,
                    name=terms.name,
                    family=terms.family,
                    interval_unit=terms.interval_unit,
                    interval_count=terms.interval_count,
                )
            if code not in self.prices:
                self.prices[code] = self._price(code, amounts)
        codes = {entry.plan_code for entry in entries}
        had = [price.pk for code in codes for price in (self.prices[code], *self.metered[code])]
        Price.objects.filter(pk__in=had, is_used=False).update(is_used=True)

    def _price(self, code: str, commonest: Mapping[str, Decimal]) -> Price:
        """The list price, for those who subscribe later: as stated, or what most rows pay."""
        amount = self.mapping.list_prices.get(code, commonest.get(code))
        has_quantity = "subscription.quantity" in self.mapping.fields
        assert amount is not None, "A row without an amount has a list price, or is bad."
        return Price.objects.create(
            plan=self.plans[code],
            code=self.mapping.price_code,
            currency=self.seller.currency,
            model=Price.Model.PER_UNIT if has_quantity else Price.Model.FLAT,
            amount=amount,
            is_tax_inclusive=self.mapping.is_tax_inclusive,
            is_used=True,
        )

    def _write_customers(self, chunk: Sequence[Entry]) -> int:
        new = {
            entry.customer_id: entry.customer
            for entry in chunk
            if entry.customer_id not in self.customers
        }
        public_ids = new_public_ids("cus", len(new))
        rows = [
            {"public_id": public_id, "external_id": external_id, **said}
            for public_id, (external_id, said) in zip(public_ids, new.items(), strict=True)
        ]
        ids = copy_new(Customer, {"seller": self.seller}, rows)
        self.customers.update(zip(new, ids, strict=True))
        return len(new)

    def _write_subscriptions(self, chunk: Sequence[Entry]) -> None:
        public_ids = new_public_ids("sub", len(chunk))
        same = {
            "seller": self.seller,
            "currency": self.seller.currency,
            "time_zone": self.seller.time_zone,
        }
        rows = [
            {"public_id": public_id, **self._subscription(entry)}
            for public_id, entry in zip(public_ids, chunk, strict=True)
        ]
        made = list(zip(chunk, copy_new(Subscription, same, rows), strict=True))
        cycles = ({"subscription_id": pk, **_cycle(entry)} for entry, pk in made)
        copy_new(BillingCycle, {}, cycles)
        items = ({"subscription_id": pk, **self._item(entry)} for entry, pk in made)
        copy_new(SubscriptionItem, {"key": self.mapping.price_code}, items)
        metered = (
            {"subscription_id": pk, "starts_on": entry.starts_on, **_metered(price)}
            for entry, pk in made
            for price in self.metered[entry.plan_code]
        )
        copy_new(SubscriptionItem, {}, metered)

    def _item(self, entry: Entry) -> dict[str, Any]:
        return {
            "price_id": self.prices[entry.plan_code].pk,
            "quantity": entry.quantity,
            "agreed_amount": entry.amount,
            "starts_on": entry.starts_on,
        }

    def _subscription(self, entry: Entry) -> dict[str, Any]:
        price = self.prices[entry.plan_code]
        is_usual = entry.quantity == price.quantity
        states, accesses = Subscription.Status, Subscription.Access
        return {
            "customer_id": self.customers[entry.customer_id],
            "external_id": entry.external_id,
            "plan_id": self.plans[entry.plan_code].pk,
            "status": states.ENDED if entry.is_ended else states.ACTIVE,
            "access": accesses.NONE if entry.is_ended else accesses.FULL,
            "starts_on": entry.starts_on,
            "paid_from": entry.starts_on,
            "ends_on": entry.ends_on,
            "cancels_on": entry.ends_on,
            "quantities": {} if is_usual else {price.code: str(entry.quantity)},
            "billed_until": entry.billed_until,
            "next_bill_on": None if entry.is_ended else entry.due_on,
            "window_on": entry.billed_until,
            "buyer_reference": entry.buyer_reference,
            "metadata": entry.metadata,
        }


def _cycle(entry: Entry) -> dict[str, Any]:
    return {
        "starts_on": entry.starts_on,
        "interval_unit": entry.plan.interval_unit,
        "interval_count": entry.plan.interval_count,
        "anchor_on": entry.anchor_on,
        "anchor_day": entry.anchor_on.day,
    }


def _metered(price: Price) -> dict[str, Any]:
    return {
        "price_id": price.pk,
        "key": price.code,
        "quantity": price.quantity,
        "position": price.position,
    }


def _analyze(*models: type[Model]) -> None:
    """Tell the planner of the new rows, which it would otherwise take for few.

    It then finds a subscription's customer by id, and not among all customers of the seller.
    """
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(entries), CHUNK_SIZE):
        yield entries[start : start + CHUNK_SIZE]


def _commonest_amounts(entries: Sequence[Entry]) -> dict[str, Decimal]:
    """The amount that most rows of each plan pay, the lowest of several."""
    counts: dict[str, Counter[Decimal]] = {}
    for entry in entries:
        if entry.amount is not None:
            counts.setdefault(entry.plan_code, Counter())[entry.amount] += 1
    return {
        code: min(amounts, key=lambda amount: (-amounts[amount], amount))
        for code, amounts in counts.items()
    }
