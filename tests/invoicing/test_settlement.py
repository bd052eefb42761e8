"""Who hears that an invoice is settled, what is told of it, and what is never written twice."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import pytest

from billing.engine.errors import Refused
from billing.events.models import Event
from billing.events.recorder import deliver_due, fan_out
from billing.invoicing import settlement
from billing.invoicing.actions import add_one_off, bill_customer, write_off
from billing.invoicing.balances import give_credit
from billing.invoicing.batch import bill_due
from billing.invoicing.corrections import credit
from billing.invoicing.hooks import invoices_settled
from billing.invoicing.models import Invoice
from billing.invoicing.settled import By, Settled
from billing.invoicing.voiding import void
from billing.ledger.models import Transfer
from billing.mail.models import Message
from billing.payments.booking import record_payment, record_payment_of_many
from billing.payments.giving_back import reopen
from billing.subscriptions.actions import cancel
from billing.verification.books import broken_invariants
from customers.models import Customer
from tests.factories import (
    DAY,
    VAT_25,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
)

pytestmark = pytest.mark.django_db
BY_ANNA: Any = {"as_of": DAY, "actor": "user:anna"}


@pytest.fixture
def customer() -> Customer:
    return CustomerFactory(seller=SellerFactory(tax=VAT_25, rounding_tolerance_minor=0))


@pytest.fixture
def heard() -> Iterator[list[tuple[str, By, int]]]:
    """(number, by what, how much in the last step) of what the hook tells."""
    told: list[tuple[str, By, int]] = []

    def listen(settled: Sequence[Settled], as_of: date, actor: str) -> None:
        assert (as_of, actor) == (DAY, "system")
        told.extend((str(each.invoice), each.by, each.moved_minor) for each in settled)

    with invoices_settled.replaced(listen):
        yield told


def owe(customer: Customer, amount_minor: int = 10_000) -> Invoice:
    """An invoice of so much and a quarter of it as VAT: 125.00 where nothing else is said."""
    item = add_one_off(
        customer, currency="SEK", amount_minor=amount_minor, description="Mug", **BY_ANNA
    )
    [invoice] = bill_customer(customer, one_offs=[item], **BY_ANNA)
    return Invoice.objects.select_related("seller", "customer").get(pk=invoice.pk)


def give(invoice: Invoice, amount_minor: int) -> None:
    give_credit(
        invoice.customer, currency="SEK", amount_minor=amount_minor, description="Sorry", **BY_ANNA
    )


def tolerate(invoice: Invoice, difference_minor: int) -> None:
    invoice.seller.rounding_tolerance_minor = difference_minor
    invoice.seller.save()


def state_of(invoice: Invoice) -> tuple[Any, ...]:
    found = Invoice.objects.get(pk=invoice.pk)
    sums = (found.paid_minor, found.credited_minor, found.from_balance_minor)
    return (found.status, *sums, found.rounded_off_minor, found.closed_on)


# Who hears


@pytest.mark.parametrize(
    ("settle", "by", "status"),
    [
        (lambda invoice: record_payment(invoice, **BY_ANNA), By.MONEY, "paid"),
        (lambda invoice: give(invoice, 12_500), By.BALANCE, "paid"),
        (lambda invoice: credit(invoice, **BY_ANNA), By.CREDIT, "paid"),
        (lambda invoice: void(invoice, **BY_ANNA), By.VOID, "void"),
    ],
)
def test_what_settles_an_invoice_is_told_with_what_it_was(
    customer: Customer,
    heard: list[tuple[str, By, int]],
    settle: Callable[[Invoice], object],
    by: By,
    status: str,
) -> None:
    invoice = owe(customer)
    settle(invoice)
    assert heard == [(str(invoice), by, 12_500)]
    assert state_of(invoice)[0] == status
    assert broken_invariants() == {}


def test_a_small_difference_that_is_written_off_is_told(
    customer: Customer, heard: list[tuple[str, By, int]]
) -> None:
    invoice = owe(customer)
    record_payment(invoice, amount_minor=12_450, **BY_ANNA)
    tolerate(invoice, 100)
    write_off(invoice, **BY_ANNA)
    assert heard == [(str(invoice), By.ROUNDING, 50)]


@pytest.mark.parametrize(
    "settle",
    [
        lambda invoice: record_payment(invoice, amount_minor=12_499, **BY_ANNA),
        lambda invoice: give(invoice, 12_499),
        lambda invoice: credit(invoice, amount_minor=12_499, **BY_ANNA),
        lambda invoice: write_off(invoice, **BY_ANNA),
    ],
)
def test_what_leaves_something_owed_or_lost_is_not(
    customer: Customer, heard: list[tuple[str, By, int]], settle: Callable[[Invoice], object]
) -> None:
    settle(owe(customer))
    assert heard == []
    assert broken_invariants() == {}


def test_the_last_part_of_a_loss_is_told_though_it_stays_a_loss(
    customer: Customer, heard: list[tuple[str, By, int]]
) -> None:
    invoice = owe(customer)
    write_off(invoice, **BY_ANNA)
    credit(invoice, **BY_ANNA)
    assert heard == [(str(invoice), By.CREDIT, 12_500)]
    assert state_of(invoice)[0] == "uncollectible"


def test_one_payment_of_many_is_told_once_for_all(customer: Customer) -> None:
    invoices = [owe(customer), owe(customer)]
    calls: list[list[Invoice]] = []

    def listen(settled: Sequence[Settled], **_: object) -> None:
        calls.append([each.invoice for each in settled])

    with invoices_settled.replaced(listen):
        record_payment_of_many(customer, dict.fromkeys(invoices, 12_500), **BY_ANNA)
    assert calls == [invoices]


# What is told


def told(invoice: Invoice) -> list[tuple[str, dict[str, Any]]]:
    """The events of an invoice since it was issued, with their data."""
    events = Event.objects.filter(subject=invoice.public_id).exclude(type="invoice.finalized")
    return list(events.order_by("id").values_list("type", "data"))


def test_money_and_balance_that_pay_an_invoice_say_which_it_was(customer: Customer) -> None:
    first, second = owe(customer), owe(customer)
    record_payment(first, **BY_ANNA)
    give(second, 12_500)
    assert told(first) == [("invoice.paid", {"number": first.number, "by": "money"})]
    assert told(second) == [
        ("invoice.balance_applied", {"amount_minor": 12_500, "currency": "SEK"}),
        ("invoice.paid", {"number": second.number, "by": "balance"}),
    ]


def test_a_balance_that_pays_all_of_an_invoice_as_it_is_issued_is_told(customer: Customer) -> None:
    give_credit(customer, currency="SEK", amount_minor=20_000, description="Sorry", **BY_ANNA)
    paid, partly = owe(customer), owe(customer)
    assert (paid.status, partly.status) == ("paid", "open")
    assert told(paid) == [("invoice.paid", {"number": paid.number, "by": "balance"})]
    assert told(partly) == []
    of_it = Event.objects.filter(subject=paid.public_id).order_by("id")
    assert [event.type for event in of_it] == ["invoice.finalized", "invoice.paid"]


def test_a_credit_note_that_leaves_nothing_is_told(customer: Customer) -> None:
    invoice = owe(customer)
    record_payment(invoice, amount_minor=500, **BY_ANNA)
    credit(invoice, amount_minor=2_000, **BY_ANNA)
    assert told(invoice) == []
    credit(invoice, amount_minor=10_000, **BY_ANNA)
    assert told(invoice) == [
        ("invoice.credited", {"number": invoice.number, "credited_minor": 12_000})
    ]


def test_a_note_by_hand_tells_all_that_one_of_a_batch_does_and_what_it_corrects(
    customer: Customer,
) -> None:
    invoice = owe(customer)
    note = credit(invoice, **BY_ANNA)
    assert Event.objects.get(subject=note.public_id).data == {
        "number": note.number,
        "customer": customer.public_id,
        "currency": "SEK",
        "total_minor": 12_500,
        "corrects": invoice.public_id,
    }


def test_a_credit_note_on_what_is_paid_says_nothing_of_the_invoice(customer: Customer) -> None:
    invoice = owe(customer)
    record_payment(invoice, **BY_ANNA)
    credit(invoice, **BY_ANNA)
    assert [type for type, _ in told(invoice)] == ["invoice.paid"]


def test_a_note_of_a_batch_that_lowers_and_refunds_tells_that_nothing_is_left() -> None:
    customer = CustomerFactory(seller=SellerFactory(tax=VAT_25))
    plan = PlanFactory(seller=customer.seller)
    PriceFactory(plan=plan)
    subscription = SubscriptionFactory(customer=customer, plan=plan)
    bill_due(customer.seller, DAY)
    invoice = Invoice.objects.get()
    record_payment(invoice, amount_minor=5_000, **BY_ANNA)
    cancel(subscription, when="now", is_refunded=True, **BY_ANNA)
    bill_due(customer.seller, DAY)
    assert state_of(invoice) == ("paid", 0, 12_500, 0, 0, DAY)
    credited = {"number": invoice.number, "credited_minor": 12_500}
    assert told(invoice) == [("invoice.credited", credited)]
    assert broken_invariants() == {}


def test_a_payment_that_goes_back_opens_a_paid_invoice_and_is_told(customer: Customer) -> None:
    invoice = owe(customer)
    record_payment(invoice, amount_minor=500, **BY_ANNA)
    reopen(invoice, **BY_ANNA)
    assert told(invoice) == []
    record_payment(invoice, **BY_ANNA)
    reopen(invoice, amount_minor=2_000, **BY_ANNA)
    reopened = {"number": invoice.number, "amount_minor": 2_000, "why": "returned"}
    assert told(invoice)[1:] == [("invoice.reopened", reopened)]


def test_nobody_is_mailed_of_the_same_twice(customer: Customer) -> None:
    invoice = owe(customer)
    credit(invoice, **BY_ANNA)
    other = owe(customer)
    record_payment(other, **BY_ANNA)
    reopen(other, **BY_ANNA)
    give_credit(customer, currency="SEK", amount_minor=20_000, description="Sorry", **BY_ANNA)
    at_once = owe(customer, 1_000)
    assert [state_of(each)[0] for each in (invoice, other, at_once)] == ["paid"] * 3
    while fan_out() or deliver_due():
        pass
    kinds = sorted(Message.objects.values_list("kind", flat=True))
    assert kinds == ["credit_note", "invoice", "invoice", "invoice", "receipt"]


# What is written


def test_a_balance_that_comes_back_from_a_void_invoice_pays_others_only(
    customer: Customer, heard: list[tuple[str, By, int]]
) -> None:
    give_credit(customer, currency="SEK", amount_minor=5_000, description="Sorry", **BY_ANNA)
    first, second = owe(customer), owe(customer)
    void(first, **BY_ANNA)
    assert heard == [(str(first), By.VOID, 7_500)]
    assert state_of(second) == ("open", 0, 5_000, 5_000, 0, None)
    assert broken_invariants() == {}


@pytest.mark.parametrize(
    "settle",
    [
        lambda one: settlement.settle_by_money(one.seller, {one: 100}, **BY_ANNA),
        lambda one: settlement.settle_by_credit(one.seller, {one: 100}, by=By.CREDIT, **BY_ANNA),
        lambda one: settlement.write_off(one.seller, [one], reason="", **BY_ANNA),
        lambda one: settlement.void(one, reason="", **BY_ANNA),
    ],
)
def test_an_invoice_that_has_changed_since_it_was_read_is_not_settled(
    customer: Customer, settle: Callable[[Invoice], object]
) -> None:
    invoice = owe(customer)
    record_payment(invoice, amount_minor=100, **BY_ANNA)
    before, written = state_of(invoice), Transfer.objects.count()
    events = Event.objects.count()
    with pytest.raises(Refused, match="Somebody else") as refused:
        settle(invoice)
    assert refused.value.code == "invalid_transition"
    assert state_of(invoice) == before
    assert (Transfer.objects.count(), Event.objects.count()) == (written, events)


@pytest.mark.parametrize("status", ["paid", "uncollectible", "void"])
def test_what_is_closed_is_not_declared_void(customer: Customer, status: str) -> None:
    invoice = owe(customer)
    if status == "paid":
        record_payment(invoice, **BY_ANNA)
    elif status == "void":
        void(invoice, **BY_ANNA)
    else:
        write_off(invoice, **BY_ANNA)
    invoice.refresh_from_db()
    with pytest.raises(Refused, match=f"that is {status} cannot become void"):
        settlement.void(invoice, reason="", **BY_ANNA)


def test_an_object_in_hand_says_what_the_database_does(customer: Customer) -> None:
    invoice = owe(customer)
    [settled] = settlement.settle_by_money(invoice.seller, {invoice: 500}, **BY_ANNA)
    assert (settled.invoice, settled.was, settled.was_left_minor) == (invoice, "open", 12_500)
    assert (invoice.paid_minor, invoice.left_minor) == (500, 12_000)
    settlement.settle_by_money(invoice.seller, {invoice: 12_000}, **BY_ANNA)
    assert (invoice.status, invoice.closed_on, invoice.left_minor) == ("paid", DAY, 0)
    assert state_of(invoice)[:2] == ("paid", 12_500)


def test_a_reason_outlives_what_is_settled_later(customer: Customer) -> None:
    invoice = owe(customer)
    write_off(invoice, reason="Gone", **BY_ANNA)
    record_payment(invoice, **BY_ANNA)
    reopen(invoice, **BY_ANNA)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.reason, invoice.closed_on) == ("open", "Gone", None)
    assert broken_invariants() == {}


# What is left


def test_what_is_left_is_asked_for_while_open_and_may_be_paid_once_lost(customer: Customer) -> None:
    paid, void_one, lost, credited = (owe(customer) for _ in range(4))
    record_payment(paid, **BY_ANNA)
    void(void_one, **BY_ANNA)
    for each in (lost, credited):
        write_off(each, **BY_ANNA)
    note = credit(credited, **BY_ANNA)
    is_open = owe(customer)

    def said(invoice: Invoice) -> tuple[int, bool, bool]:
        found = Invoice.objects.get(pk=invoice.pk)
        return found.left_minor, found.is_collectable, found.may_be_paid

    assert said(is_open) == (12_500, True, True)
    assert said(lost) == (12_500, False, True)
    assert said(credited) == (0, False, False)
    assert said(paid) == said(void_one) == (0, False, False)
    assert said(note) == (12_500, False, False)
