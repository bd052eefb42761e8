"""A payment that had arrived comes back: what it paid is owed again, and the books say so."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from billing.engine.declines import Decline
from billing.engine.errors import Refused
from billing.events.models import Event
from billing.invoicing.actions import add_one_off, write_off
from billing.invoicing.balances import balance_of, give_credit
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.models import Invoice
from billing.ledger.models import Account, Transfer
from billing.payments.booking import record_payment, record_payment_of_many
from billing.payments.charging import _begin, settle
from billing.payments.gateways.base import Charge
from billing.payments.giving_back import mark_paid_back
from billing.payments.models import Payment, PaymentMethod, Refund
from billing.payments.outlook import Prospect, what_becomes_of
from billing.payments.receipts import html_of
from billing.payments.returns import mark_returned
from billing.payments.taking_in import take_in
from billing.verification.books import broken_invariants
from customers.models import Customer, Seller
from dunning.cases import open_cases
from dunning.models import DunningCase
from dunning.policies import Policies
from tests.factories import DAY, CustomerFactory, SellerFactory, make_accounts

pytestmark = pytest.mark.django_db
BY_ANNA: dict[str, Any] = {"as_of": DAY, "actor": "user:anna"}
LATER = DAY + timedelta(days=5)
BACK: dict[str, Any] = {"as_of": LATER, "actor": "user:anna"}
Owe = Callable[..., Invoice]


@pytest.fixture
def seller(settings: Any) -> Seller:
    settings.SANDBOX_URL = "http://127.0.0.1:9"  # The cards' gateway; nothing is asked of it.
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

    def make(amount_minor: int = 10_000) -> Invoice:
        add_one_off(
            customer, currency="SEK", amount_minor=amount_minor, description="Beans", **BY_ANNA
        )
        bill_due(customer.seller, DAY)
        return Invoice.objects.select_related("seller", "customer").latest("id")

    return make


def left(*invoices: Invoice) -> list[tuple[str, int]]:
    for invoice in invoices:
        invoice.refresh_from_db()
    return [(invoice.status, invoice.left_minor) for invoice in invoices]


def booked(seller: Seller, role: str) -> int:
    """What an account stands at, debit less credit, in minor units."""
    account = Account.objects.get(seller=seller, role=role).pk
    rows = Transfer.objects.filter(seller=seller)
    return sum(
        row.amount_minor * ((row.debit_account_id == account) - (row.credit_account_id == account))
        for row in rows
    )


def told(type: str) -> dict[str, Any]:
    return dict(Event.objects.get(type=type).data)


# What it had paid


def test_what_it_had_paid_is_owed_again(owe: Owe, seller: Seller) -> None:
    invoice = owe()
    payment = record_payment(invoice, **BY_ANNA)
    mark_returned(payment, **BACK)
    payment.refresh_from_db()
    assert (payment.state, payment.returned_on, payment.received_on) == ("returned", LATER, DAY)
    assert left(invoice) == [("open", 10_000)]
    assert invoice.closed_on is None
    assert [each.state for each in payment.allocations.all()] == ["released"]
    assert (booked(seller, "clearing"), booked(seller, "receivable")) == (0, 10_000)
    assert told("payment.returned")["invoice"] == invoice.public_id
    assert told("invoice.reopened") == {
        "number": invoice.number,
        "amount_minor": 10_000,
        "why": "returned",
    }
    assert broken_invariants() == {}


def test_all_invoices_of_one_payment_are_owed_again(owe: Owe, customer: Customer) -> None:
    first, second = owe(), owe(3_000)
    payment = record_payment_of_many(customer, {first: 10_000, second: 1_000}, **BY_ANNA)
    mark_returned(payment, **BACK)
    assert left(first, second) == [("open", 10_000), ("open", 3_000)]
    assert told("payment.returned")["also"] == [second.public_id]
    assert broken_invariants() == {}


def test_it_comes_back_on_the_day_that_the_bank_says(owe: Owe) -> None:
    payment = record_payment(owe(), **BY_ANNA)
    mark_returned(payment, returned_on=DAY + timedelta(days=1), **BACK)
    days = Transfer.objects.filter(document="payment").values_list("effective_on", flat=True)
    assert set(days) == {DAY, DAY + timedelta(days=1)}


def test_what_was_rounded_off_for_it_is_owed_again_as_well(owe: Owe, seller: Seller) -> None:
    seller.rounding_tolerance_minor = 100
    seller.save()
    invoice = owe()
    payment = record_payment(invoice, amount_minor=9_950, **BY_ANNA)
    assert left(invoice) == [("paid", 0)]
    mark_returned(payment, **BACK)
    assert left(invoice) == [("open", 10_000)]
    assert broken_invariants() == {}


def test_of_what_was_written_off_so_much_more_is_lost(owe: Owe, seller: Seller) -> None:
    invoice = owe()
    payment = record_payment(invoice, amount_minor=4_000, **BY_ANNA)
    write_off(invoice, **BY_ANNA)
    mark_returned(payment, **BACK)
    assert left(invoice) == [("uncollectible", 10_000)]
    assert booked(seller, "bad_debt") == 10_000
    assert broken_invariants() == {}


# What of it was put on the balance


def test_what_was_over_comes_off_the_balance(owe: Owe, customer: Customer) -> None:
    invoice = owe()
    payment = record_payment(invoice, amount_minor=12_500, **BY_ANNA)
    mark_returned(payment, **BACK)
    assert balance_of(customer, "SEK") == 0
    assert left(invoice) == [("open", 10_000)]
    payment.refresh_from_db()
    assert payment.attention == ""
    assert broken_invariants() == {}


def test_what_the_balance_has_spent_of_it_is_a_loss_that_a_person_is_told_of(
    owe: Owe, customer: Customer, seller: Seller
) -> None:
    invoice = owe()
    payment = record_payment(invoice, amount_minor=12_500, **BY_ANNA)
    other = owe(2_000)
    assert left(other) == [("paid", 0)]
    mark_returned(payment, **BACK)
    assert balance_of(customer, "SEK") == 0
    assert left(invoice, other) == [("open", 10_000), ("paid", 0)]
    payment.refresh_from_db()
    assert payment.attention.startswith("20.00 SEK of it was on the customer's balance")
    assert (booked(seller, "bad_debt"), booked(seller, "clearing")) == (2_000, 0)
    assert broken_invariants() == {}


def test_money_that_paid_no_invoice_comes_off_the_balance_and_tells_of_none(
    seller: Seller, customer: Customer
) -> None:
    customer.at_gateways.create(gateway="sandbox", gateway_id="cus_1")
    made = Charge("ch_1", "succeeded", 5_000, "SEK", "chg_1", customer="cus_1")
    payment = take_in("sandbox", made, **BY_ANNA)
    assert payment is not None
    mark_returned(payment, **BACK)
    assert balance_of(customer, "SEK") == 0
    assert "invoice" not in told("payment.returned")
    assert broken_invariants() == {}


def test_other_money_that_the_customer_has_with_us_pays_first(owe: Owe, customer: Customer) -> None:
    invoice = owe()
    payment = record_payment(invoice, **BY_ANNA)
    give_credit(customer, currency="SEK", amount_minor=4_000, description="Sorry", **BY_ANNA)
    mark_returned(payment, **BACK)
    assert left(invoice) == [("open", 6_000)]
    assert balance_of(customer, "SEK") == 0
    assert broken_invariants() == {}


# Beside refunds


def test_only_what_was_not_paid_back_before_comes_back(owe: Owe) -> None:
    invoice = owe()
    payment = record_payment(invoice, **BY_ANNA)
    credit(invoice, amount_minor=3_000, to=Invoice.CreditTo.REFUND, **BY_ANNA)
    with pytest.raises(Refused) as refused:
        mark_returned(payment, **BACK)
    assert refused.value.code == "refund_under_way"
    assert broken_invariants() == {}
    mark_paid_back(Refund.objects.get(), paid_on=LATER, **BACK)
    mark_returned(payment, **BACK)
    assert left(invoice) == [("open", 7_000)]
    assert broken_invariants() == {}


# When it cannot


def test_it_comes_back_once(owe: Owe) -> None:
    payment = record_payment(owe(), **BY_ANNA)
    mark_returned(payment, **BACK)
    with pytest.raises(Refused) as refused:
        mark_returned(payment, **BACK)
    assert refused.value.code == "payment_not_there"
    assert Event.objects.filter(type="payment.returned").count() == 1


@pytest.mark.parametrize(
    ("days", "code"), [(-1, "day_before_payment"), (6, "day_ahead")], ids=["before", "ahead"]
)
def test_a_day_on_which_it_cannot_have_come_back_is_refused(owe: Owe, days: int, code: str) -> None:
    payment = record_payment(owe(), **BY_ANNA)
    with pytest.raises(Refused) as refused:
        mark_returned(payment, returned_on=DAY + timedelta(days=days), **BACK)
    assert refused.value.code == code


def test_what_never_arrived_cannot_come_back(owe: Owe, customer: Customer) -> None:
    with pytest.raises(Refused, match="is planned: nothing of it can come back"):
        mark_returned(planned(owe, customer), **BACK)


# What follows


def planned(owe: Owe, customer: Customer) -> Payment:
    """What is planned for an invoice of a customer who has left a card."""
    PaymentMethod.objects.create(
        customer=customer, gateway="sandbox", gateway_id="pm_1", is_default=True
    )
    customer.collection = Customer.Collection.AUTOMATIC
    customer.save()
    return Payment.objects.get(allocations__invoice=owe())


def charged(owe: Owe, customer: Customer) -> tuple[Invoice, Payment]:
    """An invoice that was paid with the customer's card."""
    payment = planned(owe, customer)
    begun = _begin(payment.pk, DAY, "test")
    assert begun is not None
    payment = settle(payment.pk, of(begun[1].reference), **BY_ANNA)
    return Invoice.objects.get(allocations__payment=payment), payment


def of(reference: str) -> Charge:
    return Charge("ch_1", "succeeded", 10_000, "SEK", reference)


def test_a_charge_that_comes_back_is_tried_again_as_one_that_failed(
    owe: Owe, customer: Customer
) -> None:
    invoice, payment = charged(owe, customer)
    mark_returned(payment, decline=Decline.INSUFFICIENT_FUNDS, **BACK)
    case = DunningCase.objects.get(invoice=invoice)
    assert (case.status, case.since, case.late_from) == ("open", "failure", LATER)
    returned = told("payment.returned")
    assert returned["failure_code"] == "insufficient_funds"
    assert date.fromisoformat(returned["next_attempt_on"]) > LATER
    invoice.refresh_from_db()
    assert what_becomes_of(invoice, LATER).prospect is Prospect.FAILED
    assert broken_invariants() == {}


def test_a_late_debt_that_it_had_ended_begins_again(owe: Owe, customer: Customer) -> None:
    invoice, payment = charged(owe, customer)
    case = DunningCase.objects.create(
        seller=invoice.seller,
        customer=customer,
        invoice=invoice,
        policy_id=Policies(invoice.seller).for_plan(None),
        since="failure",
        late_from=DAY,
        status="recovered",
        closed_on=DAY,
    )
    mark_returned(payment, **BACK)
    case.refresh_from_db()
    assert (case.status, case.closed_on) == ("open", None)
    assert case.next_step is not None
    assert Event.objects.filter(type="dunning.opened", subject=case.public_id).exists()


def test_a_card_that_will_never_be_accepted_is_charged_no_more(
    owe: Owe, customer: Customer
) -> None:
    _, payment = charged(owe, customer)
    mark_returned(payment, decline=Decline.STOLEN_CARD, **BACK)
    assert PaymentMethod.objects.get().refused_code == "stolen_card"


def test_a_gateway_that_goes_on_saying_that_it_succeeded_worries_nobody(
    owe: Owe, customer: Customer
) -> None:
    _, payment = charged(owe, customer)
    mark_returned(payment, **BACK)
    again = settle(payment.pk, of(payment.gateway_reference), **BACK)
    assert (again.state, again.attention) == ("returned", "")


def test_what_a_person_recorded_is_late_by_its_due_date_alone(
    owe: Owe, seller: Seller, customer: Customer
) -> None:
    invoice = owe()
    mark_returned(record_payment(invoice, **BY_ANNA), **BACK)
    assert not DunningCase.objects.exists()
    open_cases(seller, invoice.due_on, "test")
    assert not DunningCase.objects.exists()
    open_cases(seller, invoice.due_on + timedelta(days=1), "test")
    assert DunningCase.objects.get().invoice == invoice


def test_there_is_no_receipt_any_more(owe: Owe) -> None:
    payment = record_payment(owe(), **BY_ANNA)
    assert payment.public_id in html_of(payment)
    payment = mark_returned(payment, **BACK)
    with pytest.raises(Refused):
        html_of(payment)
