"""Passkeys, in a real browser with an authenticator that it makes up, under our own policy."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from playwright.sync_api import Page

from tests.browsing import chromium

PASSWORD = "correct-horse-7"  # noqa: S105

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def complaints() -> list[str]:
    """What the browser says on its console: a policy that stops something is among it."""
    return []


@pytest.fixture
def page(complaints: list[str], settings: Any, transactional_db: None) -> Iterator[Page]:
    """A browser's page; the database is not asked while it is open, whose thread is not ours."""
    settings.STAFF_MFA = True
    User.objects.create_superuser("anna", password=PASSWORD)
    cache.clear()
    with chromium() as browser:
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        devices = page.context.new_cdp_session(page)
        devices.send("WebAuthn.enable")
        phone = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        devices.send("WebAuthn.addVirtualAuthenticator", {"options": phone})
        yield page


def enter(page: Page, address: str) -> None:
    page.goto(f"{address}/admin/")
    page.fill("#id_login", "anna")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_passkey_is_set_up_and_opens_alone_and_beside_the_password(
    page: Page, complaints: list[str], live_server: Any
) -> None:
    # A passkey belongs to a name; browsers take this one for safe without HTTPS.
    address = live_server.url.replace("127.0.0.1", "localhost")
    enter(page, address)
    page.wait_for_url(f"{address}/accounts/2fa/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_role("button", name="Add passkey").click()
    page.wait_for_url("**/recovery-codes/")
    page.get_by_role("link", name="I have kept them").click()
    page.wait_for_url(f"{address}/admin/")

    page.context.clear_cookies()
    page.goto(f"{address}/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{address}/admin/")

    page.context.clear_cookies()
    enter(page, address)
    page.get_by_role("button", name="Use your passkey").click()
    page.wait_for_url(f"{address}/admin/")
    assert complaints == []


def test_a_passkey_that_is_not_known_here_opens_nothing_and_says_so(
    page: Page, live_server: Any
) -> None:
    page.goto(live_server.url.replace("127.0.0.1", "localhost") + "/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_role("alert").wait_for()
    assert "Try again, or use another way" in page.get_by_role("alert").inner_text()
