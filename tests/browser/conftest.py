"""One browser and one sandbox for each file of tests that drives pages with them."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext
from pytest_django.live_server_helper import LiveServer

from tests.browsing import chromium
from tests.sandbox.process import RunningSandbox, running_sandbox


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    # Playwright's loop runs in the thread that asks the database here.
    with pytest.MonkeyPatch.context() as patch, chromium() as browser:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield browser


@pytest.fixture(autouse=True)
def no_script_errors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test fails if a script threw what nobody caught, in any page of ``new_context``."""
    errors = list[str]()
    opened = Browser.new_context

    def opened_and_heard(browser: Browser, **options: Any) -> BrowserContext:
        context = opened(browser, **options)
        context.on("weberror", lambda thrown: errors.append(str(thrown.error)))
        return context

    monkeypatch.setattr(Browser, "new_context", opened_and_heard)
    yield
    assert errors == []


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def served(
    window: Browser, live_server: LiveServer, sandbox: RunningSandbox, settings: Any
) -> None:
    """Kvitt on this machine, with the sandbox as its gateway."""
    settings.PUBLIC_URL = live_server.url
    settings.SANDBOX_URL, settings.SANDBOX_KEY = sandbox.url, sandbox.key
    settings.SANDBOX_HOOK_SECRET = sandbox.hook_secret
