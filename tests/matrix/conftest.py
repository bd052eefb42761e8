import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from django.contrib import admin
from django.db import transaction
from django.template.response import SimpleTemplateResponse
from django.test import override_settings

from customers.models import Seller
from tests.factories import NumberSeriesFactory, SellerFactory, make_accounts
from tests.matrix.asking import Actors
from tests.matrix.world import World

# The first day of what the factories make.
NOON = datetime(2026, 3, 1, 11, tzinfo=UTC)


@pytest.fixture(scope="module")
def house(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[World]:
    """One world for all cells of a module; each cell takes back what it writes."""
    travel = time_machine.travel(NOON, tick=False)
    with django_db_blocker.unblock(), travel, override_settings(STAFF_MFA=True):  # type: ignore[attr-defined]
        with transaction.atomic():
            yield World()
            transaction.set_rollback(True)


@pytest.fixture(scope="module")
def actors(house: World) -> Actors:
    return Actors(house)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without drawing the desk's pages and printing sheets, and without a log of refusals.

    Who may see something is decided before it is drawn, and other tests look at what is.
    """
    monkeypatch.setattr(admin.site, "each_context", lambda request: {})
    for module in ("billing.invoicing.pdf", "billing.payments.receipts"):
        monkeypatch.setattr(f"{module}.print_html", lambda *args, **options: b"%PDF-")
    monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", property(lambda page: ""))
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def open_shop() -> Seller:
    """A test seller that can bill."""
    seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    NumberSeriesFactory(seller=seller)
    NumberSeriesFactory(seller=seller, kind="credit_note", prefix="K")
    return seller
