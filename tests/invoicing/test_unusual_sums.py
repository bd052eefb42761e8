"""Sums that a slip of the keyboard makes: asked again, bounded, and taken back where they stand."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from billing.engine.ceilings import most_minor, usual_minor
from billing.engine.errors import BillingError
from billing.events.models import Event
from billing.invoicing.actions import add_one_off, bill_customer
from billing.invoicing.balances import balance_of, give_credit, take_back_credit
from billing.invoicing.corrections import credit
from billing.invoicing.models import BalanceEntry, Invoice, OneOffItem
from billing.ledger.models import Account, Transfer
from billing.payments.booking import record_payment
from billing.verification.books import broken_invariants
from customers.models import Customer
from tests.factories import DAY, CustomerFactory, SellerFactory, make_accounts

pytestmark = pytest.mark.django_db
BY_ANNA: Any = {"as_of": DAY, "actor": "user:anna"}
USUAL = usual_minor("SEK")


@pytest.fixture
def customer() -> Customer:
    seller = SellerFactory(tax=[])
    make_accounts(seller)
    return CustomerFactory(seller=seller)


def give(customer: Customer, amount_minor: int, currency: str = "SEK", **more: Any) -> Any:
    return give_credit(
        customer,
        currency=currency,
        amount_minor=amount_minor,
        description="Sorry",
        **BY_ANNA | more,
    )


def add(customer: Customer, amount_minor: int, currency: str = "SEK", **more: Any) -> OneOffItem:
    return add_one_off(
        customer, currency=currency, amount_minor=amount_minor, description="Mug", **BY_ANNA | more
    )


def owe(customer: Customer, amount_minor: int) -> Invoice:
    item = add(customer, amount_minor, is_confirmed=True)
    [invoice] = bill_customer(customer, one_offs=[item], **BY_ANNA)
    return invoice


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(BillingError) as refused:
        work()
    return refused.value.code


@pytest.mark.parametrize("act", [give, add])
def test_a_sum_above_what_is_usual_is_asked_again(act: Any, customer: Customer) -> None:
    act(customer, USUAL)
    assert code_of(lambda: act(customer, USUAL + 1)) == "unusual_amount"
    act(customer, USUAL + 1, is_confirmed=True)


@pytest.mark.parametrize("act", [give, add])
@pytest.mark.parametrize("currency", ["SEK", "EUR", "JPY"])
def test_no_sum_is_beyond_the_bound_of_its_currency(act: Any, currency: str) -> None:
    customer = CustomerFactory(seller=SellerFactory(currency=currency, tax=[]))
    most = most_minor(currency)
    for is_confirmed in (True, False):
        refused = lambda ok=is_confirmed: act(customer, most + 1, currency, is_confirmed=ok)  # noqa: E731
        assert code_of(refused) == "amount_too_large"
    act(customer, most, currency, is_confirmed=True)


def test_bounds_follow_what_a_currency_is_worth() -> None:
    assert [usual_minor(code) for code in ("SEK", "EUR", "JPY", "KWD")] == [
        1_000_000,
        100_000,
        100_000,
        1_000_000,
    ]


def test_a_customer_who_is_billed_such_sums_is_not_asked_about_them(customer: Customer) -> None:
    owe(customer, 3 * USUAL)
    give(customer, 3 * USUAL)
    assert code_of(lambda: give(customer, 3 * USUAL + 1)) == "unusual_amount"


@pytest.mark.parametrize("act", [give, add])
@pytest.mark.parametrize("currency", ["AFN", "EUR", "USD"])
def test_a_currency_that_the_customer_has_nothing_in_is_refused(
    act: Any, currency: str, customer: Customer
) -> None:
    assert code_of(lambda: act(customer, 100, currency)) == "currency_not_used"
    assert not OneOffItem.objects.exists() and not BalanceEntry.objects.exists()


def test_a_credit_of_everything_or_of_much_is_asked_again(customer: Customer) -> None:
    invoice = owe(customer, 3 * USUAL)
    unsure: Any = BY_ANNA | {"is_confirmed": False}
    assert code_of(lambda: credit(invoice, **unsure)) == "credits_everything"
    assert code_of(lambda: credit(invoice, amount_minor=2 * USUAL, **unsure)) == "unusual_amount"
    assert credit(invoice, amount_minor=100, **unsure).total_minor == 100
    assert credit(invoice, **BY_ANNA).total_minor == 3 * USUAL - 100


@pytest.mark.parametrize(
    ("due", "paid", "is_asked"),
    [(10_000, 20_000, False), (10_000, USUAL + 1, True), (USUAL, 2 * USUAL + 1, True)],
)
def test_a_payment_of_far_more_than_is_due_is_asked_again(
    due: int, paid: int, is_asked: bool, customer: Customer
) -> None:
    invoice = owe(customer, due)
    if is_asked:
        refused = lambda: record_payment(invoice, amount_minor=paid, **BY_ANNA)  # noqa: E731
        assert code_of(refused) == "unusual_amount"
    record_payment(invoice, amount_minor=paid, is_confirmed=True, **BY_ANNA)
    assert balance_of(customer, "SEK") == paid - due


# Taken back


def test_goodwill_that_is_unspent_can_be_taken_back(customer: Customer) -> None:
    entry = give(customer, 5_000)
    taken = take_back_credit(entry, **BY_ANNA)
    assert balance_of(customer, "SEK") == 0
    assert (taken.amount_minor, taken.takes_back) == (-5_000, entry)
    told = Event.objects.get(type="balance.credit_taken_back")
    assert (told.subject, told.data["amount_minor"]) == (customer.public_id, 5_000)
    accounts = Account.objects.filter(role=Account.Role.CUSTOMER_BALANCE)
    booked = Transfer.objects.filter(document="balance").order_by("id")
    assert [one.credit_account in accounts for one in booked] == [True, False]
    assert code_of(lambda: take_back_credit(entry, **BY_ANNA)) == "credit_taken_back"
    assert code_of(lambda: take_back_credit(taken, **BY_ANNA)) == "not_a_given_credit"
    assert broken_invariants() == {}


def test_goodwill_that_has_paid_something_stays(customer: Customer) -> None:
    entry = give(customer, 5_000)
    owe(customer, 1_000)
    assert balance_of(customer, "SEK") == 4_000
    assert code_of(lambda: take_back_credit(entry, **BY_ANNA)) == "credit_spent"


def test_money_that_a_payment_left_is_not_taken_back_as_goodwill(customer: Customer) -> None:
    record_payment(owe(customer, 1_000), amount_minor=1_500, **BY_ANNA)
    entry = BalanceEntry.objects.get()
    assert code_of(lambda: take_back_credit(entry, **BY_ANNA)) == "not_a_given_credit"


def test_two_gifts_of_the_same_sum_are_taken_back_each_once(customer: Customer) -> None:
    first, second = give(customer, 500), give(customer, 500)
    assert first != second
    later: Any = BY_ANNA | {"as_of": DAY + timedelta(days=1)}
    for entry in (first, second):
        take_back_credit(entry, **later)
    assert balance_of(customer, "SEK") == 0
    assert broken_invariants() == {}
