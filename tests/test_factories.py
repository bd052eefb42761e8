import pytest

from billing.engine.bill import draft_bill
from billing.ledger.models import Account
from billing.subscriptions.agreements import load_contracts
from tests import factories as f

pytestmark = pytest.mark.django_db


def test_every_factory_makes_a_row_that_the_database_takes() -> None:
    for factory in (
        f.SellerFactory,
        f.CustomerFactory,
        f.ProductFactory,
        f.PlanFactory,
        f.PriceFactory,
        f.CouponFactory,
        f.SubscriptionFactory,
        f.NumberSeriesFactory,
        f.LetterheadFactory,
        f.InvoiceFactory,
        f.PaymentFactory,
    ):
        assert factory.create().pk


def test_every_trait_makes_a_row_that_the_database_takes() -> None:
    f.SellerFactory(live=True)
    f.SellerFactory(empty=True)
    f.CustomerFactory(business=True)
    f.PriceFactory(graduated=True)
    f.CouponFactory(amount=True, forever=True)
    f.InvoiceFactory(draft=True)
    f.InvoiceFactory(credit_note=True)
    f.PaymentFactory(planned=True)
    f.PaymentFactory(failed=True)


def test_a_made_subscription_is_due_for_its_price_on_its_first_day() -> None:
    subscription = f.SubscriptionFactory()
    contract = load_contracts([subscription.pk])[subscription.pk]
    bill = draft_bill(contract.agreement, {}, [], f.DAY)
    assert [line.amount_minor for line in bill.lines] == [10_000]


def test_a_made_invoice_adds_up_and_its_payment_pays_it() -> None:
    invoice = f.InvoiceFactory(
        lines=[{}, {"amount_minor": 5000, "discount_minor": 1000}], credit_applied_minor=500
    )
    payment = f.PaymentFactory(
        customer=invoice.customer, invoice=invoice, amount_minor=invoice.amount_due_minor
    )
    assert (invoice.net_minor, invoice.tax_minor, invoice.amount_due_minor) == (
        14_000,
        3500,
        17_000,
    )
    assert payment.allocations.get().invoice == invoice


def test_every_role_has_an_account() -> None:
    seller = f.SellerFactory()
    accounts = f.make_accounts(seller)
    assert set(accounts) == set(Account.Role.values)
    assert f.make_accounts(seller) == accounts
