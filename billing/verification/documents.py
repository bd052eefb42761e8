"""Documents: their numbers, their sums and tax, and how they stand in the books."""

from collections.abc import Iterator

from billing.verification.rows import money, rows_of


def numbers_are_without_gap() -> Iterator[str]:
    """From a series' first document on, every number is there once, and the next one is known."""
    for seller, kind, previous, sequence in rows_of(_GAPS):
        if previous == sequence:
            yield f"{seller}: {kind} number {sequence} is there twice."
        else:
            yield f"{seller}: {kind} numbers {previous + 1} to {sequence - 1} are missing."
    for seller, kind, last, next_number in rows_of(_NEXT_NUMBERS):
        yield f"{seller}: the last {kind} is number {last}, but the next would be {next_number}."


def nothing_live_is_dated_ahead() -> Iterator[str]:
    """No live document and no live payment is of a day that is still to come for the database."""
    for what, name, seller, day in rows_of(_DATED_AHEAD):
        yield f"{seller}: {what} {name} is dated {day}, a day that is still to come."


def documents_add_up() -> Iterator[str]:
    """Subtotal, discount, net, tax, rounding and total are the sums of lines and VAT groups."""
    for number, *_, what in rows_of(_SUMS):
        yield f"Document {number}: {what} not the sum of its lines and VAT groups."


def tax_groups_add_up() -> Iterator[str]:
    """A VAT group's net is that of its lines, and its tax the rate's part of it (BR-CO-17)."""
    for number, category, percent, of_group, of_lines in rows_of(_TAX_GROUPS):
        yield (
            f"Document {number}: the VAT group {category} {percent.normalize():f} % says a net of "
            f"{of_group or 0}, its lines {of_lines or 0} (minor units)."
        )
    for number, category, percent, net, tax in rows_of(_TAX_OF_GROUPS):
        yield (
            f"Document {number}: {tax} is not {percent.normalize():f} % of {net} "
            f"(minor units, VAT group {category})."
        )


def credited_invoices_have_their_rounding_back() -> Iterator[str]:
    """Where notes have given back all of an invoice, they have given back its rounding."""
    for number, currency, rounding, given_back in rows_of(_CREDITED):
        yield (
            f"Invoice {number} was rounded by {money(rounding, currency)} and is credited in full, "
            f"with a rounding of {money(given_back, currency)}."
        )


def documents_are_in_the_books() -> Iterator[str]:
    """Each document's transfers are its net, tax and rounding; a void one's cancel out."""
    for number, status, net, tax, rounding in rows_of(_BOOKED):
        yield (
            f"Document {number} ({status}): its transfers come to net {net}, tax {tax} and "
            f"rounding {rounding} (minor units), which is not what it says."
        )


def what_is_only_ordered_is_not_in_the_books() -> Iterator[str]:
    """A document without a number has moved nothing on any account."""
    for document, account, currency, moved in rows_of(_BOOKED_TOO_EARLY):
        yield (
            f"Document {document} is only ordered, and {money(moved, currency)} of it is booked on "
            f"account {account}."
        )


def documents_have_events() -> Iterator[str]:
    """Each document has its event, and each such event its document."""
    for number in rows_of(_WITHOUT_EVENT):
        yield f"Document {number[0]} was issued without an event."
    for event, type, subject in rows_of(_WITHOUT_DOCUMENT):
        yield f"Event {event} ({type}) tells of {subject}, which is not there."


_GAPS = """
    SELECT s.name, d.kind, d.previous, d.sequence
    FROM (SELECT seller_id, kind, sequence,
                 lag(sequence) OVER (PARTITION BY seller_id, kind ORDER BY sequence) AS previous
          FROM invoicing_invoice WHERE sequence IS NOT NULL) d
    JOIN customers_seller s ON s.id = d.seller_id
    WHERE d.sequence <> d.previous + 1
      AND NOT (d.sequence > d.previous AND d.sequence - d.previous - 1 = (
          SELECT coalesce(sum(g.last - g.first + 1), 0) FROM invoicing_numbergap g
          WHERE g.seller_id = d.seller_id AND g.kind = d.kind
            AND g.first > d.previous AND g.last < d.sequence))
    ORDER BY s.id, d.kind, d.sequence
"""
_NEXT_NUMBERS = """
    SELECT s.name, d.kind, d.last, n.next_number
    FROM (SELECT seller_id, kind, max(sequence) AS last
          FROM invoicing_invoice WHERE sequence IS NOT NULL GROUP BY 1, 2) d
    JOIN customers_seller s ON s.id = d.seller_id
    LEFT JOIN invoicing_numberseries n ON n.seller_id = d.seller_id AND n.kind = d.kind
    WHERE n.next_number IS DISTINCT FROM 1 + greatest(d.last, (
        SELECT max(g.last) FROM invoicing_numbergap g
        WHERE g.seller_id = d.seller_id AND g.kind = d.kind))
    ORDER BY s.id, d.kind
"""
_DATED_AHEAD = """
    WITH live AS (
        SELECT id, name, ((clock_timestamp() + interval '1 minute') AT TIME ZONE time_zone)::date
            AS today
        FROM customers_seller WHERE is_live
    )
    SELECT 'document', d.number, s.name, d.issued_on
    FROM invoicing_invoice d JOIN live s ON s.id = d.seller_id WHERE d.issued_on > s.today
    UNION ALL
    SELECT 'payment', p.public_id, s.name, p.received_on
    FROM payments_payment p JOIN live s ON s.id = p.seller_id WHERE p.received_on > s.today
"""
_SUMS = """
    WITH lines AS (
        SELECT invoice_id,
               sum(amount_minor) FILTER (WHERE kind NOT IN ('discount', 'rounding')) AS subtotal,
               sum(discount_minor) AS discount,
               -sum(amount_minor) FILTER (WHERE kind = 'discount') AS shown_discount,
               sum(amount_minor) FILTER (WHERE kind = 'rounding') AS rounding,
               sum(net_minor) AS net
        FROM invoicing_invoiceline GROUP BY 1
    ), taxes AS (
        SELECT invoice_id, sum(tax_minor) AS tax FROM invoicing_invoicetax GROUP BY 1
    ), checked AS (
        SELECT d.id, COALESCE(d.number, d.public_id) AS number, concat_ws(', ',
            CASE WHEN d.subtotal_minor <> COALESCE(l.subtotal, 0) THEN 'the subtotal is' END,
            CASE WHEN d.discount_minor <> COALESCE(l.discount, 0)
                   OR d.discount_minor <> COALESCE(l.shown_discount, 0)
                 THEN 'the discount is' END,
            CASE WHEN d.net_minor <> COALESCE(l.net, 0) THEN 'the net is' END,
            CASE WHEN d.tax_minor <> COALESCE(t.tax, 0) THEN 'the tax is' END,
            CASE WHEN d.rounding_minor <> COALESCE(l.rounding, 0) THEN 'the rounding is' END,
            CASE WHEN d.total_minor <> d.net_minor + d.tax_minor + d.rounding_minor
                   OR d.amount_due_minor <> d.total_minor - d.credit_applied_minor
                 THEN 'the total is' END) AS what
        FROM invoicing_invoice d
        LEFT JOIN lines l ON l.invoice_id = d.id
        LEFT JOIN taxes t ON t.invoice_id = d.id
    )
    SELECT number, id, what FROM checked WHERE what <> '' ORDER BY id
"""
_TAX_GROUPS = """
    WITH of_groups AS (
        SELECT invoice_id, category, percent, sum(net_minor) AS net
        FROM invoicing_invoicetax GROUP BY 1, 2, 3
    ), of_lines AS (
        SELECT l.invoice_id, COALESCE(r ->> 'category', 'S') AS category,
               (r ->> 'rate')::numeric AS percent, sum(l.net_minor) AS net
        FROM invoicing_invoiceline l, jsonb_array_elements(l.tax) r GROUP BY 1, 2, 3
    )
    SELECT COALESCE(d.number, d.public_id), category, percent, g.net, l.net
    FROM of_groups g FULL JOIN of_lines l USING (invoice_id, category, percent)
    JOIN invoicing_invoice d ON d.id = invoice_id
    WHERE COALESCE(g.net, 0) <> COALESCE(l.net, 0)
    ORDER BY d.id
"""
# Exact where the price excludes its tax. Where it is in the price, or a note was asked for by its
# gross, a unit or two may be missing; the last of several notes takes the tax that is left, and so
# what each of them was rounded by.
_TAX_OF_GROUPS = """
    SELECT COALESCE(d.number, d.public_id), t.category, t.percent, t.net_minor, t.tax_minor
    FROM invoicing_invoicetax t JOIN invoicing_invoice d ON d.id = t.invoice_id
    WHERE t.tax_minor <> round(t.net_minor * t.percent / 100)
      AND abs(t.tax_minor - round(t.net_minor * t.percent / 100)) >
          CASE WHEN d.kind = 'invoice' AND NOT t.is_inclusive THEN 0 ELSE 2 END +
          CASE WHEN d.kind = 'invoice' THEN 0 ELSE (
              SELECT count(DISTINCT other.invoice_id)
              FROM invoicing_invoiceline own
              JOIN invoicing_invoiceline billed ON billed.id = own.corrects_id
              JOIN invoicing_invoiceline beside ON beside.invoice_id = billed.invoice_id
              JOIN invoicing_invoiceline other ON other.corrects_id = beside.id
              WHERE own.invoice_id = d.id AND other.invoice_id <> d.id) END
    ORDER BY d.id
"""
# Each note by itself is rounded by up to half a unit, so several may miss each other's.
_CREDITED = """
    WITH notes AS (
        SELECT n.id, min(o.invoice_id) AS invoice_id
        FROM invoicing_invoice n
        JOIN invoicing_invoiceline l ON l.invoice_id = n.id
         AND l.kind NOT IN ('rounding', 'discount')
        LEFT JOIN invoicing_invoiceline o ON o.id = l.corrects_id
        WHERE n.kind = 'credit_note' GROUP BY 1
        HAVING count(DISTINCT o.invoice_id) = 1 AND count(*) = count(o.id)
    ), sums AS (
        SELECT s.invoice_id, count(*) AS notes, sum(n.net_minor) AS net, sum(n.tax_minor) AS tax,
               sum(n.rounding_minor) AS rounding
        FROM notes s JOIN invoicing_invoice n ON n.id = s.id GROUP BY 1
    )
    SELECT d.number, d.currency, d.rounding_minor, s.rounding
    FROM sums s JOIN invoicing_invoice d ON d.id = s.invoice_id
    WHERE d.net_minor = s.net AND d.tax_minor = s.tax
      AND abs(d.rounding_minor - s.rounding) > 500 * (s.notes - 1)
    ORDER BY d.id
"""
_BOOKED = """
    WITH sides AS (
        SELECT document_id, credit_account_id AS account_id, amount_minor
        FROM ledger_transfer WHERE document = 'invoice'
        UNION ALL
        SELECT document_id, debit_account_id, -amount_minor
        FROM ledger_transfer WHERE document = 'invoice'
    ), booked AS (
        SELECT s.document_id,
               COALESCE(sum(s.amount_minor)
                   FILTER (WHERE a.role IN ('revenue', 'deferred_revenue')), 0) AS net,
               COALESCE(sum(s.amount_minor) FILTER (WHERE a.role = 'vat'), 0) AS tax,
               COALESCE(sum(s.amount_minor) FILTER (WHERE a.role = 'rounding'), 0) AS rounding
        FROM sides s JOIN ledger_account a ON a.id = s.account_id GROUP BY 1
    ), said AS (
        SELECT id, number, public_id, status,
               CASE WHEN status = 'void' OR sequence IS NULL THEN 0
                    WHEN kind = 'invoice' THEN 1 ELSE -1 END AS sign,
               net_minor, tax_minor, rounding_minor
        FROM invoicing_invoice WHERE status <> 'draft'
    )
    SELECT COALESCE(d.number, d.public_id), d.status,
           COALESCE(b.net, 0), COALESCE(b.tax, 0), COALESCE(b.rounding, 0)
    FROM said d LEFT JOIN booked b ON b.document_id = d.id
    WHERE COALESCE(b.net, 0) <> d.sign * d.net_minor
       OR COALESCE(b.tax, 0) <> d.sign * d.tax_minor
       OR COALESCE(b.rounding, 0) <> d.sign * d.rounding_minor
    ORDER BY d.id
"""
_BOOKED_TOO_EARLY = """
    SELECT d.public_id, a.number, d.currency, sum(s.amount_minor)
    FROM invoicing_invoice d, LATERAL (
        SELECT debit_account_id AS account_id, amount_minor FROM ledger_transfer
        WHERE document = 'invoice' AND document_id = d.id
        UNION ALL
        SELECT credit_account_id, -amount_minor FROM ledger_transfer
        WHERE document = 'invoice' AND document_id = d.id
    ) s JOIN ledger_account a ON a.id = s.account_id
    WHERE d.sequence IS NULL AND d.status <> 'draft'
    GROUP BY d.id, d.public_id, a.number, d.currency HAVING sum(s.amount_minor) <> 0
    ORDER BY d.id, a.number
"""
_WITHOUT_EVENT = """
    SELECT COALESCE(d.number, d.public_id) FROM invoicing_invoice d
    WHERE d.status <> 'draft' AND NOT EXISTS (
        SELECT 1 FROM events_event e
        WHERE e.subject = d.public_id AND e.type IN ('invoice.finalized', 'credit_note.issued'))
      -- What is only ordered, or was never paid, has neither number nor event.
      AND NOT (d.number IS NULL AND EXISTS (
          SELECT 1 FROM payments_order o
          WHERE o.invoice_id = d.id AND o.status IN ('placed', 'expired')))
    ORDER BY d.id
"""
_WITHOUT_DOCUMENT = """
    SELECT e.public_id, e.type, e.subject FROM events_event e
    WHERE e.type IN ('invoice.finalized', 'credit_note.issued') AND NOT EXISTS (
        SELECT 1 FROM invoicing_invoice d WHERE d.public_id = e.subject)
    ORDER BY e.id
"""
