"""From what stands of customers to the documents that are due, many customers at a time.

The arithmetic is the engine's work. The database is asked only for rates, and what corrected lines
were taxed as.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from django.db import DatabaseError

from billing.engine import tax
from billing.engine.agreement import Item
from billing.engine.bill import Bill, draft_bill
from billing.engine.discounts import Discount
from billing.engine.document import Document, total_bill
from billing.engine.errors import BillingError
from billing.engine.lines import Billed, Line
from billing.engine.periods import periods
from billing.engine.supply import Supply
from billing.invoicing.buyers import Buyer
from billing.invoicing.grouping import by_document
from billing.invoicing.models import Invoice, InvoiceLine, OneOffItem
from billing.invoicing.snapshots import Snapshot, bearing
from billing.invoicing.standing import Standing
from billing.subscriptions.agreements import Contract
from billing.subscriptions.models import CouponRedemption
from billing.tax.rates import treatment_of
from catalog.models import Coupon
from customers.models import Seller

# How the reason begins for which something is parked that nobody foresaw; it is tried again.
UNFORESEEN = "unforeseen: "


@dataclass(frozen=True, slots=True)
class ByHand:
    """What a person adds to a credit note: the invoice that all of it is about, and the reason."""

    invoice: Invoice
    reason: str


@dataclass(slots=True)
class DraftDocument:
    """A document to be issued, with what each coupon took off it; ``kept_discount`` names what was
    off the days that it charges once more.

    A credit note by hand has lines whose contexts are the lines that they correct.
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
    by_hand: ByHand | None = None


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

    def set_aside(self, customer_id: int, error: Exception) -> None:
        """Keep what nobody foresaw for its traceback; a refusal says by itself what is wrong."""
        if not isinstance(error, BillingError):
            self.unforeseen[customer_id] = error


def draft_documents(seller: Seller, standing: Standing, as_of: date) -> Drafts:
    """Draft what is due by ``as_of``, which is all that stands."""
    contracts, usage, billed = standing.contracts, standing.usage, standing.billed
    drafts = Drafts(contracts=contracts)
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
    for item in standing.one_offs:
        if item.customer_id in regular or not item.is_held_back:
            lines[item.customer_id].append(_one_off_line(item))
    if lines:
        _Assembly(seller, standing, drafts, as_of, lines).assemble()
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
        line.kind, line.start, line.end = "credit", credit.starts_on, credit.ends_on
        line.corrects = corrected(credit, item.due_on)
    return line


def corrected(line: InvoiceLine, on: date) -> Billed:
    """A line of a document as what another corrects: of which charge, and no days of it."""
    return Billed(
        ref=line.pk,
        item=None,
        kind=line.charged_kind,
        start=line.starts_on or on,
        end=line.ends_on or on,
        days=[],
        amount_minor=0,
        billed_minor=0,
    )


class _Assembly:
    """Lines of customers become documents: taxed, discounted and paid from the balance."""

    def __init__(
        self,
        seller: Seller,
        standing: Standing,
        drafts: Drafts,
        as_of: date,
        lines: dict[int, list[Line]],
    ):
        self.seller, self.standing, self.drafts = seller, standing, drafts
        self.as_of, self.lines, self.balances = as_of, lines, standing.balances
        # What one bill was split for, such as a buyer's references, takes an amount off once.
        self.amounts_off: set[tuple[int, int | None]] = set()
        # What the rule says of the document in hand, and what it said of those that this corrects.
        self.supplies: list[Supply] = []
        self.supplied: list[Snapshot] = []
        self.corrected = self._taxes_of_corrected_lines()
        self.redemptions: dict[int, list[CouponRedemption]] = defaultdict(list)
        for redemption in standing.coupons:
            self.redemptions[redemption.customer_id].append(redemption)

    def assemble(self) -> None:
        for buyer in self.standing.buyers:
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
        usual = buyer.bill_to.get("buyer_reference", "")
        groups = by_document(
            self.lines.get(buyer.id, ()), usual, is_consolidated=buyer.is_consolidated
        )
        for (currency, subscription_id, reference), lines in groups.items():
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
            bill_to = self.standing.taxing.noted(buyer.bill_to, self.supplies, self.supplied)
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
                kept_discount=self._name_of_kept(lines) if document.kept_discount_minor else "",
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
        """The rates of a line: of one that corrects another, those of that one."""
        if line.corrects is not None:
            rates, supply = self.corrected[line.corrects.ref]
            self.supplied += [supply] if supply else []
            return rates
        return self.standing.taxing.rates(line, buyer.tax, buyer.bill_to, self.as_of, self.supplies)

    def _taxes_of_corrected_lines(self) -> dict[int, tuple[tax.Treatment, Snapshot | None]]:
        """A credit carries the rates of the line that it corrects (ML 17:22, art. 219)."""
        refs = {
            line.corrects.ref
            for lines in self.lines.values()
            for line in lines
            if line.corrects is not None
        }
        drafted = self.standing.drafted
        known = {ref: (drafted[ref].treatment, drafted[ref].supply) for ref in refs & set(drafted)}
        if not refs - set(known):
            return known
        found = InvoiceLine.objects.filter(pk__in=refs - set(known)).values_list(
            "pk", "tax", "invoice__bill_to__supply"
        )
        return known | {pk: (treatment_of(rates), supply) for pk, rates, supply in found}

    def _name_of_kept(self, lines: Sequence[Line]) -> str:
        """What the discounts were called that days had as they were billed before."""
        before = [
            line.recharges.ref for line in lines if line.recharges and line.kept_discount_minor
        ]
        drafted = self.standing.drafted
        names: list[str] = []
        if written := [ref for ref in before if ref not in drafted]:
            named = InvoiceLine.objects.filter(
                kind=InvoiceLine.Kind.DISCOUNT, invoice__lines__in=written
            ).order_by("pk")
            names += named.values_list("description", flat=True)
        names += [name for ref in before if ref in drafted for name in drafted[ref].discounts]
        return ", ".join(dict.fromkeys(names))[:500]


def reason_of(error: Exception) -> str:
    """Why something cannot be billed, with a stable code in front."""
    if isinstance(error, BillingError):
        return f"{error.code}: {error.message}"
    what = (str(error).splitlines() or [""])[0]
    return f"{UNFORESEEN}{type(error).__name__}: {what}"


def _discount(coupon: Coupon) -> Discount:
    return Discount(coupon.pk, coupon.percent_off, coupon.amount_off_minor)


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
