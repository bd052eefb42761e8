"""Whatever a customer lives through, and whenever it is merged: a person has what one customer has.

The same story is played twice: by one customer who stays as they are, and by one who is merged
into another in the midst of it. At the end both have the same with us, and both get back the same.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from billing.engine.errors import BillingError
from billing.invoicing import corrections
from billing.invoicing.actions import bill_customer, write_off
from billing.invoicing.balances import balance_of, give_credit
from billing.invoicing.models import Invoice
from billing.invoicing.owed import IS_COLLECTABLE
from billing.merging.actions import merge
from billing.payments.booking import record_payment
from billing.payments.giving_back import mark_paid_back
from billing.payments.models import Payment, Refund
from billing.payments.paying_out import pay_out_balance, payable_out_minor
from billing.payments.returns import mark_returned
from billing.subscriptions import actions as subscriptions
from billing.subscriptions import pausing
from billing.verification.books import broken_invariants
from customers.models import Customer
from customers.persons import person_ids, staying_of
from tests.factories import DAY, CustomerFactory
from tests.merging.conftest import Two, by

pytestmark = pytest.mark.django_db
Deed = tuple[str, int]
DEEDS = (
    *("bill", "pay", "overpay", "credit", "refund", "gift", "pause", "resume", "cancel"),
    *("write_off", "return", "paid_back", "pay_out"),
)


class Person:
    """Who lives through a story: a customer, and whoever was merged with it."""

    def __init__(self, customer: Customer):
        self.customer = customer

    @property
    def staying(self) -> Customer:
        self.customer.refresh_from_db()
        return staying_of(self.customer)

    @property
    def ids(self) -> list[int]:
        return person_ids(self.staying)

    def nth(self, number: int, *conditions: Any, **wanted: Any) -> Invoice | None:
        """One of its invoices, by the order in which it got them."""
        found = list(
            Invoice.objects.filter(
                *conditions, customer__in=self.ids, kind=Invoice.Kind.INVOICE, **wanted
            ).order_by("pk")
        )
        return found[number % len(found)] if found else None

    def live(self, deed: Deed, on: date) -> None:
        """Do one thing, or nothing where it cannot be done."""
        name, number = deed
        try:
            with transaction.atomic():
                getattr(self, f"_{name}")(number, on)
        except BillingError:
            pass

    def _bill(self, number: int, on: date) -> None:
        bill_customer(self.staying, **by(on))

    def _pay(self, number: int, on: date, over_minor: int = 0) -> None:
        if invoice := self.nth(number, IS_COLLECTABLE):
            record_payment(
                invoice,
                amount_minor=invoice.left_minor + over_minor,
                is_confirmed=True,
                **by(on),
            )

    def _overpay(self, number: int, on: date) -> None:
        self._pay(number, on, over_minor=100 * (number + 1))

    def _credit(self, number: int, on: date, to: str = "") -> None:
        if invoice := self.nth(number):
            minor = invoice.total_minor // (number + 2)
            corrections.credit(invoice, amount_minor=minor, to=to, **by(on))

    def _refund(self, number: int, on: date) -> None:
        self._credit(number, on, to=Invoice.CreditTo.REFUND)

    def _gift(self, number: int, on: date) -> None:
        give_credit(
            self.staying,
            currency="SEK",
            amount_minor=500 * (number + 1),
            description="Sorry",
            **by(on),
        )

    def _pause(self, number: int, on: date) -> None:
        subscription = self.staying.subscriptions.get()
        pausing.pause(subscription, unused="credit", **by(on))

    def _resume(self, number: int, on: date) -> None:
        pausing.resume(self.staying.subscriptions.get(), **by(on))

    def _cancel(self, number: int, on: date) -> None:
        subscriptions.cancel(
            self.staying.subscriptions.get(),
            when="now",
            is_credited=True,
            is_refunded=bool(number % 2),
            **by(on),
        )

    def _write_off(self, number: int, on: date) -> None:
        if invoice := self.nth(number, IS_COLLECTABLE):
            write_off(invoice, **by(on))

    def _return(self, number: int, on: date) -> None:
        found = list(Payment.objects.filter(customer__in=self.ids).order_by("pk"))
        if found:
            mark_returned(found[number % len(found)], **by(on))

    def _paid_back(self, number: int, on: date) -> None:
        owed = Refund.objects.filter(payment__customer__in=self.ids, state=Refund.State.OWED)
        if refund := owed.order_by("pk").first():
            mark_paid_back(refund, paid_on=on, **by(on))

    def _pay_out(self, number: int, on: date) -> None:
        pay_out_balance(self.staying, currency="SEK", **by(on))

    def has(self) -> dict[str, int]:
        """What it has with us, what it owes and what it has paid and got back, in minor units."""
        payments = Payment.objects.filter(customer__in=self.ids, state=Payment.State.SUCCEEDED)
        invoices = Invoice.objects.filter(IS_COLLECTABLE, customer__in=self.ids)
        sums = payments.aggregate(paid=Sum("amount_minor"), refunded=Sum("refunded_minor"))
        return {
            "balance": balance_of(self.staying, "SEK"),
            "to pay out": payable_out_minor(self.staying, "SEK"),
            "owes": sum(invoice.left_minor for invoice in invoices),
            "paid": sums["paid"] or 0,
            "refunded": sums["refunded"] or 0,
        }


stories = st.lists(
    st.tuples(st.integers(0, 12), st.tuples(st.sampled_from(DEEDS), st.integers(0, 3))),
    min_size=3,
    max_size=10,
)


@given(stories, st.integers(0, 10))
@example([(0, ("bill", 0)), (0, ("overpay", 1)), (0, ("gift", 0)), (1, ("credit", 0))], 3)
@example([(0, ("bill", 0)), (0, ("pay", 0)), (3, ("cancel", 1)), (0, ("bill", 0))], 2)
@example([(0, ("bill", 0)), (0, ("pay", 0)), (3, ("pause", 0)), (0, ("bill", 0))], 4)
@example(
    [(0, ("bill", 0)), (0, ("pay", 0)), (2, ("return", 0)), (0, ("gift", 3)), (1, ("refund", 0))], 2
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whenever_it_is_merged_a_person_has_what_one_customer_has(
    two: Two, story: Sequence[tuple[int, Deed]], moment: int
) -> None:
    with transaction.atomic():
        alone, merged = (Person(CustomerFactory(seller=two.seller)) for _ in range(2))
        for person in (alone, merged):
            two.start(person.customer)
        on = DAY
        for index, (days, deed) in enumerate(story):
            if index >= moment:
                _merge(two, merged, on)
            on += timedelta(days)
            for person in (alone, merged):
                person.live(deed, on)
        assert broken_invariants() == {}
        _merge(two, merged, on)
        for person in (alone, merged):
            person.live(("pay_out", 0), on)
        assert merged.has() == alone.has()
        assert broken_invariants() == {}
        transaction.set_rollback(True)


def _merge(two: Two, person: Person, on: date) -> None:
    """Merge as soon as nothing stands against it."""
    person.customer.refresh_from_db()
    if person.customer.merged_into is None:
        try:
            merge(person.customer, two.staying, **by(on))
        except BillingError:
            pass
