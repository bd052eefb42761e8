"""Late debts, and the access that they leave."""

from collections.abc import Iterator

from billing.verification.rows import rows_of


def late_debts_follow_their_invoices() -> Iterator[str]:
    """A case that goes on is of an invoice that is owed, and has taken each step once."""
    for case, number, what in rows_of(_CASES):
        yield f"Case {case} of invoice {number} {what}."


def access_is_what_late_debts_leave() -> Iterator[str]:
    """A subscription's access is the least that any late debt for it leaves, and full without."""
    for subscription, access, left in rows_of(_ACCESS):
        yield f"Subscription {subscription} has access {access}, its late debts leave {left}."


# What was written off by hand is noticed by the next sweep; all else closes its case at once.
_CASES = """
    WITH taken AS (
        SELECT case_id, count(*) AS steps, count(DISTINCT step_id) AS kinds,
               bool_or(kind = 'cancel' OR kind IN ('restrict', 'suspend') AND outcome = '')
                   AS is_limited
        FROM dunning_dunningaction GROUP BY 1
    ), checked AS (
        SELECT k.id, k.public_id, d.number, concat_ws(' and ',
            CASE WHEN t.steps > t.kinds THEN 'has taken a step twice' END,
            CASE WHEN k.access <> 'full' AND NOT COALESCE(t.is_limited, false)
                 THEN 'limits access without such a step' END,
            CASE WHEN k.access <> 'full' AND k.status IN ('recovered', 'stopped')
                 THEN 'is ' || k.status || ' and limits access' END,
            CASE WHEN k.status = 'open' AND (d.status IN ('paid', 'void') OR d.kind <> 'invoice')
                 THEN 'is open though nothing is owed' END,
            CASE WHEN k.seller_id <> d.seller_id OR k.customer_id <> d.customer_id
                 THEN 'is another customer''s' END) AS what
        FROM dunning_dunningcase k
        JOIN invoicing_invoice d ON d.id = k.invoice_id
        LEFT JOIN taken t ON t.case_id = k.id
    )
    SELECT public_id, number, what FROM checked WHERE what <> '' ORDER BY id
"""
# What has ended or not begun has no access that a debt could take.
_ACCESS = """
    WITH demands AS (
        SELECT DISTINCT l.subscription_id, k.access
        FROM dunning_dunningcase k
        JOIN invoicing_invoiceline l ON l.invoice_id = k.invoice_id
        WHERE k.status IN ('open', 'exhausted') AND k.access <> 'full'
          AND l.subscription_id IS NOT NULL
    ), wanted AS (
        SELECT subscription_id,
               CASE WHEN bool_or(access = 'none') THEN 'none' ELSE 'restricted' END AS access
        FROM demands GROUP BY 1
    )
    SELECT s.public_id, s.access, COALESCE(w.access, 'full')
    FROM subscriptions_subscription s LEFT JOIN wanted w ON w.subscription_id = s.id
    WHERE s.status NOT IN ('ended', 'incomplete') AND s.access <> COALESCE(w.access, 'full')
    ORDER BY s.id
"""
