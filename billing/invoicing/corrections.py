"""Credit notes by hand: what is left of an invoice to credit, and how a note is written."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from django.db import connection, transaction

from billing.base.public_ids import new_public_id
from billing.engine import tax
from billing.engine.ceilings import check_amount
from billing.engine.errors import InvalidAmount, Refused
from billing.engine.money import allocate, exponent, major_string, round_ratio
from billing.events.recorder import record
from billing.invoicing import hooks
from billing.invoicing.abroad import country_of
from billing.invoicing.balances import move_balances
from billing.invoicing.coverage import Coverage
from billing.invoicing.issuing import current_letterhead
from billing.invoicing.locks import lock_invoice
from billing.invoicing.models import Invoice, InvoiceLine, InvoiceTax, OneOffItem
from billing.invoicing.numbering import number_ordered, take_numbers
from billing.invoicing.settled import By
from billing.invoicing.settlement import credit_rounding, post_of_invoice, settle_by_credit
from billing.invoicing.snapshots import Snapshot, bearing, bill_to_of
from billing.ledger.actions import Books, Posting, between
from billing.ledger.models import Account
from billing.tax.rates import treatment_of
from catalog.models import REVENUE_ACCOUNT
from customers.models import Seller

CREDITABLE = (
    InvoiceLine.Kind.RECURRING,
    InvoiceLine.Kind.USAGE,
    InvoiceLine.Kind.MINIMUM,
    InvoiceLine.Kind.ONE_OFF,
)


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
    if invoice.sequence is None:
        number_ordered(invoice.seller, [invoice], as_of=as_of, actor=actor)
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


def _bill_to_of(invoice: Invoice) -> Snapshot:
    """The customer of today. The buyer's reference and why it was taxed so are the invoice's."""
    supply = invoice.bill_to.get("supply")
    known = bill_to_of(invoice.customer) | ({"supply": supply} if supply else {})
    return bearing(known, invoice.buyer_reference)


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
        bill_to=_bill_to_of(invoice),
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
    record(
        "credit_note.issued",
        seller=invoice.seller.public_id,
        subject=document.public_id,
        occurred_on=as_of,
        actor=actor,
        data={
            "number": number,
            "customer": invoice.customer.public_id,
            "currency": invoice.currency,
            "total_minor": note.total_minor,
            "corrects": invoice.public_id,
        },
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
            unit=line.unit,
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
    reduced_minor = min(invoice.left_minor, note.total_minor) if invoice.may_be_paid else 0
    if reduced_minor:
        parts = {invoice: reduced_minor}
        settle_by_credit(invoice.seller, parts, by=By.CREDIT, as_of=as_of, actor=actor)
    left_minor = note.total_minor - reduced_minor
    # What was let go as rounding was never paid: the note takes it up, and nothing goes back.
    if rounded_minor := min(invoice.rounded_off_minor, left_minor):
        credit_rounding(invoice.seller, {invoice: rounded_minor}, as_of=as_of, actor=actor)
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
