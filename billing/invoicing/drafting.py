"""From what stands in the database to the documents that are due, many customers at a time.

Everything is read in a constant number of queries; what is drafted is the engine's work.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

from django.db import DatabaseError
from django.db.models import Exists, OuterRef, Q

from billing.base.sql.lookups import array_of
from billing.base.sql.prepared import prepared
from billing.engine import tax
from billing.engine.agreement import Item
from billing.engine.bill import Bill, draft_bill
from billing.engine.discounts import Discount
from billing.engine.document import Document, total_bill
from billing.engine.errors import BillingError
from billing.engine.lines import MINIMUM, ONCE, RECURRING, USAGE, Billed, Line
from billing.engine.periods import periods
from billing.engine.supply import Kind, Supply
from billing.engine.tax_point import tax_point
from billing.invoicing.abroad import Abroad
from billing.invoicing.balances import free_balances
from billing.invoicing.buyers import Buyer
from billing.invoicing.coverage import Coverage
from billing.invoicing.models import InvoiceLine, OneOffItem
from billing.invoicing.snapshots import Snapshot, bearing
from billing.subscriptions.agreements import Contract, load_contracts
from billing.subscriptions.models import CouponRedemption, Subscription
from billing.tax.rates import RateTable, treatment_of
from billing.usage.actions import load_usage
from catalog.models import Coupon
from customers.models import Seller

KIND_OF_COVERAGE = {
    Coverage.Kind.RECURRING: RECURRING,
    Coverage.Kind.USAGE: USAGE,
    Coverage.Kind.MINIMUM: MINIMUM,
    Coverage.Kind.ONCE: ONCE,
}

# How the reason begins for which something is parked that nobody foresaw; it is tried again.
UNFORESEEN = "unforeseen: "


@dataclass(slots=True)
class Scope:
    """What a run may bill: by default all that is due for the customers."""

    subscription_id: int | None = None
    one_off_ids: Sequence[int] | None = None


@dataclass(slots=True)
class DraftDocument:
    """A document to be issued, with what each coupon took off it; ``kept_discount`` names what was
    off the days that it charges once more.
    """

    buyer: Buyer
    currency: str
    document: Document
    subscription_id: int | None
    one_offs: dict[int, OneOffItem]
    discounted: list[tuple[CouponRedemption, int]]
    treatments: list[tax.Treatment]
    refunds: bool = False
    kept_discount: str = ""


@dataclass(slots=True)
class Drafts:
    """What a batch has come to: documents, contracts to advance, subscriptions to park.

    ``refused`` are customers, with the reason, for whom no document could be made, ``unforeseen``
    those whose bill met an error that nobody foresaw.
    """

    documents: list[DraftDocument] = field(default_factory=list)
    bills: dict[int, Bill] = field(default_factory=dict)
    contracts: dict[int, Contract] = field(default_factory=dict)
    parked: dict[int, str] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    redemptions: list[CouponRedemption] = field(default_factory=list)
    unforeseen: dict[int, Exception] = field(default_factory=dict)
    was_parked: bool = False

    def set_aside(self, customer_id: int, error: Exception) -> None:
        """Keep what nobody foresaw for its traceback; a refusal says by itself what is wrong."""
        if not isinstance(error, BillingError):
            self.unforeseen[customer_id] = error


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The subscriptions that are due, by id, and what there may be beside them, asked at once.

    ``was_parked`` says it of the one subscription that is asked for by name.

    Most customers have none of the latter.
    """

    subscriptions: list[int]
    was_parked: bool
    one_offs: bool
    balances: bool
    coupons: bool

    @classmethod
    def of(cls, buyers: Sequence[Buyer], as_of: date, scope: Scope) -> "_Waiting":
        asked = {
            "ids": array_of([buyer.id for buyer in buyers]),
            "as_of": as_of if scope.one_off_ids is None else None,
            "only": scope.subscription_id,
        }
        with prepared(len(buyers)) as cursor:
            cursor.execute(_WAITING, asked)
            return cls(*cursor.fetchone())


# One that is asked for by name is billed though it be parked, and so unparked.
_WAITING = """
    SELECT ARRAY (SELECT id FROM subscriptions_subscription
                  WHERE customer_id = ANY(%(ids)s::bigint[]) AND next_bill_on <= %(as_of)s::date
                    AND COALESCE(id = %(only)s::bigint, parked_reason = '')),
           EXISTS (SELECT FROM subscriptions_subscription
                   WHERE id = %(only)s::bigint AND next_bill_on <= %(as_of)s::date
                     AND parked_reason <> ''),
           EXISTS (SELECT FROM invoicing_oneoffitem
                   WHERE customer_id = ANY(%(ids)s::bigint[]) AND line_id IS NULL),
           EXISTS (SELECT FROM invoicing_customerbalance
                   WHERE customer_id = ANY(%(ids)s::bigint[]) AND balance_minor > 0),
           EXISTS (SELECT FROM subscriptions_couponredemption
                   WHERE customer_id = ANY(%(ids)s::bigint[]) AND NOT is_spent
                     AND removed_on IS NULL)
"""


def draft_documents(
    seller: Seller, buyers: Sequence[Buyer], as_of: date, scope: Scope | None = None
) -> Drafts:
    """Draft what is due on ``as_of`` for customers of one seller that the caller has locked."""
    scope = scope or Scope()
    drafts = Drafts()
    waiting = _Waiting.of(buyers, as_of, scope)
    drafts.was_parked = waiting.was_parked
    if waiting.subscriptions:
        drafts.contracts = load_contracts(waiting.subscriptions)
    contracts = drafts.contracts
    billed = _load_billed(list(contracts))
    has_usage = any(
        item.price.meter for contract in contracts.values() for item in contract.agreement.items
    )
    usage = load_usage(list(contracts)) if has_usage else {}
    lines: dict[int, list[Line]] = defaultdict(list)
    for contract in contracts.values():
        try:
            bill = draft_bill(
                contract.agreement, usage.get(contract.id, {}), billed.get(contract.id, ()), as_of
            )
        except Exception as error:  # Arithmetic alone: whatever it is, it is this contract's.
            drafts.set_aside(contract.customer_id, error)
            drafts.parked[contract.id] = reason_of(error)
            continue
        drafts.bills[contract.id] = bill
        for line in bill.lines:
            line.context = contract
        lines[contract.customer_id] += bill.lines
    regular = frozenset(lines)
    for item in _due_one_offs(buyers, as_of, scope) if waiting.one_offs else ():
        if item.customer_id in regular or not item.is_held_back:
            lines[item.customer_id].append(_one_off_line(item))
    if lines:
        _Assembly(seller, drafts, as_of, lines, waiting).assemble(buyers)
    return drafts


def _one_off_line(item: OneOffItem) -> Line:
    line = Line(
        kind="one_off",
        item=None,
        amount_minor=item.amount_minor,
        due_on=item.due_on,
        context=item,
    )
    if credit := item.reverses:
        assert credit.corrects
        line.kind, line.start, line.end = "credit", credit.starts_on, credit.ends_on
        line.corrects = Billed(
            ref=credit.pk,
            item=None,
            kind=credit.corrects.kind,
            start=credit.starts_on or item.due_on,
            end=credit.ends_on or item.due_on,
            days=[],
            amount_minor=0,
            billed_minor=0,
        )
    return line


def _due_one_offs(buyers: Sequence[Buyer], as_of: date, scope: Scope) -> list[OneOffItem]:
    ids = array_of([buyer.id for buyer in buyers])
    due = OneOffItem.objects.filter(customer_id__any_of=ids, line=None)
    due = due.select_related("reverses__corrects", "subscription")
    if scope.one_off_ids is not None:
        return list(due.filter(pk__in=scope.one_off_ids).order_by("id"))
    to_come = Subscription.objects.filter(customer=OuterRef("customer"), next_bill_on__isnull=False)
    due = due.filter(due_on__lte=as_of).annotate(has_bill_to_come=Exists(to_come))
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
                    KIND_OF_COVERAGE[kind],
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


class _Assembly:
    """Lines of customers become documents: taxed, discounted and paid from the balance."""

    def __init__(
        self,
        seller: Seller,
        drafts: Drafts,
        as_of: date,
        lines: dict[int, list[Line]],
        waiting: _Waiting,
    ):
        self.seller, self.drafts, self.as_of, self.lines = seller, drafts, as_of, lines
        self.rates: RateTable | None = None
        # What one bill was split for, such as a buyer's references, takes an amount off once.
        self.amounts_off: set[tuple[int, int | None]] = set()
        self.sellers: tax.Treatment | None = None
        # What the rule says of the document in hand, and what it said of those that this corrects.
        self.supplies: list[Supply] = []
        self.supplied: list[Snapshot] = []
        self.corrected = self._taxes_of_corrected_lines()
        ids = array_of(lines)
        self.balances: dict[tuple[int, str], int] = {}
        if waiting.balances:
            self.balances = free_balances(lines)
        self.redemptions: dict[int, list[CouponRedemption]] = defaultdict(list)
        if not waiting.coupons:
            return
        live = CouponRedemption.objects.filter(
            customer_id__any_of=ids, is_spent=False, removed_on=None, starts_on__lte=as_of
        ).select_related("coupon")
        # The customer's coupons come before a subscription's, each in the order given.
        for redemption in sorted(live, key=lambda one: (one.subscription_id is not None, one.pk)):
            self.redemptions[redemption.customer_id].append(redemption)

    def assemble(self, buyers: Sequence[Buyer]) -> None:
        self.abroad = Abroad(self.seller, [buyer.bill_to for buyer in buyers])
        for buyer in buyers:
            before = len(self.drafts.documents)
            try:
                self._add_all(buyer)
            except DatabaseError:
                raise  # The transaction is lost, and with it the others' documents.
            except Exception as error:
                del self.drafts.documents[before:]
                self.drafts.set_aside(buyer.id, error)
                self._refuse(buyer, reason_of(error))

    def _refuse(self, buyer: Buyer, reason: str) -> None:
        """Nothing of the customer is billed: the subscriptions that were due are parked."""
        drafts = self.drafts
        drafts.refused[buyer.id] = reason
        drafts.redemptions = [one for one in drafts.redemptions if one.customer_id != buyer.id]
        for contract in drafts.contracts.values():
            if contract.customer_id == buyer.id and contract.id in drafts.bills:
                del drafts.bills[contract.id]
                drafts.parked[contract.id] = reason

    def _add_all(self, buyer: Buyer) -> None:
        groups: dict[_Group, list[Line]] = defaultdict(list)
        usual = buyer.bill_to.get("buyer_reference", "")
        for line in self.lines.get(buyer.id, ()):
            owner = None if buyer.is_consolidated else line.context.subscription_id
            reference = _buyer_reference(line.context) or usual
            groups[line.context.currency, owner, reference].append(line)
        if len(groups) > 1:
            _move_reductions(groups)
        for (currency, subscription_id, reference), lines in groups.items():
            if lines := _with_something_to_reduce(lines):
                bearer = buyer
                if reference != usual:
                    bearer = replace(buyer, bill_to=bearing(buyer.bill_to, reference))
                self._add(bearer, currency, subscription_id, lines)

    def _add(
        self, buyer: Buyer, currency: str, subscription_id: int | None, lines: list[Line]
    ) -> None:
        self.supplies, self.supplied = [], []
        treatments = [self._treatment(buyer, line) for line in lines]
        if self.supplies or self.supplied:
            bill_to = self.abroad.noted(buyer.bill_to, self.supplies, self.supplied)
            buyer = replace(buyer, bill_to=bill_to)
        live = []
        if self.redemptions:
            live = self._live_coupons(buyer, currency, subscription_id, lines)
        document = total_bill(
            lines,
            treatments,
            currency=currency,
            coupons=[(_discount(one.coupon), indexes) for one, indexes in live],
            rounds_to_whole=self.seller.rounding == Seller.Rounding.WHOLE,
            balance_minor=self.balances.get((buyer.id, currency), 0),
        )
        used = document.credit_applied_minor
        if used:
            self.balances[buyer.id, currency] -= used
        discounted = [
            (redemption, amount_minor)
            for (redemption, _), amount_minor in zip(live, document.discounted, strict=True)
            if amount_minor
        ]
        for redemption, _ in discounted:
            self.amounts_off.add((redemption.pk, subscription_id))
            if redemption.coupon.duration == Coupon.Duration.ONCE:
                redemption.is_spent = True
                self.drafts.redemptions.append(redemption)
        owners = {line.context.subscription_id for line in lines}
        self.drafts.documents.append(
            DraftDocument(
                buyer=buyer,
                currency=currency,
                document=document,
                subscription_id=subscription_id or (owners.pop() if len(owners) == 1 else None),
                one_offs={
                    index: line.context for index, line in enumerate(lines) if line.item is None
                },
                discounted=discounted,
                treatments=treatments,
                refunds=any(
                    isinstance(line.context, Contract) and line.context.refunds_at_end
                    for line in lines
                    if line.kind == "credit"
                ),
                kept_discount=_name_of_kept(lines) if document.kept_discount_minor else "",
            )
        )

    def _live_coupons(
        self, buyer: Buyer, currency: str, subscription_id: int | None, lines: Sequence[Line]
    ) -> list[tuple[CouponRedemption, list[int]]]:
        live = []
        for redemption in self.redemptions.get(buyer.id, ()):
            coupon = redemption.coupon
            if redemption.is_spent or (coupon.amount_off_minor and coupon.currency != currency):
                continue
            if coupon.amount_off_minor and (redemption.pk, subscription_id) in self.amounts_off:
                continue
            indexes = [
                index for index, line in enumerate(lines) if _is_eligible(redemption, coupon, line)
            ]
            if indexes and coupon.duration == Coupon.Duration.REPEATING:
                self._fix_expiry(redemption, lines, indexes)
                expires_on = redemption.expires_on
                indexes = [
                    index
                    for index in indexes
                    if expires_on is None or (lines[index].due_on or self.as_of) < expires_on
                ]
            if indexes:
                live.append((redemption, indexes))
        return live

    def _fix_expiry(
        self, redemption: CouponRedemption, lines: Sequence[Line], indexes: Sequence[int]
    ) -> None:
        """The first document fixes the last one: so many billing periods from its first line's."""
        recurring = [
            lines[index] for index in indexes if isinstance(lines[index].context, Contract)
        ]
        if redemption.expires_on is not None or not recurring:
            return
        first = min(recurring, key=lambda line: line.due_on or self.as_of)
        ahead = periods(first.context.agreement.cycles, first.due_on or self.as_of)
        for _ in range(redemption.coupon.periods or 1):
            redemption.expires_on = next(ahead).end
        self.drafts.redemptions.append(redemption)

    def _treatment(self, buyer: Buyer, line: Line) -> tax.Treatment:
        """The rates of the line itself, else of price and customer, else what falls on a buyer in
        that country (:class:`Abroad`), who at home has the seller's rates, and last the table's.
        """
        if line.corrects is not None:
            rates, supply = self.corrected[line.corrects.ref]
            self.supplied += [supply] if supply else []
            return rates
        source, said = line.context, None
        category, kind, is_inclusive = "standard", Kind.DIGITAL.value, False
        if isinstance(source, Contract):
            assert line.item
            terms = source.terms[line.item.price.ref]
            said, category, kind = terms.price.tax, terms.tax_category, terms.supply
            is_inclusive = terms.price.is_tax_inclusive
        else:
            said = source.tax
        for own in (said, buyer.tax):
            if own is not None:
                return treatment_of(own)
        on = tax_point(line, self.as_of)
        if found := self.abroad.supply(buyer.bill_to, kind, on):
            self.supplies.append(found)
            rate_for = partial(self._rate_for, category, on)
            return self.abroad.treatment(found, buyer.bill_to, rate_for, is_inclusive=is_inclusive)
        return self._rate_for(category, on, self.abroad.home, is_inclusive)

    def _rate_for(self, category: str, on: date, country: str, is_inclusive: bool) -> tax.Treatment:
        """A country's rate on a day; at home what the seller has stated, if it has."""
        if self.seller.tax is not None and country == self.abroad.home:
            if self.sellers is None:
                self.sellers = treatment_of(self.seller.tax)
            return self.sellers
        if self.rates is None:
            self.rates = RateTable.load()
        return self.rates.rate_for(country, category, on, is_inclusive=is_inclusive)

    def _taxes_of_corrected_lines(self) -> dict[int, tuple[tax.Treatment, Snapshot | None]]:
        """A credit carries the rates of the line that it corrects (ML 17:22, art. 219)."""
        refs = [
            line.corrects.ref
            for lines in self.lines.values()
            for line in lines
            if line.corrects is not None
        ]
        if not refs:
            return {}
        found = InvoiceLine.objects.filter(pk__in=refs).values_list(
            "pk", "tax", "invoice__bill_to__supply"
        )
        return {pk: (treatment_of(rates), supply) for pk, rates, supply in found}


# What one document is of: currency, subscription where each has its own, and the buyer's reference.
type _Group = tuple[str, int | None, str]


def _move_reductions(groups: dict[_Group, list[Line]]) -> None:
    """Move what would wait for something to reduce, and names no reference, to where there is."""
    for group, lines in groups.items():
        waiting = [line for line in lines if _waits_alone(line)]
        if not waiting or sum(line.amount_minor for line in lines) >= 0:
            continue
        least_minor = -sum(line.amount_minor for line in waiting)
        for other, found in groups.items():
            is_like = other != group and other[:2] == group[:2]
            if is_like and sum(line.amount_minor for line in found) >= least_minor:
                lines[:] = [line for line in lines if not _waits_alone(line)]
                found += waiting
                break


def _waits_alone(line: Line) -> bool:
    """Whether it takes off and names no reference."""
    return _takes_off(line) and not _buyer_reference(line.context)


def _takes_off(line: Line) -> bool:
    """Whether it is a one-off item below zero."""
    return line.amount_minor <= 0 and not line.item and not line.corrects


def _buyer_reference(source: Contract | OneOffItem) -> str:
    """The reference that a line's document must bear; empty for the customer's own."""
    own = source.buyer_reference
    if own or isinstance(source, Contract) or source.subscription is None:
        return own
    return source.subscription.buyer_reference


def _with_something_to_reduce(lines: list[Line]) -> list[Line]:
    """The lines without one-off items below zero where nothing is there for them to reduce.

    Those wait for a larger document: by themselves they would be a credit note that corrects no
    invoice, and each must refer to one (2006/112/EC art. 219).
    """
    if sum(line.amount_minor for line in lines) >= 0:
        return lines
    return [line for line in lines if not _takes_off(line)]


def reason_of(error: Exception) -> str:
    """Why something cannot be billed, with a stable code in front."""
    if isinstance(error, BillingError):
        return f"{error.code}: {error.message}"
    what = (str(error).splitlines() or [""])[0]
    return f"{UNFORESEEN}{type(error).__name__}: {what}"


def _discount(coupon: Coupon) -> Discount:
    return Discount(coupon.pk, coupon.percent_off, coupon.amount_off_minor)


def _name_of_kept(lines: Sequence[Line]) -> str:
    """What the discounts were called that days had as they were billed before."""
    before = [line.recharges.ref for line in lines if line.recharges and line.kept_discount_minor]
    named = InvoiceLine.objects.filter(
        kind=InvoiceLine.Kind.DISCOUNT, invoice__lines__in=before
    ).order_by("pk")
    return ", ".join(dict.fromkeys(named.values_list("description", flat=True)))[:500]


def _is_eligible(redemption: CouponRedemption, coupon: Coupon, line: Line) -> bool:
    if line.kind == "credit" or line.amount_minor <= 0:
        return False
    source = line.context
    if redemption.subscription_id not in (None, source.subscription_id):
        return False
    if line.recharges is not None and _is_settled(line, line.recharges):
        return False
    return _is_for(coupon, source, line.item)


def _is_settled(line: Line, before: Billed) -> bool:
    """Whether the terms of days that are charged once more were settled before.

    Of its own item a charge keeps the terms that it had. Of another number of the same it has what
    counts now, but for what came since: a coupon that took nothing off then begins with the next
    period.
    """
    return line.is_of_same_item or before.billed_minor == before.amount_minor


def _is_for(coupon: Coupon, source: Any, item: Item | None) -> bool:
    """Whether a coupon is for what is billed of an item, or of something that is bought once."""
    if not coupon.plans and not coupon.prices:
        return True
    if item is None:
        return False
    terms = source.terms[item.price.ref]
    return (not coupon.plans or terms.plan_code in coupon.plans) and (
        not coupon.prices or terms.price.code in coupon.prices
    )
