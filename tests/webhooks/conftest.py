from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.webhooks.receiving import RunningReceiver, running_receiver


@pytest.fixture
def receiver(tmp_path: Path, settings: Settings) -> Iterator[RunningReceiver]:
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    with running_receiver(tmp_path) as running:
        yield running
