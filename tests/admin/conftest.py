from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client

from tests.admin.rows import fill

type Rows = dict[type[Model], Any]

# 1 March 2026 in Stockholm: the first day of what the factories make.
NOON = datetime(2026, 3, 1, 11, tzinfo=UTC)


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def rows(db: None) -> Rows:
    return fill(1)


@pytest.fixture
def anna(db: None) -> Client:
    """A superuser's browser."""
    client = Client()
    client.force_login(User.objects.create_superuser("anna"))
    return client


@pytest.fixture
def bo(db: None) -> Client:
    """The browser of staff who may look at everything, and do nothing."""
    user = User.objects.create_user("bo", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(user)
    return client
