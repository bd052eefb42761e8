from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mail.server import Provider, provider


@pytest.fixture(autouse=True)
def files(settings: Any, tmp_path: Path) -> None:
    """Logos are kept in a folder of the test's own."""
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture(autouse=True)
def gateway(settings: Any) -> None:
    """The gateway at which the world's cards are: mail promises charges, and makes none."""
    settings.SANDBOX_URL = "http://127.0.0.1:9"


@pytest.fixture
def post_office(settings: Any) -> Iterator[Provider]:
    """The provider to which mail goes."""
    with provider() as server:
        settings.MAILERS = server.mailers
        yield server
