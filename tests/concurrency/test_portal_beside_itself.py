"""Two of the same at once: a form that is sent by two threads, and attempts that are counted."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier

import pytest
from django.db import connection

from billing.engine.errors import Refused
from billing.invoicing.changes import bill_after
from billing.subscriptions import actions
from customers.models import Customer
from portal.limits import may_try, once
from portal.models import Attempt
from tests.factories import DAY, CustomerFactory, SellerFactory, make_accounts
from tests.portal.doors import plan_of

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
THREADS = 6


def at_once(do: object, count: int = THREADS) -> list[object]:
    """What a call answers, or the code it is refused with, in so many threads at the same time."""
    barrier = Barrier(count)

    def call(_: int) -> object:
        barrier.wait()
        try:
            return do()  # type: ignore[operator]
        except Refused as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def test_a_form_that_is_sent_by_several_at_once_works_once() -> None:
    seller = SellerFactory(tax=[])
    make_accounts(seller)
    customer: Customer = CustomerFactory(seller=seller)
    start = partial(actions.start, customer, plan_of(seller, "100"), as_of=DAY, actor="test")
    bill = partial(bill_after, start, as_of=DAY, actor="test")
    answers = at_once(lambda: once(customer, "a" * 24, bill, now=NOW))
    assert answers.count("form_already_sent") == THREADS - 1
    assert customer.subscriptions.count() == customer.documents.count() == 1


def test_attempts_at_once_are_each_counted() -> None:
    ask = partial(
        may_try, Attempt.Kind.NETWORK, "192.0.2.1", times=4, within=timedelta(hours=1), now=NOW
    )
    assert sorted(at_once(ask)) == [False, False, True, True, True, True]  # type: ignore[type-var]
    assert Attempt.objects.count() == 4
