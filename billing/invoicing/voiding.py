"""Invoices that are declared never to have counted."""

from collections.abc import Sequence
from datetime import date

from django.db import transaction
from django.utils import translation
from django.utils.translation import pgettext

from billing.engine.errors import Refused
from billing.invoicing import settlement
from billing.invoicing.balances import Entry, move_balances, tell_of_growth
from billing.invoicing.corrections import corrections_of, reversals_of
from billing.invoicing.coverage import Coverage
from billing.invoicing.locks import lock_invoice
from billing.invoicing.models import Invoice, InvoiceLine, OneOffItem
from billing.invoicing.postings import post_of_invoice
from billing.ledger.actions import Posting
from billing.ledger.models import Transfer
from billing.subscriptions.models import CouponRedemption, Subscription
from catalog.models import REVENUE_ACCOUNT
from customers.persons import staying_of


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
    if invoice.sequence is None:
        void_ordered(invoice, reason=reason, as_of=as_of, actor=actor)
        if invoice.credit_applied_minor:
            tell_of_growth([invoice.customer_id], as_of)
        return invoice
    # First, so that the balance that comes back pays other invoices only.
    settlement.void(invoice, reason=reason, as_of=as_of, actor=actor)
    _reverse_postings(invoice, as_of)
    if invoice.credit_applied_minor:
        back = Entry(
            invoice.customer_id,
            invoice.currency,
            invoice.credit_applied_minor,
            invoice.pk,
            str(invoice),
        )
        move_balances([back], as_of)
    _uncover(invoice, as_of)
    _take_back(invoice, corrections, as_of)
    return invoice


def void_ordered(invoice: Invoice, *, reason: str, as_of: date, actor: str) -> None:
    """Declare that what is only ordered never counted; its row and its customer are locked.

    What the balance had kept for it is free again, and nobody is told: the caller may need it.
    """
    settlement.void(invoice, reason=reason, as_of=as_of, actor=actor)
    _reverse_postings(invoice, as_of)
    _uncover(invoice, as_of)


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
    _unbill_one_offs(invoice)
    _give_back_coupons(invoice)


def _give_back_coupons(invoice: Invoice) -> None:
    """Let coupons that a voided invoice has spent take effect again, if nobody has them again."""
    had = CouponRedemption.objects.filter(is_spent=False, removed_on=None)
    fixed = CouponRedemption.objects.filter(fixed_by=invoice.pk, removed_on=None)
    for spent in fixed:
        same = {"coupon": spent.coupon_id, "customer": spent.customer_id}
        again = had.filter(**same, subscription=spent.subscription_id).exclude(pk=spent.pk)
        if not again.exists():
            spent.is_spent, spent.expires_on, spent.fixed_by = False, None, None
            spent.save(update_fields=["is_spent", "expires_on", "fixed_by"])


def _unbill_one_offs(invoice: Invoice) -> None:
    """Let what a voided invoice billed once wait again; what is to come is for who stays."""
    billed = list(OneOffItem.objects.filter(line__invoice=invoice).values_list("pk", flat=True))
    waiting = OneOffItem.objects.filter(pk__in=billed)
    waiting.update(line=None)
    if invoice.customer.merged_into_id is not None:
        waiting.update(customer=invoice.customer.merged_into_id)


def _take_back(invoice: Invoice, corrections: Sequence[InvoiceLine], as_of: date) -> None:
    """Let the next bill charge what other invoices gave back of a voided one.

    Those are issued and stay as they are, so a new document corrects them (2006/112/EC art. 219).
    """
    with translation.override(invoice.language):
        OneOffItem.objects.bulk_create(
            OneOffItem(
                seller=invoice.seller,
                customer=staying_of(invoice.customer),
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
            "%(what)s: credited on invoice %(number)s for invoice %(voided)s, which is void",
        )
        % said
    )
