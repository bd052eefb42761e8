"""Money that a customer has with us pays what they owe, before anybody asks for more."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from billing.events.models import Event
from billing.invoicing.actions import add_one_off
from billing.invoicing.balances import balance_of, give_credit
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.models import BalanceEntry, CustomerBalance, Invoice
from billing.invoicing.voiding import void
from billing.ledger.models import Account, Transfer
from billing.payments.booking import record_payment
from billing.payments.charging import fail
from billing.payments.from_balance import settle_debts
from billing.payments.giving_back import reopen
from billing.payments.models import Payment, PaymentAllocation
from billing.payments.planning import plan
from billing.verification.books import broken_invariants
from customers.models import Customer, Seller
from tests.factories import DAY, CustomerFactory, SellerFactory, make_accounts

pytestmark = pytest.mark.django_db
Owe = Callable[..., Invoice]


@pytest.fixture
def seller() -> Seller:
    seller: Seller = SellerFactory(tax=[])
    make_accounts(seller)
    return seller


@pytest.fixture
def customer(seller: Seller) -> Customer:
    customer: Customer = CustomerFactory(seller=seller)
    return customer


@pytest.fixture
def owe(customer: Customer) -> Owe:
    """Bill the customer for something bought once; 100.00 where nothing else is said."""

    def make(amount_minor: int = 10_000, on: date = DAY, currency: str = "SEK") -> Invoice:
        add_one_off(
            customer,
            currency=currency,
            amount_minor=amount_minor,
            description="Beans",
            as_of=on,
            actor="test",
        )
        bill_due(customer.seller, on)
        return Invoice.objects.latest("id")

    return make


def left(*invoices: Invoice) -> list[int]:
    for invoice in invoices:
        invoice.refresh_from_db()
    return [invoice.left_minor for invoice in invoices]


def give(customer: Customer, amount_minor: int, currency: str = "SEK") -> None:
    give_credit(
        customer,
        currency=currency,
        amount_minor=amount_minor,
        description="Sorry",
        as_of=DAY,
        actor="test",
    )


def booked(role: str) -> int:
    """What an account of the books holds, as a debit."""
    account = Account.objects.get(role=role)
    debits = Transfer.objects.filter(debit_account=account).values_list("amount_minor", flat=True)
    credits = Transfer.objects.filter(credit_account=account).values_list("amount_minor", flat=True)
    return sum(debits) - sum(credits)


def test_what_is_paid_too_much_pays_the_oldest_debt_first(customer: Customer, owe: Owe) -> None:
    later, older, paid = owe(), owe(), owe()
    Invoice.objects.filter(pk=older.pk)
    with_terms = DAY + timedelta(days=5)
    newest = owe(on=with_terms)
    # 100.00 for the invoice, 150.00 over: the oldest is settled, and half of the next.
    record_payment(paid, as_of=with_terms, actor="test", amount_minor=25_000)
    assert left(paid, later, older, newest) == [0, 0, 5_000, 10_000]
    assert balance_of(customer, "SEK") == 0
    later.refresh_from_db()
    assert (later.status, later.closed_on, later.paid_minor) == ("paid", with_terms, 0)
    assert (later.credited_minor, later.from_balance_minor) == (10_000, 10_000)
    assert booked("receivable") == 15_000
    assert booked("customer_balance") == 0
    assert broken_invariants() == {}


def test_each_use_of_the_balance_is_entered_and_told(customer: Customer, owe: Owe) -> None:
    first, second = owe(), owe()
    give(customer, 12_000)
    entries = BalanceEntry.objects.order_by("id").values_list("amount_minor", "invoice")
    assert list(entries) == [(12_000, None), (-10_000, first.pk), (-2_000, second.pk)]
    told = Event.objects.filter(type="invoice.balance_applied").order_by("id")
    assert [(event.subject, event.data["amount_minor"]) for event in told] == [
        (first.public_id, 10_000),
        (second.public_id, 2_000),
    ]
    paid = Event.objects.filter(type="invoice.paid").values_list("subject", flat=True)
    assert list(paid) == [first.public_id]


def test_a_credit_note_on_a_paid_invoice_pays_another_that_is_open(
    customer: Customer, owe: Owe
) -> None:
    paid, open_one = owe(), owe()
    record_payment(paid, as_of=DAY, actor="test")
    credit(paid, as_of=DAY, actor="test", amount_minor=4_000)
    assert left(open_one) == [6_000]
    assert balance_of(customer, "SEK") == 0
    assert broken_invariants() == {}


def test_what_is_taken_off_waits_for_the_next_bill_and_is_no_balance(
    customer: Customer, owe: Owe
) -> None:
    open_one = owe()
    owe(-3_000)
    assert left(open_one) == [10_000]
    assert left(open_one, owe(5_000)) == [10_000, 2_000]
    assert balance_of(customer, "SEK") == 0
    assert broken_invariants() == {}


def test_a_voided_invoice_gives_back_what_pays_the_next(customer: Customer, owe: Owe) -> None:
    give(customer, 4_000)
    wrong, open_one = owe(), owe()
    assert left(wrong, open_one) == [6_000, 10_000]
    void(wrong, as_of=DAY, actor="test")
    assert left(open_one) == [6_000]
    assert broken_invariants() == {}


def test_money_of_another_currency_or_customer_pays_nothing(
    seller: Seller, customer: Customer, owe: Owe
) -> None:
    open_one = owe()
    CustomerBalance.objects.create(customer=customer, currency="EUR")
    give(customer, 4_000, "EUR")
    give(CustomerFactory(seller=seller), 4_000)
    assert left(open_one) == [10_000]
    assert balance_of(customer, "EUR") == 4_000


def test_what_was_written_off_or_paid_takes_nothing(customer: Customer, owe: Owe) -> None:
    from billing.invoicing.actions import write_off

    lost, paid = owe(), owe()
    write_off(lost, as_of=DAY, actor="test")
    record_payment(paid, as_of=DAY, actor="test")
    give(customer, 4_000)
    assert balance_of(customer, "SEK") == 4_000
    lost.refresh_from_db()
    assert lost.left_minor == 10_000


def test_an_invoice_whose_payment_is_under_way_waits_for_its_end(
    customer: Customer, owe: Owe
) -> None:
    asked, other = owe(), owe()
    payment = plan(asked, DAY)
    payment.move("created", gateway="sandbox")
    PaymentAllocation.objects.filter(payment=payment).update(state="in_flight")
    give(customer, 13_000)
    assert left(asked, other) == [10_000, 0]
    assert balance_of(customer, "SEK") == 3_000
    fail(payment.pk, "declined", as_of=DAY, actor="test")
    assert left(asked) == [7_000]
    assert balance_of(customer, "SEK") == 0
    assert broken_invariants() == {}


def test_what_is_planned_for_a_debt_that_the_balance_pays_is_let_go(
    customer: Customer, owe: Owe
) -> None:
    first, second = owe(), owe()
    planned = [plan(first, DAY), plan(second, DAY)]
    give(customer, 13_000)
    states = [Payment.objects.get(pk=payment.pk).state for payment in planned]
    assert states == ["canceled", "planned"]


def test_a_second_time_changes_nothing(customer: Customer, owe: Owe) -> None:
    first = owe()
    give(customer, 4_000)
    assert settle_debts([customer.pk], DAY, "test") == 0
    assert left(first) == [6_000]


def test_only_money_that_came_is_paid_back_and_the_rest_is_owed_as_before(
    customer: Customer, owe: Owe
) -> None:
    invoice = owe()
    give(customer, 4_000)
    record_payment(invoice, as_of=DAY, actor="test")
    assert left(invoice) == [0]
    reopen(invoice, as_of=DAY, actor="test")
    assert left(invoice) == [6_000]
    assert broken_invariants() == {}


def test_what_the_balance_pays_is_paid_and_not_credited(customer: Customer, owe: Owe) -> None:
    paid, credited = owe(), owe()
    credit(credited, as_of=DAY, actor="test")
    give(customer, 10_000)
    assert left(paid, credited) == [0, 0]
    assert (paid.is_only_credited, credited.is_only_credited) == (False, True)


def test_crediting_what_the_balance_has_paid_gives_it_back(customer: Customer, owe: Owe) -> None:
    invoice = owe()
    give(customer, 4_000)
    credit(invoice, as_of=DAY, actor="test")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.credited_minor, invoice.from_balance_minor) == (
        "paid",
        10_000,
        4_000,
    )
    assert balance_of(customer, "SEK") == 4_000
    assert broken_invariants() == {}
