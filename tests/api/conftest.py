import pytest

from customers.models import Seller
from tests.api.calling import Shop
from tests.factories import NumberSeriesFactory, SellerFactory, make_accounts


def open_seller() -> Seller:
    """A test seller that can bill."""
    seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    NumberSeriesFactory(seller=seller)
    NumberSeriesFactory(seller=seller, kind="credit_note", prefix="K")
    return seller


@pytest.fixture
def seller(db: None) -> Seller:
    return open_seller()


@pytest.fixture
def shop(seller: Seller) -> Shop:
    return Shop(seller)
