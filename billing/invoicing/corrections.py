"""Credit notes by hand: what is left of an invoice to credit, and how a note is written."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from django.db import connection, transaction

from billing.engine.ceilings import check_amount
from billing.engine.corrections import ChargedLine, Correction, Creditable, GivenBack, Part
from billing.engine.document import Document
from billing.engine.errors import Refused
from billing.engine.lines import Line
from billing.engine.money import major_string
from billing.engine.tax import Rate, Treatment
from billing.invoicing.buyers import load_buyers
from billing.invoicing.coverage import Coverage
from billing.invoicing.drafting import ByHand, DraftDocument, Drafts, corrected
from billing.invoicing.issuing import issue
from billing.invoicing.locks import lock_invoice
from billing.invoicing.models import Invoice, InvoiceLine, OneOffItem
from billing.invoicing.numbering import take_numbers
from billing.invoicing.ordered import issue_ordered
from billing.invoicing.snapshots import Snapshot, bearing
from billing.tax.rates import treatment_of
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
    _refuse_uncreditable(invoice)
    if invoice.sequence is None:
        issue_ordered(invoice.seller, [invoice], as_of=as_of, actor=actor)
    note = _note_on(invoice, amount_minor, lines, is_confirmed=is_confirmed)
    _count_on_coverage(note)
    draft = _draft(invoice, note, to=to, reason=reason)
    [issued] = issue(invoice.seller, Drafts([draft]), as_of, actor, take_numbers)
    return Invoice.objects.select_related("seller", "customer").get(pk=issued.id)


def draft_credit(
    invoice: Invoice,
    *,
    amount_minor: int | None = None,
    lines: Sequence[tuple[InvoiceLine, int]] | None = None,
    to: str = Invoice.CreditTo.BALANCE,
    reason: str = "",
    is_confirmed: bool = True,
) -> DraftDocument:
    """The credit note that :func:`credit` would issue; nothing is written.

    Raises what that raises.
    """
    invoice = Invoice.objects.select_related("seller", "customer").get(pk=invoice.pk)
    _refuse_uncreditable(invoice)
    note = _note_on(invoice, amount_minor, lines, is_confirmed=is_confirmed)
    return _draft(invoice, note, to=to, reason=reason)


def _refuse_uncreditable(invoice: Invoice) -> None:
    if invoice.kind != Invoice.Kind.INVOICE or invoice.status == Invoice.Status.VOID:
        raise Refused(f"{invoice} cannot be credited.", code="not_creditable")


def _note_on(
    invoice: Invoice,
    amount_minor: int | None,
    lines: Sequence[tuple[InvoiceLine, int]] | None,
    *,
    is_confirmed: bool,
) -> Correction:
    """What a note takes of an invoice; raises as :func:`credit`."""
    left = _creditable(invoice)
    if lines is not None:
        note = left.by_line(lines)
    elif amount_minor is not None:
        note = left.by_amount(amount_minor)
    else:
        note = left.everything()
    if not is_confirmed:
        if amount_minor is None and lines is None:
            raise Refused(
                f"This credits all that is left of {invoice}, "
                f"{major_string(note.total_minor, invoice.currency)} {invoice.currency}. Confirm "
                "it, or say an amount.",
                code="credits_everything",
            )
        check_amount(note.total_minor, invoice.currency, is_confirmed=False)
    return note


def _creditable(invoice: Invoice) -> Creditable:
    """What is left of an invoice, by all that standing documents have given back of it."""
    kinds = (*CREDITABLE, InvoiceLine.Kind.CREDIT)
    lines = list(
        invoice.lines.filter(kind__in=kinds)
        .exclude(net_minor=0)
        .select_related("corrects", "price")
        .order_by("position")
    )
    by_id: dict[int | None, InvoiceLine] = {line.pk: line for line in lines}
    corrections: dict[int, list[InvoiceLine]] = defaultdict(list)
    for correction in corrections_of(lines):
        # What an invoice takes back of a credit is a charge of its own, credited there.
        is_charge = correction.invoice.kind == Invoice.Kind.INVOICE
        if not (is_charge and by_id[correction.corrects_id].net_minor < 0):
            corrections[correction.invoice_id].append(correction)
    given_back = [_given_back(each, by_id) for each in corrections.values()]
    # A charge counts again, with its tax, where a note has turned round a credit of it.
    for reversal in reversals_of(lines):
        assert reversal.corrects
        charge = by_id[reversal.corrects.corrects_id]
        amount_minor = reversal.amount_minor - reversal.discount_minor
        given_back.append(GivenBack([Part(charge, amount_minor, reversal.net_minor)]))
    reversible = _reversible(lines)
    return Creditable(
        [
            ChargedLine(
                ref=line,
                rates=_rates(line),
                amount_minor=line.amount_minor - line.discount_minor,
                net_minor=line.net_minor,
                is_reversible=line in reversible,
            )
            for line in lines
        ],
        _taxes(invoice),
        invoice.rounding_minor,
        given_back,
        currency=invoice.currency,
        rounds_to_whole=invoice.seller.rounding == Seller.Rounding.WHOLE,
        said=str(invoice),
    )


def _given_back(
    corrections: Sequence[InvoiceLine], charged: Mapping[int | None, InvoiceLine]
) -> GivenBack:
    """What one document has given back by some of its lines, or by all of them."""
    document = corrections[0].invoice
    sign = 1 if document.kind == Invoice.Kind.CREDIT_NOTE else -1
    parts = [
        Part(
            charged[line.corrects_id],
            sign * (line.amount_minor - line.discount_minor),
            sign * line.net_minor,
        )
        for line in corrections
    ]
    others = document.lines.exclude(pk__in=[line.pk for line in corrections]).exclude(net_minor=0)
    if document.kind == Invoice.Kind.CREDIT_NOTE and not others.exists():
        return GivenBack(parts, _taxes(document), document.rounding_minor)
    return GivenBack(parts)


def _reversible(lines: Sequence[InvoiceLine]) -> set[InvoiceLine]:
    """The lines that are turned round where they gave something back.

    What was of an invoice that is void since is charged by a bill of its own. And what nothing was
    charged instead of would stand for no days: nobody could give it back again.
    """
    taken = set(OneOffItem.objects.filter(reverses__in=lines).values_list("reverses", flat=True))
    charged = {line.subscription_id for line in lines if line.kind == InvoiceLine.Kind.RECURRING}
    return {line for line in lines if line.pk not in taken and line.subscription_id in charged}


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


def _taxes(document: Invoice) -> dict[Rate, int]:
    """The tax of a document by rate."""
    return {
        Rate(group.category, group.percent, group.is_inclusive, group.name): group.tax_minor
        for group in document.taxes.all()
    }


def _rates(line: InvoiceLine) -> Treatment:
    """What is on a line's net: any relief has been taken out of its amount already."""
    return tuple(rate.relieved for rate in treatment_of(line.tax))


def _bill_to_of(invoice: Invoice, today: Snapshot) -> Snapshot:
    """The customer of today. The buyer's reference and why it was taxed so are the invoice's."""
    supply = invoice.bill_to.get("supply")
    known = today | ({"supply": supply} if supply else {})
    return bearing(known, invoice.buyer_reference)


def _draft(invoice: Invoice, note: Correction, *, to: str, reason: str) -> DraftDocument:
    """A document to be issued: in the invoice's language, and to the customer as it is now."""
    [buyer] = load_buyers([invoice.customer_id])
    bill_to = _bill_to_of(invoice, buyer.bill_to)
    return DraftDocument(
        buyer=replace(buyer, language=invoice.language, bill_to=bill_to),
        currency=invoice.currency,
        document=Document(
            is_credit_note=True,
            lines=[_note_line(part, invoice) for part in note.parts],
            taxes=note.taxes,
            subtotal_minor=note.amount_minor,
            discount_minor=0,
            net_minor=note.net_minor,
            tax_minor=note.tax_minor,
            rounding_minor=note.rounding_minor,
            total_minor=note.total_minor,
        ),
        subscription_id=invoice.subscription_id,
        one_offs={},
        discounted=[],
        treatments=[treatment_of(part.ref.tax) for part in note.parts],
        refunds=to == Invoice.CreditTo.REFUND,
        by_hand=ByHand(invoice, reason.strip()),
    )


def _note_line(part: Part, invoice: Invoice) -> Line:
    line: InvoiceLine = part.ref
    return Line(
        kind=InvoiceLine.Kind.CREDIT,
        item=None,
        amount_minor=part.amount_minor,
        start=line.starts_on,
        end=line.ends_on,
        quantity=line.quantity,
        corrects=corrected(line, invoice.issued_on),
        context=line,
        net_minor=part.net_minor,
    )


def _count_on_coverage(note: Correction) -> None:
    """What came back by hand does not come back by itself; what is turned round stands again."""
    covered = Coverage.objects.in_bulk([part.ref.pk for part in note.parts])
    for part in note.parts:
        coverage = covered.get(part.ref.pk)
        if coverage is not None:
            left = coverage.billed_minor - coverage.credited_minor
            coverage.credited_minor += max(0, min(part.amount_minor, left))
    Coverage.objects.bulk_update(covered.values(), ["credited_minor"])
    charges = [each for each in covered.values() if each.kind == Coverage.Kind.RECURRING]
    for part in note.parts:
        line: InvoiceLine = part.ref
        beside = [each for each in charges if each.subscription_id == line.subscription_id]
        if part.amount_minor < 0 and beside:
            instead = max(beside, key=lambda each: (_days_shared(each, line), each.billed_minor))
            _let_stand_again(line, -part.amount_minor, instead)


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
