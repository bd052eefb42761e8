"""Earning what was billed ahead: by day, posted once a month."""

from datetime import date, timedelta

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest

from billing.events.troubles import Watch
from billing.invoicing.models import Invoice
from billing.ledger.actions import Books, between, post
from billing.ledger.models import Account, Transfer
from customers.models import Seller


@transaction.atomic
def recognize(seller: Seller, *, as_of: date) -> int:
    """Post the revenue that months completed by ``as_of`` have earned; the transfers written.

    One transfer per revenue account, currency and run: all that the documents say is earned by
    the end of the last completed month, straight line by day (IFRS 15, BFNAR 2012:1 chapter 23),
    less all that was posted before. So a second run adds nothing, closed months are never
    rewritten, and what was voided or credited since comes back in the open month. Months of which
    all is posted are noted, so that :func:`recognized_until` need not look for them.
    """
    Seller.objects.select_for_update().get(pk=seller.pk)
    books = Books(seller)
    deferred = books.account(Account.Role.DEFERRED_REVENUE)
    end = as_of.replace(day=1)
    last_day = end - timedelta(days=1)
    written = done = 0
    watch = Watch("recognize", seller.public_id)
    # What is in no document any more was posted and is not earned.
    earned = dict.fromkeys(_posted_ever(deferred), 0) | _earned(seller, end)
    for (number, currency), earned_minor in sorted(earned.items()):
        with watch.over(f"{seller.public_id} {number} {currency}"), transaction.atomic():
            account = books.revenue(number)
            missing_minor = earned_minor - _posted(deferred, account, currency)
            postings = list(between(deferred, account, missing_minor))
            post(
                seller,
                postings,
                currency=currency,
                effective_on=last_day,
                document=Transfer.Document.RECOGNITION,
                document_id=last_day.year * 100 + last_day.month,
            )
            written += len(postings)
            done += 1
    if done == len(earned):
        Account.objects.filter(pk=deferred).update(
            recognized_until=Greatest(F("recognized_until"), end)
        )
    return written


def recognized_until(seller: Seller) -> date | None:
    """The day before which nothing is left to post, or a seller's first bill; None before that."""
    deferred = Account.objects.filter(seller=seller, role=Account.Role.DEFERRED_REVENUE)
    noted = deferred.values_list("recognized_until", flat=True).first()
    if noted:
        return noted
    issued = Invoice.objects.filter(seller=seller, kind=Invoice.Kind.INVOICE)
    in_order = issued.filter(sequence__isnull=False).order_by("sequence")
    return in_order.values_list("issued_on", flat=True).first()


def _earned(seller: Seller, end: date) -> dict[tuple[str, str], int]:
    """What the deferred lines have earned before ``end``, by revenue account and currency."""
    with connection.cursor() as cursor:
        cursor.execute(_EARNED, {"seller": seller.pk, "end": end})
        return {(number, currency): minor for number, currency, minor in cursor.fetchall()}


def _posted_ever(deferred: int) -> list[tuple[str, str]]:
    """The revenue accounts, by number, and currencies that anything was posted in so far."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT a.number, t.currency FROM ledger_transfer t"
            " JOIN ledger_account a ON a.id = t.credit_account_id"
            " WHERE t.document = 'recognition' AND t.debit_account_id = %s",
            [deferred],
        )
        return cursor.fetchall()


def _posted(deferred: int, account: int, currency: str) -> int:
    """What recognition has moved from one account to the other so far."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(CASE WHEN credit_account_id = %(account)s THEN amount_minor"
            " ELSE -amount_minor END), 0) FROM ledger_transfer"
            " WHERE document = 'recognition' AND currency = %(currency)s"
            " AND (debit_account_id, credit_account_id) IN"
            " ((%(deferred)s, %(account)s), (%(account)s, %(deferred)s))",
            {"deferred": deferred, "account": account, "currency": currency},
        )
        return int(cursor.fetchone()[0])


# Half away from zero in whole numbers, as the engine rounds; the condition is the one by which
# a line was posted to deferred revenue when its document was issued.
_EARNED = """
    SELECT revenue_account, currency, sum(
        CASE WHEN days = of_days THEN sign * net_minor ELSE
        sign * sign(net_minor) * div(2 * abs(net_minor) * days + of_days, 2 * of_days) END
    )::bigint
    FROM (
        SELECT l.revenue_account, i.currency, l.net_minor::numeric AS net_minor,
               CASE WHEN i.kind = 'credit_note' THEN -1 ELSE 1 END AS sign,
               CASE WHEN i.status = 'void' THEN 0
                    ELSE greatest(0, least(l.ends_on, %(end)s::date) - l.starts_on) END AS days,
               l.ends_on - l.starts_on AS of_days
        FROM invoicing_invoiceline l
        JOIN invoicing_invoice i ON i.id = l.invoice_id
        WHERE i.seller_id = %(seller)s AND i.issued_on < %(end)s AND i.sequence IS NOT NULL
          AND l.ends_on > i.issued_on AND CASE WHEN l.corrects_id IS NULL THEN l.kind ELSE
              (SELECT coalesce(o.kind, c.kind) FROM invoicing_invoiceline c
               LEFT JOIN invoicing_invoiceline o ON o.id = c.corrects_id
               WHERE c.id = l.corrects_id)
              END = 'recurring'
    ) AS deferred
    GROUP BY revenue_account, currency
"""
