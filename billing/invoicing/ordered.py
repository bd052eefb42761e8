"""What is only ordered becomes a document as soon as somebody pays for it.

Until then its row has no number, nothing of it is in the books, and no event tells of it. What it
says that the balance pays is kept for it (:func:`billing.invoicing.balances.free_balances`).
"""

from collections.abc import Sequence
from datetime import date

from django.db.models import Sum

from billing.events.recorder import record_for
from billing.invoicing.balances import Entry, move_balances
from billing.invoicing.models import WRITTEN_AS_NUMBERED, Invoice
from billing.invoicing.numbering import reference_of, take_ordered_numbers, told_of_issue
from billing.invoicing.postings import booked_of, charges_of, post_of_invoice
from billing.invoicing.settled import By
from billing.ledger.actions import Books, between
from billing.ledger.models import Account
from customers.models import Seller


def issue_ordered(
    seller: Seller,
    documents: Sequence[Invoice],
    *,
    as_of: date,
    actor: str,
) -> None:
    """Number and book documents that were only ordered until now, and tell that they are issued.

    They bear today's date, and what they charge is booked on it: the month in which they were
    ordered may be reported. Their rows are locked, and their customers. The seller was ready when
    they were ordered; what it lacks since holds back no money that has come. Raises ``Held`` while
    no numbers are given.
    """
    for kind in Invoice.Kind.values:
        waiting = [each for each in documents if each.kind == kind and each.sequence is None]
        taken = take_ordered_numbers(seller, kind, len(waiting)) if waiting else []
        for document, (sequence, number) in zip(waiting, taken, strict=True):
            document.sequence, document.number = sequence, number
            document.reference = reference_of(kind, sequence)
            document.issued_on = max(document.issued_on, as_of)
            document.due_on = max(document.due_on, document.issued_on)
            document.save(update_fields=[*WRITTEN_AS_NUMBERED])
            if kind == Invoice.Kind.INVOICE:
                _book(document, Books(seller), as_of)
            _tell(document, as_of, actor)


def _book(invoice: Invoice, books: Books, as_of: date) -> None:
    """Post what an invoice charges, and draw on the balance what was kept there for it.

    What is posted and drawn already, as it was for orders once, is not a second time.
    """
    receivable = books.account(Account.Role.RECEIVABLE)
    balance = books.account(Account.Role.CUSTOMER_BALANCE)
    charges, booked = charges_of(invoice, books), booked_of(invoice, books)
    drawn_minor = booked.pop(balance, 0) + invoice.credit_applied_minor
    missing = {
        account: charges.get(account, 0) - booked.get(account, 0) for account in charges | booked
    }
    postings = [
        posting
        for account, minor in missing.items()
        for posting in between(receivable, account, minor)
    ]
    postings += between(balance, receivable, drawn_minor)
    post_of_invoice(invoice, postings, invoice.issued_on)
    if kept_minor := kept_minor_of(invoice):
        entry = Entry(invoice.customer_id, invoice.currency, -kept_minor, invoice.pk, str(invoice))
        move_balances([entry], as_of)


def kept_minor_of(invoice: Invoice) -> int:
    """What a balance keeps for an invoice that is only ordered, which draws it as it is issued."""
    moved: int = invoice.balance_entries.aggregate(minor=Sum("amount_minor"))["minor"] or 0
    return invoice.credit_applied_minor + moved


def _tell(document: Invoice, as_of: date, actor: str) -> None:
    type, data = told_of_issue(
        document.kind,
        number=str(document),
        customer=document.customer.public_id,
        currency=document.currency,
        total_minor=document.total_minor,
    )
    record_for(type, document, as_of, actor, **data)
    if document.credit_applied_minor and not document.amount_due_minor:
        record_for("invoice.paid", document, as_of, actor, number=document.number, by=By.BALANCE)
