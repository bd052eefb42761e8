from collections.abc import Iterator

import pytest

from tests.sandbox.process import RunningSandbox, running_sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """One sandbox for the tests of a module, which keep apart by their references."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running
