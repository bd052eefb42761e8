"""Coverage: each day billed once, and no more given back than was billed."""

from collections.abc import Iterator

from billing.verification.rows import money, rows_of


def coverage_is_within_its_line() -> Iterator[str]:
    """Coverage lies inside its line's days, on its item, and gives back no more than was billed."""
    for number, position, what in rows_of(_COVERAGE):
        yield f"Document {number}, line {position}: {what}."


def no_day_is_billed_twice() -> Iterator[str]:
    """No item is billed twice for a day of one kind, whether or not the constraint is there."""
    for subscription, key, line, other, day in rows_of(_BILLED_TWICE):
        yield (
            f"Subscription {subscription}: {key} is billed twice from {day or 'the start'}, "
            f"by lines {other} and {line}."
        )


def charges_have_coverage() -> Iterator[str]:
    """Every charge of a subscription covers its days, and nothing that was voided covers any."""
    for number, position, is_void in rows_of(_UNCOVERED):
        what = "covers days though it is void" if is_void else "is a charge without coverage"
        yield f"Document {number}, line {position} {what}."


def credits_of_void_invoices_are_taken_back() -> Iterator[str]:
    """What a document gave back of an invoice that is void now is charged, or waits to be."""
    for number, position, voided, currency, credit in rows_of(_NOT_TAKEN_BACK):
        yield (
            f"Document {number}, line {position} gives {money(credit, currency)} back of "
            f"invoice {voided}, which is void, and nothing takes that back."
        )


def lines_give_back_no_more_than_they_billed() -> Iterator[str]:
    """All corrections of a line together stay within its amount after discount."""
    for number, position, currency, billed, given_back in rows_of(_GIVEN_BACK):
        yield (
            f"Document {number}, line {position} billed {money(billed, currency)}, and "
            f"{money(given_back, currency)} of it was given back."
        )


# What is bought once (kind 3) covers all days that there are, so that it cannot be billed again.
_COVERAGE = """
    WITH checked AS (
        SELECT d.id, d.number, l.position, concat_ws(', ',
            CASE WHEN c.credited_minor > c.billed_minor OR c.credited_minor < 0
                 THEN 'more is given back than was billed' END,
            CASE WHEN c.kind <> 3
                  AND NOT c.days <@ datemultirange(daterange(c.starts_on, c.ends_on))
                 THEN 'the days covered are not days of the line' END,
            CASE WHEN NOT c.again_days <@ datemultirange(daterange(c.starts_on, c.ends_on)) - c.days
                 THEN 'days stand again that were not given back' END,
            CASE WHEN c.starts_on IS DISTINCT FROM l.starts_on
                   OR c.ends_on IS DISTINCT FROM l.ends_on
                 THEN 'line and coverage tell different days' END,
            CASE WHEN i.subscription_id <> c.subscription_id
                   OR again.subscription_id <> c.subscription_id
                   OR l.subscription_id IS DISTINCT FROM c.subscription_id
                 THEN 'line, item and coverage are of different subscriptions' END) AS what
        FROM invoicing_coverage c
        JOIN invoicing_invoiceline l ON l.id = c.line_id
        JOIN invoicing_invoice d ON d.id = l.invoice_id
        JOIN subscriptions_subscriptionitem i ON i.id = c.item_id
        LEFT JOIN subscriptions_subscriptionitem again ON again.id = c.again_for_id
    )
    SELECT number, position, what FROM checked WHERE what <> '' ORDER BY id, position
"""
# Each span against the furthest end before it: one sort, however many rows an item has.
_BILLED_TWICE = """
    WITH billed AS (
        SELECT c.item_id, c.kind, c.part, c.line_id,
               COALESCE(lower(span), '-infinity') AS start,
               COALESCE(upper(span), 'infinity') AS stop
        FROM invoicing_coverage c, unnest(c.days) AS spans (span)
    ), ordered AS (
        SELECT *, max(stop) OVER earlier AS reached, lag(line_id) OVER by_start AS other
        FROM billed
        WINDOW by_start AS (PARTITION BY item_id, kind, part ORDER BY start, stop, line_id),
               earlier AS (by_start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    SELECT s.public_id, i.key, o.line_id, o.other,
           CASE WHEN isfinite(o.start) THEN o.start::text END
    FROM ordered o
    JOIN subscriptions_subscriptionitem i ON i.id = o.item_id
    JOIN subscriptions_subscription s ON s.id = i.subscription_id
    WHERE o.start < o.reached
    ORDER BY o.line_id
"""
_UNCOVERED = """
    SELECT d.number, l.position, d.status = 'void'
    FROM invoicing_invoiceline l
    JOIN invoicing_invoice d ON d.id = l.invoice_id
    LEFT JOIN invoicing_coverage c ON c.line_id = l.id
    WHERE CASE WHEN d.status = 'void' THEN c.line_id IS NOT NULL
               ELSE c.line_id IS NULL AND d.status <> 'draft'
                AND l.kind IN ('recurring', 'usage', 'minimum') END
    ORDER BY d.id, l.position
"""
# On a credit note a line says what the customer gets, on an invoice what the customer pays. What
# turns a credit round on a note gives back so much less of what that credit was about.
_GIVEN_BACK = """
    WITH given AS (
        SELECT l.corrects_id, CASE WHEN d.kind = 'credit_note' THEN 1 ELSE -1 END
                   * (l.amount_minor - l.discount_minor) AS minor
        FROM invoicing_invoiceline l JOIN invoicing_invoice d ON d.id = l.invoice_id
        WHERE l.corrects_id IS NOT NULL AND d.status <> 'void'
        UNION ALL
        SELECT c.corrects_id, l.amount_minor - l.discount_minor
        FROM invoicing_invoiceline l
        JOIN invoicing_invoice d ON d.id = l.invoice_id AND d.kind = 'credit_note'
        JOIN invoicing_invoiceline c ON c.id = l.corrects_id
        WHERE c.corrects_id IS NOT NULL
    )
    SELECT d.number, l.position, d.currency, l.amount_minor - l.discount_minor, g.given_back
    FROM (SELECT corrects_id, sum(minor) AS given_back FROM given GROUP BY 1) g
    JOIN invoicing_invoiceline l ON l.id = g.corrects_id
    JOIN invoicing_invoice d ON d.id = l.invoice_id
    WHERE g.given_back > abs(l.amount_minor - l.discount_minor)
    ORDER BY d.id, l.position
"""
_NOT_TAKEN_BACK = """
    SELECT d.number, l.position, v.number, d.currency, l.amount_minor - l.discount_minor
    FROM invoicing_invoiceline b
    JOIN invoicing_invoice v ON v.id = b.invoice_id AND v.status = 'void'
    JOIN invoicing_invoiceline l ON l.corrects_id = b.id
    JOIN invoicing_invoice d ON d.id = l.invoice_id AND d.status <> 'void'
    LEFT JOIN invoicing_oneoffitem o ON o.reverses_id = l.id
    WHERE b.net_minor > 0
      AND (d.kind = 'credit_note'
           OR o.amount_minor IS DISTINCT FROM l.discount_minor - l.amount_minor)
    ORDER BY d.id, l.position
"""
