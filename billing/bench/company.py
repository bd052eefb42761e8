"""The company that is measured, in a database of its own on the operator's server."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any

from django.core.management import call_command
from django.db import connection

from billing.usage.models import Meter
from catalog.models import Plan, Price, Product
from customers.models import Seller

DATABASE = "kvitt_bench"
FIRST_BILL, RENEWAL, NEXT_RENEWAL = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)


@contextmanager
def in_own_database() -> Iterator[None]:
    """Work in a migrated database of the bench's own, on the same server, and drop it after."""
    operators = connection.settings_dict["NAME"]
    execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
    try:
        _go_to(DATABASE)
        # In a process of its own, because what is measured is forked and begins with our memory.
        in_a_process(partial(call_command, "migrate", verbosity=0))
        yield
    finally:
        _go_to(operators)
        execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def _go_to(database: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = database


def execute(statement: str, parameters: Any = None) -> None:
    """Send one statement to the bench's database."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def settle() -> None:
    """Bring statistics and dirty pages in order, so that a round does not pay for the one before.

    A table's garbage is left as it is, as in any day's work.
    """
    execute("ANALYZE")
    execute("CHECKPOINT")


def make_seller(count: int, *, name: str, starts_on: date = FIRST_BILL) -> Seller:
    """A test seller and so many customers, each with one subscription due on its first day.

    The rows are made inside the database: the memory that this takes does not grow with them.
    """
    seller = Seller.objects.create(name=name, tax=[{"category": "S", "rate": "25"}])
    product = Product.objects.create(seller=seller, name="Bench")
    plan = Plan.objects.create(seller=seller, product=product, code="bench", name="Bench")
    Meter.objects.create(seller=seller, code="calls")
    flat = Price.objects.create(
        plan=plan, code="base", currency="SEK", amount=99, position=0, is_used=True
    )
    metered = Price.objects.create(
        plan=plan,
        code="calls",
        currency="SEK",
        model=Price.Model.PER_UNIT,
        billing=Price.Billing.IN_ARREARS,
        amount="0.25",
        meter="calls",
        position=1,
        is_used=True,
    )
    values = {
        "seller": seller.pk,
        "plan": plan.pk,
        "count": count,
        "day": starts_on,
        "flat": flat.pk,
        "metered": metered.pk,
    }
    for statement in _BASE:
        execute(statement, values)
    return seller


_BASE = (
    """
    INSERT INTO customers_customer (public_id, seller_id, name, email, is_business, country,
        language, vat_number, organisation_number, net_terms_days, collection, delivery,
        is_consolidated, metadata, address_line1, address_line2, postal_code, city)
    SELECT 'cus_' || substr(md5(%(seller)s || '-' || n), 1, 24), %(seller)s, 'Åsa Öberg ' || n,
        'asa' || n || '@example.com', false, 'SE', 'sv', '', '', 14, 'automatic', 'email', true,
        '{}', 'Storgatan ' || n %% 100, '', '411 36', 'Göteborg'
    FROM generate_series(1, %(count)s) n
    """,
    """
    INSERT INTO subscriptions_subscription (public_id, seller_id, customer_id, plan_id, currency,
        time_zone, status, access, starts_on, paid_from, quantities, is_unused_credited_at_end,
        is_unused_refunded_at_end, is_final_usage_billed, is_trial_usage_billed, next_bill_on,
        parked_reason, metadata)
    SELECT 'sub_' || substr(public_id, 5), seller_id, id, %(plan)s, 'SEK', 'Europe/Stockholm',
        'active', 'full', %(day)s, %(day)s, '{}', false, false, true, false, %(day)s, '', '{}'
    FROM customers_customer WHERE seller_id = %(seller)s ORDER BY id
    """,
    """
    INSERT INTO subscriptions_subscriptionitem (subscription_id, price_id, key, quantity, position,
        starts_on, keeps_paid)
    SELECT s.id, p.id, p.code, 1, p.position, s.starts_on, false
    FROM subscriptions_subscription s CROSS JOIN catalog_price p
    WHERE s.seller_id = %(seller)s AND p.id IN (%(flat)s, %(metered)s) ORDER BY s.id, p.position
    """,
    """
    INSERT INTO subscriptions_billingcycle (subscription_id, starts_on, interval_unit,
        interval_count, anchor_on, anchor_day)
    SELECT id, starts_on, 'month', 1, starts_on, 1
    FROM subscriptions_subscription WHERE seller_id = %(seller)s ORDER BY id
    """,
)


def record_usage(seller: Seller, on: date) -> None:
    """One record of 1 to 100 calls on a day for each of the seller's subscriptions."""
    execute(
        """
        INSERT INTO usage_usagerecord (subscription_id, meter_id, at, "on", quantity, value,
            "distinct", properties)
        SELECT s.id, m.id, %(on)s::date + interval '12 hours', %(on)s::date, 1 + s.id %% 100,
            1 + s.id %% 100, '', '{}'
        FROM subscriptions_subscription s JOIN usage_meter m ON m.seller_id = s.seller_id
        WHERE s.seller_id = %(seller)s ORDER BY s.id
        """,
        {"seller": seller.pk, "on": on},
    )


def in_a_process[Found](work: Callable[[], Found]) -> Found:
    """What some work answers, done by a process of its own: its memory is only its own."""
    connection.close()
    here = multiprocessing.get_context("fork")
    answers = here.SimpleQueue()

    def run() -> None:
        answers.put(work())
        connection.close()

    child = here.Process(target=run)
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(f"A measured process ended with exit status {child.exitcode}.")
    found: Found = answers.get()
    return found


def count_statements() -> list[int]:
    """Count from now on what this connection sends, COPY too; the count is the list's one number.

    BEGIN and COMMIT go past a cursor and are not counted.
    """
    counted = [0]
    raw: Any = connection.connection

    def count(execute: Any, *asked: Any) -> Any:
        counted[0] += connection.connection is raw
        return execute(*asked)

    class CountingCursor(raw.cursor_factory):
        def copy(self, *args: Any, **kwargs: Any) -> Any:
            counted[0] += 1
            return super().copy(*args, **kwargs)

    raw.cursor_factory = CountingCursor
    connection.execute_wrappers.append(count)
    return counted
