"""Pages in a real browser: Debian's Chromium, which `make test` sees to. Never done without."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for a block. The database is not asked inside it, whose thread is not the test's,
    unless DJANGO_ALLOW_ASYNC_UNSAFE says so.
    """
    assert CHROMIUM, "There is no Chromium. Run: make browser (or: sudo apt install chromium)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
