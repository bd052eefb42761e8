"""Small differences are rounding, late money takes losses back, and one payment may settle many."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from billing.engine.errors import BillingError
from billing.invoicing.actions import add_one_off, bill_customer, write_off
from billing.invoicing.balances import balance_of
from billing.invoicing.corrections import credit
from billing.invoicing.documents import document_in_words
from billing.invoicing.models import Invoice
from billing.ledger.models import Account, Transfer
from billing.payments.booking import record_payment, record_payment_of_many
from billing.payments.giving_back import reopen
from billing.payments.models import Payment
from billing.verification.books import broken_invariants
from customers.models import Customer
from portal.words import state_of_invoice
from tests.factories import DAY, VAT_25, CustomerFactory, SellerFactory

pytestmark = pytest.mark.django_db
BY_ANNA: Any = {"as_of": DAY, "actor": "user:anna"}


def customer_of(**seller: Any) -> Customer:
    return CustomerFactory(seller=SellerFactory(**{"tax": VAT_25} | seller))


def owe(customer: Customer, amount_minor: int = 10_000) -> Invoice:
    """An invoice of so much without VAT: 125.00 with it where nothing else is said."""
    item = add_one_off(
        customer,
        currency="SEK",
        amount_minor=amount_minor,
        description="Mug",
        is_confirmed=True,
        **BY_ANNA,
    )
    [invoice] = bill_customer(customer, one_offs=[item], **BY_ANNA)
    return invoice


def pay(invoice: Invoice, amount_minor: int, **more: Any) -> Invoice:
    record_payment(invoice, amount_minor=amount_minor, **BY_ANNA | more)
    return Invoice.objects.select_related("seller", "customer").get(pk=invoice.pk)


def booked(invoice: Invoice, role: str, *documents: str) -> int:
    """What is on the debit of a role's accounts, less what is on their credit."""
    sums = 0
    for transfer in Transfer.objects.filter(document__in=documents, document_id=invoice.pk):
        sums += transfer.amount_minor * (transfer.debit_account.role == role)
        sums -= transfer.amount_minor * (transfer.credit_account.role == role)
    return sums


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(BillingError) as refused:
        work()
    return refused.value.code


# Rounding


@pytest.mark.parametrize(("short", "tolerance"), [(50, 100), (100, 100), (1, 1)])
def test_a_difference_within_the_tolerance_is_closed_as_rounding(
    short: int, tolerance: int
) -> None:
    invoice = pay(owe(customer_of(rounding_tolerance_minor=tolerance)), 12_500 - short)
    assert (invoice.status, invoice.rounded_off_minor) == ("paid", short)
    assert booked(invoice, "rounding", "rounding") == short
    assert state_of_invoice(invoice, DAY).kind == "paid"
    totals = dict(document_in_words(invoice, "en")["totals"])
    assert "Rounded off" in totals and "Credited" not in totals
    assert broken_invariants() == {}


@pytest.mark.parametrize(("short", "tolerance"), [(101, 100), (50, 0), (12_500, 10_000)])
def test_what_is_more_than_the_tolerance_stays_owed(short: int, tolerance: int) -> None:
    invoice = owe(customer_of(rounding_tolerance_minor=tolerance))
    if short < 12_500:
        invoice = pay(invoice, 12_500 - short)
    assert (invoice.status, invoice.rounded_off_minor) == ("open", 0)
    assert invoice.left_minor == short


def test_writing_off_a_small_difference_is_no_loss() -> None:
    customer = customer_of(rounding_tolerance_minor=0)
    invoice = pay(owe(customer), 12_450)
    customer.seller.rounding_tolerance_minor = 100
    customer.seller.save()
    closed = write_off(invoice, **BY_ANNA)
    assert (closed.status, closed.rounded_off_minor) == ("paid", 50)
    assert not Transfer.objects.filter(document="loss").exists()
    assert broken_invariants() == {}


def test_a_payment_that_bounces_takes_its_rounding_back() -> None:
    invoice = pay(owe(customer_of()), 12_450)
    reopen(invoice, **BY_ANNA)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.left_minor) == ("open", 12_500)
    assert booked(invoice, "rounding", "rounding") == 0
    assert broken_invariants() == {}


@pytest.mark.parametrize("to", ["balance", "refund"])
def test_nothing_is_given_back_of_what_was_rounded_off(to: str) -> None:
    customer = customer_of()
    invoice = pay(owe(customer), 12_450)
    credit(invoice, to=to, **BY_ANNA)
    back = Payment.objects.get().refunded_minor + balance_of(customer, "SEK")
    assert back == 12_450
    assert broken_invariants() == {}


# Losses


def test_a_loss_is_net_of_the_vat_that_the_state_gives_back() -> None:
    invoice = owe(customer_of())
    write_off(invoice, **BY_ANNA)
    assert booked(invoice, "bad_debt", "loss") == 10_000
    assert booked(invoice, "vat", "loss") == 2_500
    assert broken_invariants() == {}


@pytest.mark.parametrize("parts", [[12_500], [5_000, 7_500], [3_333, 3_333, 5_834]])
def test_money_for_what_was_written_off_takes_loss_and_vat_back(parts: list[int]) -> None:
    invoice = owe(customer_of(rounding_tolerance_minor=0))
    write_off(invoice, **BY_ANNA)
    left = 12_500
    for part in parts:
        invoice = pay(invoice, part)
        left -= part
        lost = booked(invoice, "bad_debt", "loss") + booked(invoice, "vat", "loss")
        assert lost == left
        assert booked(invoice, "vat", "loss") == round(left / 5)
    assert (invoice.status, booked(invoice, "bad_debt", "loss")) == ("paid", 0)
    assert broken_invariants() == {}


@pytest.mark.parametrize("country", ["DE", "NO", "US"])
def test_elsewhere_the_gross_is_lost(country: str) -> None:
    invoice = owe(customer_of(country=country, vat_number="", organisation_number=""))
    write_off(invoice, **BY_ANNA)
    assert booked(invoice, "bad_debt", "loss") == invoice.total_minor


def test_a_credit_note_on_a_loss_takes_no_vat_back_twice() -> None:
    invoice = owe(customer_of())
    write_off(invoice, **BY_ANNA)
    note = credit(invoice, amount_minor=5_000, **BY_ANNA)
    assert booked(invoice, "vat", "loss") == 1_500
    assert booked(note, "vat", "invoice") == 1_000
    assert broken_invariants() == {}


# One payment for many


def test_one_payment_settles_several_invoices_on_its_day() -> None:
    customer = customer_of()
    first, second, third = (owe(customer, amount) for amount in (10_000, 20_000, 30_000))
    payment = record_payment_of_many(
        customer,
        {first: 12_500, second: 10_000, third: 0},
        amount_minor=23_000,
        received_on=DAY - timedelta(days=3),
        reference="bank 7",
        **BY_ANNA,
    )
    assert payment.received_on == DAY - timedelta(days=3)
    assert [each.amount_minor for each in payment.allocations.order_by("id")] == [12_500, 10_000]
    assert balance_of(customer, "SEK") in (500, 0)
    first.refresh_from_db()
    assert (first.status, first.closed_on) == ("paid", DAY - timedelta(days=3))
    dates = Transfer.objects.filter(document="payment").values_list("effective_on", flat=True)
    assert set(dates) == {DAY - timedelta(days=3)}
    assert broken_invariants() == {}


def test_what_does_not_add_up_is_not_recorded() -> None:
    customer = customer_of()
    invoice, other = owe(customer), owe(customer_of())

    def record(parts: dict[Invoice, int], **more: Any) -> str:
        return code_of(lambda: record_payment_of_many(customer, parts, **BY_ANNA | more))

    assert record({invoice: 12_501}) == "part_exceeds_invoice"
    assert record({invoice: 12_500}, amount_minor=12_499) == "parts_exceed_payment"
    assert record({invoice: 0}) == "nothing_to_settle"
    assert record({other: 100}) == "nothing_to_settle"
    ahead = DAY + timedelta(days=1)
    assert record({invoice: 100}, received_on=ahead) == "received_in_the_future"
    assert record({invoice: 100}, amount_minor=10**10 + 1) == "amount_too_large"
    assert not Payment.objects.exists()


# Accounts


def test_vat_is_booked_on_the_account_of_its_rate_and_a_second_one_takes_nothing_else() -> None:
    customer = customer_of()
    owe(customer)
    account: Any = {"seller": customer.seller, "role": "vat"}
    Account.objects.create(number="2631", name="Utgående moms 6 %", percent=6, **account)
    Account.objects.create(number="2615", name="VAT of Germany", country="DE", **account)
    customer.seller.tax = [{"category": "S", "rate": "6"}]
    customer.seller.save()
    customer.refresh_from_db()
    owe(customer)
    used = Transfer.objects.filter(credit_account__role="vat").order_by("id")
    assert [one.credit_account.number for one in used] == ["2611", "2631"]


@pytest.mark.parametrize(("country", "name"), [("SE", "Kundfordringar"), ("DE", "Receivables")])
def test_accounts_are_named_as_where_the_seller_keeps_its_books(country: str, name: str) -> None:
    owe(customer_of(country=country, vat_number="", organisation_number=""))
    assert Account.objects.get(role="receivable").name == name
