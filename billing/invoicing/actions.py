"""What a person or a shop can have done with bills: every function locks the customer first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.utils import translation
from django.utils.translation import pgettext

from billing.base.public_ids import new_public_id
from billing.base.sql.lookups import array_of
from billing.base.sql.reading import read
from billing.engine import tax
from billing.engine.ceilings import check_amount, usual_minor
from billing.engine.errors import InvalidAmount, Refused
from billing.engine.money import allocate, exponent, major_string, round_ratio
from billing.events.models import Event
from billing.events.recorder import record, record_all
from billing.invoicing import hooks
from billing.invoicing.abroad import country_of
from billing.invoicing.batch import bill_locked
from billing.invoicing.drafting import Scope
from billing.invoicing.issuing import (
    Numbering,
    credit_invoices,
    current_letterhead,
    move_balances,
    take_numbers,
    tell_settled,
)
from billing.invoicing.losses import Losses
from billing.invoicing.models import (
    BalanceEntry,
    Coverage,
    CustomerBalance,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    OneOffItem,
)
from billing.invoicing.snapshots import Snapshot, bill_to_of
from billing.ledger.actions import Books, Posting, between, post
from billing.ledger.models import Account, Transfer
from billing.subscriptions.models import CouponRedemption, Subscription
from billing.tax.rates import treatment_of
from catalog.models import REVENUE_ACCOUNT
from customers.locks import lock_customer
from customers.models import Customer, Seller

CREDITABLE = (
    InvoiceLine.Kind.RECURRING,
    InvoiceLine.Kind.USAGE,
    InvoiceLine.Kind.MINIMUM,
    InvoiceLine.Kind.ONE_OFF,
)


@transaction.atomic
def bill_customer(
    customer: Customer,
    *,
    as_of: date,
    actor: str,
    subscription: Subscription | None = None,
    one_offs: Sequence[OneOffItem] | None = None,
    numbering: Numbering = take_numbers,
) -> list[Invoice]:
    """Bill at once what is due for a customer, one subscription or some one-off items.

    ``numbering`` is another one only where the transaction is rolled back afterwards.
    Raises :class:`Refused` ("parked") with the reason where a subscription cannot be billed;
    nothing is kept then.
    """
    lock_customer(customer.pk)
    [seller] = read(Seller, "WHERE id = %s", [customer.seller_id])
    scope = Scope(
        subscription_id=subscription.pk if subscription else None,
        one_off_ids=None if one_offs is None else [item.pk for item in one_offs],
    )
    billed = bill_locked(seller, [customer.pk], as_of, actor, scope, numbering)
    for reason in (*billed.parked.values(), *billed.refused.values()):
        raise Refused(f"This cannot be billed: {reason}", code="parked")
    if subscription and billed.was_parked:
        record(
            "subscription.unparked",
            seller=seller.public_id,
            subject=subscription.public_id,
            occurred_on=as_of,
            actor=actor,
            data={},
        )
    ids = [document.id for document in billed.issued]
    if not ids:
        return []
    condition = "WHERE id = ANY(%s::bigint[])"
    documents = {one.pk: one for one in read(Invoice, condition, [array_of(ids)], len(ids))}
    return [documents[each] for each in ids]


@transaction.atomic
def add_one_off(
    customer: Customer,
    *,
    currency: str,
    amount_minor: int,
    description: str,
    as_of: date,
    actor: str,
    subscription: Subscription | None = None,
    tax: Sequence[Mapping[str, Any]] | None = None,
    revenue_account: str = REVENUE_ACCOUNT,
    waits: bool = False,
    is_confirmed: bool = False,
) -> OneOffItem:
    """Put an amount, in minor units and of either sign, on a document from ``as_of``.

    It is billed by itself at once, or with ``waits`` on the customer's next regular bill, as long
    as there is one to come. What is below zero always waits for something to reduce. Raises
    :class:`Refused` ("unusual_amount", "currency_not_used", "unknown_revenue_account",
    "no_bill_to_come").
    """
    if not amount_minor:
        raise InvalidAmount("A one-off item of nothing cannot be billed.")
    check_sum(customer, amount_minor, currency, is_confirmed)
    accounts = revenue_accounts_of(customer.seller)
    if revenue_account not in accounts:
        raise Refused(
            f"No product of {customer.seller} is booked on {revenue_account}. "
            f"Use {' or '.join(accounts)}.",
            code="unknown_revenue_account",
        )
    if waits and not has_bill_to_come(customer):
        raise Refused(
            f"No subscription of {customer} is billed again, so no bill comes for this to wait "
            "for. Bill it now.",
            code="no_bill_to_come",
        )
    item = OneOffItem.objects.create(
        seller=customer.seller,
        customer=customer,
        subscription=subscription,
        currency=currency,
        amount_minor=amount_minor,
        description=description,
        tax=tax,
        revenue_account=revenue_account,
        due_on=as_of,
        waits=waits,
    )
    _record_of_item("one_off_item.added", item, as_of, actor)
    return item


@transaction.atomic
def remove_one_off(item: OneOffItem, *, as_of: date, actor: str) -> None:
    """Take away what waits to be billed.

    Raises :class:`Refused` for what is on a document ("one_off_billed"), which only a credit note
    takes back, and for what a voided invoice has left ("one_off_of_a_void").
    """
    Customer.objects.select_for_update().get(pk=item.customer_id)
    found = OneOffItem.objects.select_related("seller", "customer", "line__invoice").filter(
        pk=item.pk
    )
    item = found.get()
    if item.line is not None:
        raise Refused(
            f"“{item}” is on {item.line.invoice}. Credit it there.", code="one_off_billed"
        )
    if item.reverses_id is not None:
        raise Refused(
            f"“{item}” takes back what was given back of an invoice that is void. Bill it, and "
            "credit it if it is not to be paid.",
            code="one_off_of_a_void",
        )
    _record_of_item("one_off_item.removed", item, as_of, actor)
    found.delete()


def has_bill_to_come(customer: Customer) -> bool:
    """Whether a subscription of the customer will be billed again."""
    return customer.subscriptions.filter(next_bill_on__isnull=False).exists()


def _record_of_item(type: str, item: OneOffItem, as_of: date, actor: str) -> None:
    record(
        type,
        seller=item.seller.public_id,
        subject=item.public_id,
        occurred_on=as_of,
        actor=actor,
        data={
            "customer": item.customer.public_id,
            "amount_minor": item.amount_minor,
            "currency": item.currency,
        },
    )


def currencies_of(customer: Customer) -> list[str]:
    """The currencies that a customer has to do with: the seller's, and those it is billed in."""
    used = {str(customer.seller.currency)}
    used |= set(customer.subscriptions.values_list("currency", flat=True).distinct())
    used |= set(customer.balances.values_list("currency", flat=True))
    documents = Invoice.objects.filter(customer=customer).order_by()
    return sorted(used | set(documents.values_list("currency", flat=True).distinct()))


def revenue_accounts_of(seller: Seller) -> list[str]:
    """The bookkeeping accounts of a seller's revenue: the usual one, and those of its products."""
    products = seller.products.order_by().values_list("revenue_account", flat=True)
    return sorted({REVENUE_ACCOUNT, *products.distinct()})


def check_sum(customer: Customer, amount_minor: int, currency: str, is_confirmed: bool) -> None:
    """Refuse a sum that is out of bounds, unusual for the customer, or in a strange currency."""
    if currency != customer.seller.currency and currency not in currencies_of(customer):
        raise Refused(
            f"{customer} has nothing in {currency}. Use {' or '.join(currencies_of(customer))}.",
            code="currency_not_used",
        )
    billed = Invoice.objects.filter(customer=customer, currency=currency, kind="invoice")
    usual = 0
    if not is_confirmed and abs(amount_minor) > usual_minor(currency):
        usual = billed.aggregate(most=Max("total_minor"))["most"] or 0
    check_amount(amount_minor, currency, is_confirmed=is_confirmed, usual=usual)


@transaction.atomic
def give_credit(
    customer: Customer,
    *,
    currency: str,
    amount_minor: int,
    description: str,
    as_of: date,
    actor: str,
    is_confirmed: bool = False,
) -> BalanceEntry:
    """Add to the customer's balance, which pays what it can of open invoices and of later ones.

    Raises :class:`Refused` ("unusual_amount", "currency_not_used").
    """
    if amount_minor <= 0:
        raise InvalidAmount("A credit must be above zero.")
    check_sum(customer, amount_minor, currency, is_confirmed)
    Customer.objects.select_for_update().get(pk=customer.pk)
    move_balances([(customer.pk, currency, amount_minor, None, description)], as_of)
    entry = BalanceEntry.objects.filter(
        customer=customer, currency=currency, amount_minor=amount_minor, invoice=None
    ).latest("id")
    books = Books(customer.seller)
    _post_gift(entry, books.gifts(), books.account(Account.Role.CUSTOMER_BALANCE), as_of)
    _record_of_gift("balance.credited", entry, as_of, actor)
    return entry


@transaction.atomic
def take_back_credit(entry: BalanceEntry, *, as_of: date, actor: str) -> BalanceEntry:
    """Take back a credit that was given, as long as the balance still has it.

    Raises :class:`Refused` ("not_a_given_credit", "credit_taken_back", "credit_spent").
    """
    Customer.objects.select_for_update().get(pk=entry.customer_id)
    entry = BalanceEntry.objects.select_related("customer__seller").get(pk=entry.pk)
    if not entry.is_gift:
        raise Refused(
            "This came with a document or a payment, and goes with it.", code="not_a_given_credit"
        )
    if BalanceEntry.objects.filter(takes_back=entry).exists():
        raise Refused("This credit was taken back before.", code="credit_taken_back")
    left_minor = balance_of(entry.customer, entry.currency)
    if left_minor < entry.amount_minor:
        raise Refused(
            f"Only {major_string(left_minor, entry.currency)} {entry.currency} is left on the "
            "balance: the rest has paid invoices.",
            code="credit_spent",
        )
    said = f"Taken back: {entry.description}"[:200]
    gift = (entry.customer_id, entry.currency, -entry.amount_minor, None, said)
    move_balances([gift], as_of, takes_back=entry.pk)
    taken = BalanceEntry.objects.select_related("customer__seller").get(takes_back=entry)
    books = Books(entry.customer.seller)
    _post_gift(taken, books.account(Account.Role.CUSTOMER_BALANCE), books.gifts(), as_of)
    _record_of_gift("balance.credit_taken_back", taken, as_of, actor)
    return taken


def _post_gift(entry: BalanceEntry, debit: int, credit: int, as_of: date) -> None:
    post(
        entry.customer.seller,
        [Posting(debit, credit, abs(entry.amount_minor))],
        currency=entry.currency,
        effective_on=as_of,
        document=Transfer.Document.BALANCE,
        document_id=entry.pk,
        customer_id=entry.customer_id,
    )


def _record_of_gift(type: str, entry: BalanceEntry, as_of: date, actor: str) -> None:
    record(
        type,
        seller=entry.customer.seller.public_id,
        subject=entry.customer.public_id,
        occurred_on=as_of,
        actor=actor,
        data={"amount_minor": abs(entry.amount_minor), "currency": entry.currency},
    )


def balance_of(customer: Customer, currency: str) -> int:
    """The customer's balance in a currency, in minor units."""
    found = CustomerBalance.objects.filter(customer=customer, currency=currency).first()
    return found.balance_minor if found else 0


@transaction.atomic
def void(invoice: Invoice, *, as_of: date, actor: str, reason: str = "") -> Invoice:
    """Declare an unpaid invoice never to have counted; its number stays, with the reason.

    What it billed is unbilled again, so the next bill charges what is still owed; the balance and
    the coupons that it used go back. What later invoices gave back of it was never owed, so the
    next bill takes that back. To forgive a debt, credit it instead.
    """
    invoice = lock_invoice(invoice)
    if invoice.kind != Invoice.Kind.INVOICE:
        raise Refused("A credit note cannot be voided.", code="not_an_invoice")
    if invoice.status == Invoice.Status.PAID or invoice.paid_minor or invoice.credited_minor:
        raise Refused(
            f"Invoice {invoice} is paid or credited in part. Credit what is wrong instead.",
            code="invoice_paid",
        )
    if invoice.lines.filter(corrects__isnull=False, amount_minor__lt=0).exists():
        raise Refused(
            f"Invoice {invoice} gives back what others billed. Credit what is wrong instead.",
            code="corrects_other_invoices",
        )
    corrections = corrections_of(invoice.lines.all())
    for correction in corrections:
        if correction.invoice.kind == Invoice.Kind.CREDIT_NOTE:
            raise Refused(
                f"Credit note {correction.invoice} has corrected invoice {invoice}. "
                "Credit what is left of it instead.",
                code="invoice_corrected",
            )
    for turned in reversals_of(invoice.lines.all()):
        raise Refused(
            f"Credit note {turned.invoice} has turned round what was given back of {invoice}. "
            "Credit what is left of it instead.",
            code="invoice_corrected",
        )
    invoice.move("void", closed_on=as_of, reason=reason)
    _reverse_postings(invoice, as_of)
    if invoice.credit_applied_minor:
        back = (
            invoice.customer_id,
            invoice.currency,
            invoice.credit_applied_minor,
            invoice.pk,
            str(invoice),
        )
        move_balances([back], as_of)
    _uncover(invoice, as_of)
    _take_back(invoice, corrections, as_of)
    record_of_invoice("invoice.voided", invoice, as_of, actor, reason=reason)
    tell_settled([invoice.pk], as_of)
    return invoice


@transaction.atomic
def write_off(invoice: Invoice, *, as_of: date, actor: str, reason: str = "") -> Invoice:
    """Give up collecting what is left of an open invoice: a confirmed loss.

    What is within the seller's tolerance of being paid is no loss, and closes as rounding.
    """
    invoice = lock_invoice(invoice)
    if invoice.status == Invoice.Status.PAID:
        raise Refused(f"Invoice {invoice} is paid.", code="invoice_paid")
    if invoice.status != Invoice.Status.OPEN:
        raise Refused(
            f"{invoice} is {invoice.status}: there is nothing to write off.",
            code="invalid_transition",
        )
    write_off_locked(invoice.seller, [invoice], as_of=as_of, actor=actor, reason=reason)
    if invoice.status == Invoice.Status.PAID:
        tell_settled([invoice.pk], as_of)
    return invoice


def write_off_locked(
    seller: Seller, invoices: Sequence[Invoice], *, as_of: date, actor: str, reason: str
) -> None:
    """Write off open invoices that the caller has locked with their customers, in bulk.

    Those that are paid but for a small difference close as rounding; the caller tells of it.
    """
    small = [invoice for invoice in invoices if _is_small(invoice, seller)]
    for invoice in small:
        close_as_rounding(invoice, as_of)
    lost = [invoice for invoice in invoices if invoice not in small]
    losses = Losses(seller, lost)
    events: list[Event] = []
    for invoice in lost:
        left_minor = invoice.outstanding_minor
        losses.add(invoice, 0, left_minor, as_of)
        events.append(
            Event(
                type="invoice.written_off",
                seller=seller.public_id,
                subject=invoice.public_id,
                occurred_on=as_of,
                actor=actor,
                data={"amount_minor": left_minor},
            )
        )
        invoice.status, invoice.closed_on = Invoice.Status.UNCOLLECTIBLE, as_of
        invoice.reason = reason
    Invoice.objects.filter(pk__in=[invoice.pk for invoice in lost]).update(
        status=Invoice.Status.UNCOLLECTIBLE, closed_on=as_of, reason=reason
    )
    losses.book()
    record_all(events)


def _is_small(invoice: Invoice, seller: Seller) -> bool:
    """Whether an invoice is paid, but for a difference that the seller does not ask for."""
    has_paid = invoice.paid_minor or invoice.from_balance_minor or invoice.credit_applied_minor
    return bool(has_paid) and 0 < invoice.payable_minor <= seller.rounding_tolerance_minor


def round_off(invoice: Invoice, as_of: date) -> None:
    """Count what is left of a locked invoice as rounding, in the books and on it, unsaved."""
    left_minor = invoice.payable_minor
    move_rounding(invoice, left_minor, as_of)
    invoice.credited_minor += left_minor
    invoice.rounded_off_minor += left_minor


def move_rounding(invoice: Invoice, amount_minor: int, as_of: date) -> None:
    """Book so much of an invoice as rounding, or with a minus as owed after all."""
    books = Books(invoice.seller)
    rounding = books.account(Account.Role.ROUNDING)
    receivable = books.account(Account.Role.RECEIVABLE)
    post(
        invoice.seller,
        list(between(rounding, receivable, amount_minor)),
        currency=invoice.currency,
        effective_on=as_of,
        document=Transfer.Document.ROUNDING,
        document_id=invoice.pk,
        customer_id=invoice.customer_id,
    )


def close_as_rounding(invoice: Invoice, as_of: date) -> None:
    """Close a locked invoice that is paid but for a small difference."""
    round_off(invoice, as_of)
    invoice.move(
        "paid",
        credited_minor=invoice.credited_minor,
        rounded_off_minor=invoice.rounded_off_minor,
        closed_on=as_of,
    )
    record_of_invoice("invoice.paid", invoice, as_of, "system", number=invoice.number)


@transaction.atomic
def credit(
    invoice: Invoice,
    *,
    as_of: date,
    actor: str,
    amount_minor: int | None = None,
    lines: Sequence[tuple[InvoiceLine, int]] | None = None,
    to: str = Invoice.CreditTo.BALANCE,
    reason: str = "",
    is_confirmed: bool = True,
) -> Invoice:
    """Issue a credit note on an invoice: a gross amount, net amounts by line, or all that is left.

    It first reduces what is unpaid; the rest goes to the balance, or back as far as it was paid.
    The last note on an invoice takes exactly the tax that is left. Where a person asks for it,
    ``is_confirmed`` says whether they were asked again: a sum that is unusual, or all of the
    invoice for want of an amount, is refused unless they were ("unusual_amount",
    "credits_everything"). Raises :class:`Refused` where it would credit more than is left
    ("credit_exceeds_invoice", "credit_exceeds_line").
    """
    invoice = lock_invoice(invoice)
    if invoice.kind != Invoice.Kind.INVOICE or invoice.status == Invoice.Status.VOID:
        raise Refused(f"{invoice} cannot be credited.", code="not_creditable")
    left = _Creditable(invoice)
    note = left.by_line(lines) if lines is not None else left.by_amount(amount_minor)
    if not is_confirmed:
        if amount_minor is None and lines is None:
            raise Refused(
                f"This credits all that is left of {invoice}, "
                f"{major_string(note.total_minor, invoice.currency)} {invoice.currency}. Confirm "
                "it, or say an amount.",
                code="credits_everything",
            )
        check_amount(note.total_minor, invoice.currency, is_confirmed=False)
    return _issue_note(invoice, note, as_of, actor, to, reason)


class _Note:
    """The lines of a credit note by corrected line: amount and net, and the VAT groups."""

    def __init__(
        self,
        parts: Mapping[InvoiceLine, tuple[int, int]],
        groups: list[tax.TaxGroup],
        rounding_minor: int = 0,
    ):
        self.parts = {line: part for line, part in parts.items() if any(part)}
        self.groups = [group for group in groups if group.net_minor or group.tax_minor]
        self.rounding_minor = rounding_minor
        self.net_minor = sum(net for _, net in self.parts.values())
        self.tax_minor = sum(group.tax_minor for group in groups)
        self.total_minor = self.net_minor + self.tax_minor + rounding_minor


class _Creditable:
    """What earlier corrections have left of an invoice: by line, by VAT group, and of the rounding.

    Lines below zero, which take something off the invoice, take it off what can be credited as
    well: they are turned round with the rest of it, and cannot be asked for by themselves.
    """

    def __init__(self, invoice: Invoice):
        self.invoice = invoice
        kinds = (*CREDITABLE, InvoiceLine.Kind.CREDIT)
        self.lines = list(
            invoice.lines.filter(kind__in=kinds)
            .exclude(net_minor=0)
            .select_related("corrects")
            .order_by("position")
        )
        self.net = {line: line.net_minor for line in self.lines}
        self.taxes = {_rate_of(group): group.tax_minor for group in invoice.taxes.all()}
        self.rounding_minor = invoice.rounding_minor
        by_id = {line.pk: line for line in self.lines}
        notes: dict[int, list[InvoiceLine]] = defaultdict(list)
        for correction in corrections_of(self.lines):
            assert correction.corrects_id is not None
            line = by_id[correction.corrects_id]
            # What an invoice takes back of a credit is a charge of its own, credited there.
            if line.net_minor < 0 and correction.invoice.kind == Invoice.Kind.INVOICE:
                continue
            self.net[line] -= given_back_minor(correction)
            notes[correction.invoice_id].append(correction)
        for corrections in notes.values():
            self._count_taxes(corrections)
        # A charge counts again, with its tax, where a note has turned round a credit of it.
        for reversal in reversals_of(self.lines):
            assert reversal.corrects
            assert reversal.corrects.corrects_id is not None
            self.net[by_id[reversal.corrects.corrects_id]] -= reversal.net_minor
            self._count_rates([reversal])
        self._lessen_by_what_stays_given_back()

    def _lessen_by_what_stays_given_back(self) -> None:
        """Not all that the invoice gave back is turned round: some only lessens its charges.

        What was of an invoice that is void since is charged by a bill of its own. And what nothing
        was charged instead of would stand for no days: nobody could give it back again.
        """
        taken = set(
            OneOffItem.objects.filter(reverses__in=self.lines).values_list("reverses", flat=True)
        )
        charged = {
            line.subscription_id for line in self.lines if line.kind == InvoiceLine.Kind.RECURRING
        }
        for line in self.lines:
            if self.net[line] >= 0 or (line.pk not in taken and line.subscription_id in charged):
                continue
            beside = [each for each in self.lines if _rates(each) == _rates(line)]
            left = [max(self.net[each], 0) for each in beside]
            if sum(left) >= -self.net[line]:
                for each, share in zip(beside, allocate(-self.net[line], left), strict=True):
                    self.net[each] -= share
                self.net[line] = 0

    def _count_taxes(self, corrections: Sequence[InvoiceLine]) -> None:
        document = corrections[0].invoice
        others = document.lines.exclude(pk__in=[line.pk for line in corrections]).exclude(
            net_minor=0
        )
        if document.kind == Invoice.Kind.CREDIT_NOTE and not others.exists():
            for group in document.taxes.all():
                self.taxes[_rate_of(group)] -= group.tax_minor
            self.rounding_minor -= document.rounding_minor
            return
        self._count_rates(corrections)

    def _count_rates(self, corrections: Sequence[InvoiceLine]) -> None:
        nets: dict[tax.Rate, int] = defaultdict(int)
        for line in corrections:
            for rate in _rates(line):
                nets[rate] += given_back_minor(line)
        for rate, net in nets.items():
            self.taxes[rate] -= _tax_on(rate, net)

    @property
    def unrounded_minor(self) -> int:
        """What the lines have left with their tax, before the rounding of the whole."""
        return sum(self.net.values()) + sum(self.taxes.values())

    @property
    def total_minor(self) -> int:
        return self.unrounded_minor + self.rounding_minor

    def everything(self) -> _Note:
        """All that is left, to the last unit of tax and of rounding: nothing stays open."""
        if self.total_minor <= 0:
            raise Refused("Nothing is left to credit.", code="credit_exceeds_invoice")
        groups = []
        for group in self.invoice.taxes.all():
            rate = _rate_of(group)
            net = sum(self.net[line] for line in self.lines if rate in _rates(line))
            groups.append(_group(rate, net, self.taxes[rate]))
        parts = {line: (self._amount(line, net), net) for line, net in self.net.items()}
        return _Note(parts, groups, self.rounding_minor)

    def by_amount(self, amount_minor: int | None) -> _Note:
        """A gross amount, spread over the lines in proportion to what is left of each.

        What covers all lines is all that is left: the rounding goes with them.
        """
        if amount_minor is not None and amount_minor <= 0:
            raise InvalidAmount("A credit must be above zero.")
        if amount_minor is None:
            return self.everything()
        if amount_minor > self.total_minor:
            left = major_string(max(self.total_minor, 0), self.invoice.currency)
            raise Refused(
                f"Only {left} {self.invoice.currency} of {self.invoice} is left to credit.",
                code="credit_exceeds_invoice",
            )
        if amount_minor in (self.total_minor, self.unrounded_minor):
            return self.everything()
        return self._spread(amount_minor)

    def _spread(self, amount_minor: int) -> _Note:
        """Over the groups of equal rates by what is left of them, then over each one's lines."""
        by_rates: dict[tax.Treatment, list[InvoiceLine]] = defaultdict(list)
        for line in self.lines:
            by_rates[_marked(_rates(line), is_inclusive=True)].append(line)
        weights = [
            max(
                sum((_gross_weight(line, self.net[line]) for line in lines), Decimal(0)), Decimal(0)
            )
            for lines in by_rates.values()
        ]
        shares = allocate(amount_minor, weights)
        taxed = tax.tax_document(list(zip(shares, by_rates, strict=True)))
        parts: dict[InvoiceLine, tuple[int, int]] = {}
        for lines, gross, net in zip(by_rates.values(), shares, taxed.line_nets, strict=True):
            left = [max(self.net[line], 0) for line in lines]
            if not sum(left):
                continue
            nets, grosses = allocate(net, left), allocate(gross, left)
            for line, line_net, line_gross in zip(lines, nets, grosses, strict=True):
                parts[line] = (line_gross if _is_inclusive(line) else line_net, line_net)
        return _Note(parts, _unmarked(taxed.groups))

    def by_line(self, lines: Sequence[tuple[InvoiceLine, int]]) -> _Note:
        """Net amounts of single lines, rounded to the whole unit where the invoice is."""
        asked: dict[InvoiceLine, int] = defaultdict(int)
        for line, net_minor in lines:
            left_minor = self.net.get(line, 0)
            if net_minor <= 0 or asked[line] + net_minor > left_minor:
                raise Refused(
                    f"“{line}” has less than that left to credit.", code="credit_exceeds_line"
                )
            asked[line] += net_minor
        if asked == {line: net for line, net in self.net.items() if net}:
            return self.everything()
        taxed = tax.tax_document(
            [(net, _marked(_rates(line), is_inclusive=False)) for line, net in asked.items()]
        )
        parts = {line: (self._amount(line, net), net) for line, net in asked.items()}
        return _Note(parts, _unmarked(taxed.groups), self._rounding_of(taxed.gross_minor))

    def _rounding_of(self, gross_minor: int) -> int:
        """What rounds a part to the whole unit, as the invoice was, within what is left of it."""
        unit = 10 ** exponent(self.invoice.currency)
        is_whole = self.invoice.seller.rounding == Seller.Rounding.WHOLE
        if not is_whole or self.invoice.total_minor % unit:
            return 0
        rounded_minor = round_ratio(gross_minor, unit) * unit
        if not 0 < rounded_minor <= self.total_minor:
            return 0
        return rounded_minor - gross_minor

    def _amount(self, line: InvoiceLine, net_minor: int) -> int:
        """A line's amount for a net: with the tax in it where the price includes it."""
        if not _is_inclusive(line) or not line.net_minor:
            return net_minor
        gross_minor = line.amount_minor - line.discount_minor
        return round_ratio(gross_minor * net_minor, line.net_minor)


def corrections_of(lines: Iterable[InvoiceLine]) -> list[InvoiceLine]:
    """The lines of standing documents that give back what some lines have billed, in order."""
    found = InvoiceLine.objects.filter(corrects__in=lines).exclude(
        invoice__status=Invoice.Status.VOID
    )
    return list(found.select_related("invoice").order_by("pk"))


def reversals_of(lines: Iterable[InvoiceLine]) -> list[InvoiceLine]:
    """The lines of credit notes that turn round what gave some lines back, in order."""
    found = InvoiceLine.objects.filter(
        corrects__corrects__in=lines, invoice__kind=Invoice.Kind.CREDIT_NOTE
    )
    return list(found.select_related("invoice", "corrects").order_by("pk"))


def given_back_minor(correction: InvoiceLine) -> int:
    """The net that a line gives back: on a credit note it says what the customer gets."""
    is_note = correction.invoice.kind == Invoice.Kind.CREDIT_NOTE
    return correction.net_minor if is_note else -correction.net_minor


def _tax_on(rate: tax.Rate, net_minor: int) -> int:
    numerator, denominator = rate.percent.as_integer_ratio()
    return round_ratio(net_minor * numerator, 100 * denominator)


def _rates(line: InvoiceLine) -> tax.Treatment:
    """What is on a line's net: any relief has been taken out of its amount already."""
    return tuple(rate.relieved for rate in treatment_of(line.tax))


def _is_inclusive(line: InvoiceLine) -> bool:
    return any(rate.is_inclusive for rate in _rates(line))


def _rate_of(group: InvoiceTax) -> tax.Rate:
    return tax.Rate(group.category, group.percent, group.is_inclusive, group.name)


def _group(rate: tax.Rate, net_minor: int, tax_minor: int) -> tax.TaxGroup:
    return tax.TaxGroup(
        rate.category, rate.percent, rate.is_inclusive, rate.name, net_minor, tax_minor
    )


def _marked(treatment: tax.Treatment, *, is_inclusive: bool) -> tax.Treatment:
    """The rates to reckon a gross or a net amount with, whose names keep how they were billed."""
    return tuple(
        tax.Rate(rate.category, rate.percent, is_inclusive, f"{rate.is_inclusive:d}{rate.name}")
        for rate in treatment
    )


def _unmarked(groups: Sequence[tax.TaxGroup]) -> list[tax.TaxGroup]:
    return [
        tax.TaxGroup(
            group.category,
            group.percent,
            group.name.startswith("1"),
            group.name[1:],
            group.net_minor,
            group.tax_minor,
        )
        for group in groups
    ]


def _gross_weight(line: InvoiceLine, net_minor: int) -> Decimal:
    """In proportion to what is left of the line with its tax."""
    percent = sum((rate.percent for rate in _rates(line)), Decimal(0))
    return net_minor * (100 + percent)


def _supply_of(invoice: Invoice) -> Snapshot:
    """Why an invoice was taxed as it was: a note on it keeps that, as it keeps the rates."""
    supply = invoice.bill_to.get("supply")
    return {"supply": supply} if supply else {}


def _issue_note(
    invoice: Invoice, note: _Note, as_of: date, actor: str, to: str, reason: str
) -> Invoice:
    sequence, number = take_numbers(invoice.seller, Invoice.Kind.CREDIT_NOTE, 1)[0]
    document = Invoice.objects.create(
        public_id=new_public_id("cn"),
        seller=invoice.seller,
        customer=invoice.customer,
        subscription_id=invoice.subscription_id,
        kind=Invoice.Kind.CREDIT_NOTE,
        status=Invoice.Status.ISSUED,
        number=number,
        sequence=sequence,
        currency=invoice.currency,
        language=invoice.language,
        issued_on=as_of,
        due_on=as_of,
        letterhead=current_letterhead(invoice.seller),
        bill_to=bill_to_of(invoice.customer) | _supply_of(invoice),
        subtotal_minor=sum(amount for amount, _ in note.parts.values()),
        net_minor=note.net_minor,
        tax_minor=note.tax_minor,
        rounding_minor=note.rounding_minor,
        total_minor=note.total_minor,
        amount_due_minor=note.total_minor,
        credit_to=to,
        reason=reason.strip(),
    )
    _write_lines(document, note)
    _count_on_coverage(note)
    _settle_note(invoice, document, note, as_of, actor, to)
    record_of_invoice(
        "credit_note.issued",
        document,
        as_of,
        actor,
        number=number,
        corrects=invoice.public_id,
        total_minor=note.total_minor,
        currency=invoice.currency,
    )
    return document


def _write_lines(document: Invoice, note: _Note) -> None:
    """The lines of a credit note, its rounding and its tax by rate."""
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=document,
            position=position,
            kind=InvoiceLine.Kind.CREDIT,
            subscription_id=line.subscription_id,
            price_id=line.price_id,
            description=line.description,
            starts_on=line.starts_on,
            ends_on=line.ends_on,
            quantity=line.quantity,
            amount_minor=amount_minor,
            net_minor=net_minor,
            tax=line.tax,
            revenue_account=line.revenue_account,
            corrects=line,
        )
        for position, (line, (amount_minor, net_minor)) in enumerate(note.parts.items(), 1)
    )
    if note.rounding_minor:
        InvoiceLine.objects.create(
            invoice=document,
            position=len(note.parts) + 1,
            kind=InvoiceLine.Kind.ROUNDING,
            amount_minor=note.rounding_minor,
            net_minor=0,
        )
    InvoiceTax.objects.bulk_create(
        InvoiceTax(
            invoice=document,
            category=group.category,
            percent=group.percent,
            is_inclusive=group.is_inclusive,
            name=group.name,
            net_minor=group.net_minor,
            tax_minor=group.tax_minor,
        )
        for group in note.groups
    )


def _count_on_coverage(note: _Note) -> None:
    """What came back by hand does not come back by itself; what is turned round stands again."""
    covered = Coverage.objects.in_bulk([line.pk for line in note.parts])
    for line, (amount_minor, _) in note.parts.items():
        coverage = covered.get(line.pk)
        if coverage is not None:
            left = coverage.billed_minor - coverage.credited_minor
            coverage.credited_minor += max(0, min(amount_minor, left))
    Coverage.objects.bulk_update(covered.values(), ["credited_minor"])
    charges = [each for each in covered.values() if each.kind == Coverage.Kind.RECURRING]
    for line, (amount_minor, _) in note.parts.items():
        beside = [each for each in charges if each.subscription_id == line.subscription_id]
        if amount_minor < 0 and beside:
            instead = max(beside, key=lambda each: (_days_shared(each, line), each.billed_minor))
            _let_stand_again(line, -amount_minor, instead)


def _days_shared(coverage: Coverage, line: InvoiceLine) -> int:
    start = max(coverage.starts_on, line.starts_on or coverage.starts_on)
    return (min(coverage.ends_on, line.ends_on or coverage.ends_on) - start).days


def _let_stand_again(correction: InvoiceLine, amount_minor: int, instead: Coverage) -> None:
    """The days that a line gave back are charged again, as long as what they gave way to has them.

    Without that, who leaves what the note has credited would pay for them and for what follows.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE invoicing_coverage SET again_for_id = %(item)s,"
            " again_days = datemultirange(daterange(%(start)s::date, %(end)s::date))"
            "              * datemultirange(daterange(starts_on, ends_on)) - days,"
            " credited_minor = GREATEST(0, credited_minor - %(amount)s)"
            " WHERE line_id = %(line)s AND kind = %(kind)s",
            {
                "item": instead.item_id,
                "start": correction.starts_on,
                "end": correction.ends_on,
                "amount": amount_minor,
                "line": correction.corrects_id,
                "kind": Coverage.Kind.RECURRING,
            },
        )


def _settle_note(
    invoice: Invoice, document: Invoice, note: _Note, as_of: date, actor: str, to: str
) -> None:
    unpaid_minor = 0
    if invoice.status in (Invoice.Status.OPEN, Invoice.Status.UNCOLLECTIBLE):
        unpaid_minor = invoice.amount_due_minor - invoice.paid_minor - invoice.credited_minor
    reduced_minor = min(unpaid_minor, note.total_minor)
    if reduced_minor:
        credit_invoices(invoice.seller, {invoice.pk: reduced_minor}, as_of)
    left_minor = note.total_minor - reduced_minor
    # What was let go as rounding was never paid: the note takes it up, and nothing goes back.
    if rounded_minor := min(invoice.rounded_off_minor, left_minor):
        invoice.rounded_off_minor -= rounded_minor
        invoice.save(update_fields=["rounded_off_minor"])
        move_rounding(invoice, -rounded_minor, as_of)
        left_minor -= rounded_minor
    if to == Invoice.CreditTo.REFUND and left_minor:
        left_minor -= hooks.refund_credit.only(
            invoice.seller,
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            amount_minor=left_minor,
            invoice_ids=[invoice.pk],
            as_of=as_of,
            actor=actor,
        )
    if left_minor:
        entry = (invoice.customer_id, invoice.currency, left_minor, document.pk, str(document))
        move_balances([entry], as_of)
    books = Books(invoice.seller)
    receivable = books.account(Account.Role.RECEIVABLE)
    postings: list[Posting] = []
    for line, (_, net_minor) in note.parts.items():
        is_ahead = line.ends_on is not None and line.ends_on > as_of
        charge = line.corrects.kind if line.corrects else line.kind
        is_deferred = is_ahead and charge == InvoiceLine.Kind.RECURRING
        income = (
            books.account(Account.Role.DEFERRED_REVENUE)
            if is_deferred
            else books.revenue(line.revenue_account or REVENUE_ACCOUNT)
        )
        postings += between(income, receivable, net_minor)
    for group in note.groups:
        account = books.vat(country_of(group.name), group.percent)
        postings += between(account, receivable, group.tax_minor)
    postings += between(books.account(Account.Role.ROUNDING), receivable, note.rounding_minor)
    postings += between(receivable, books.account(Account.Role.CUSTOMER_BALANCE), left_minor)
    post_of_invoice(document, postings, as_of)


def lock_invoice(invoice: Invoice) -> Invoice:
    """The invoice as it now stands, under the locks of its customer and itself, in that order."""
    Customer.objects.select_for_update().get(pk=invoice.customer_id)
    return (
        Invoice.objects.select_for_update(of=["self"])
        .select_related("seller", "customer")
        .get(pk=invoice.pk)
    )


def post_of_invoice(invoice: Invoice, postings: Sequence[Posting], as_of: date) -> None:
    """Write postings of a document in its books."""
    post(
        invoice.seller,
        postings,
        currency=invoice.currency,
        effective_on=as_of,
        document=Transfer.Document.INVOICE,
        document_id=invoice.pk,
        customer_id=invoice.customer_id,
    )


def _reverse_postings(invoice: Invoice, as_of: date) -> None:
    """Correct the books with the opposite of every transfer; none is ever edited."""
    written = Transfer.objects.filter(
        document=Transfer.Document.INVOICE, document_id=invoice.pk
    ).order_by("id")
    post_of_invoice(
        invoice,
        [Posting(old.credit_account_id, old.debit_account_id, old.amount_minor) for old in written],
        as_of,
    )


def _uncover(invoice: Invoice, as_of: date) -> None:
    """Make what a voided invoice billed owed again, and one-off items pending."""
    covered = Coverage.objects.filter(line__invoice=invoice)
    starts: dict[int, date] = {}
    for coverage in covered:
        known = starts.get(coverage.subscription_id, coverage.starts_on)
        starts[coverage.subscription_id] = min(known, coverage.starts_on)
    covered.delete()
    for subscription in Subscription.objects.filter(pk__in=starts):
        start = max(starts[subscription.pk], subscription.starts_on)
        subscription.window_on = min(subscription.window_on or start, start)
        subscription.next_bill_on = as_of
        subscription.save(update_fields=["window_on", "next_bill_on"])
    OneOffItem.objects.filter(line__invoice=invoice).update(line=None)
    CouponRedemption.objects.filter(fixed_by=invoice.pk, removed_on=None).update(
        is_spent=False, expires_on=None, fixed_by=None
    )


def _take_back(invoice: Invoice, corrections: Sequence[InvoiceLine], as_of: date) -> None:
    """Let the next bill charge what other invoices gave back of a voided one.

    Those are issued and stay as they are, so a new document corrects them (2006/112/EC art. 219).
    """
    with translation.override(invoice.language):
        OneOffItem.objects.bulk_create(
            OneOffItem(
                seller=invoice.seller,
                customer=invoice.customer,
                subscription_id=correction.subscription_id,
                currency=invoice.currency,
                amount_minor=correction.discount_minor - correction.amount_minor,
                description=_said_of(correction, invoice),
                tax=correction.tax,
                revenue_account=correction.revenue_account or REVENUE_ACCOUNT,
                due_on=as_of,
                reverses=correction,
            )
            for correction in corrections
        )


def _said_of(correction: InvoiceLine, voided: Invoice) -> str:
    said = {
        "what": correction.description[:300],
        "number": correction.invoice.number,
        "voided": voided.number,
    }
    return (
        pgettext(
            "document",
            "%(what)s: what invoice %(number)s gave back of invoice %(voided)s, which is void",
        )
        % said
    )


def record_of_invoice(type: str, invoice: Invoice, as_of: date, actor: str, **data: Any) -> None:
    """Write an event of a document."""
    record(
        type,
        seller=invoice.seller.public_id,
        subject=invoice.public_id,
        occurred_on=as_of,
        actor=actor,
        data=data,
    )
