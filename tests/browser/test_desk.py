"""The desk in a real browser 1280 pixels wide, by day and by night."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from customers.actions import change_details
from customers.models import Customer
from tests.admin.conftest import NOON
from tests.admin.rows import fill
from tests.admin.shown import url
from tests.factories import DAY

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rows(db: None) -> Iterator[dict[Any, Any]]:
    """One of everything of a seller, beside another seller with the same."""
    with time_machine.travel(NOON, tick=True):
        one = fill(1, "Blå Bönan")
        fill(2, "Röda Rosen")
        change_details(one[Customer], as_of=DAY, actor="user:anna", city="Göteborg")
        yield one


@contextmanager
def opened(window: Browser, live_server: LiveServer, **options: Any) -> Iterator[Page]:
    """A superuser's page; what the browser complains of on its console fails the test."""
    client = Client()
    client.force_login(User.objects.create_superuser("anna"))
    context = window.new_context(viewport={"width": 1280, "height": 900}, **options)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{live_server.url}/admin/")
    yield page
    context.close()
    assert said == []


@pytest.fixture(params=["light", "dark"])
def desk(
    window: Browser, live_server: LiveServer, rows: Any, request: pytest.FixtureRequest
) -> Iterator[Page]:
    with opened(window, live_server, color_scheme=request.param) as page:
        yield page


@pytest.fixture
def swedish_desk(window: Browser, live_server: LiveServer, rows: Any) -> Iterator[Page]:
    with opened(window, live_server, locale="sv-SE") as page:
        yield page


def test_a_seller_is_chosen_and_let_go_again(desk: Page) -> None:
    desk.get_by_label("Seller").select_option(label="Blå Bönan 1 (test)")
    expect(desk.get_by_role("heading", name="How it is going, Blå Bönan 1")).to_be_visible()
    desk.locator("#nav-sidebar-apps").get_by_role("link", name="Customers", exact=True).click()
    expect(desk.get_by_text("Only what belongs to Blå Bönan 1 is shown.")).to_be_visible()
    listed = desk.locator("#result_list tbody")
    expect(listed).to_have_count(1)
    desk.get_by_role("button", name="Show all sellers").click()
    expect(listed).to_have_count(2)


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus, as somebody does who has no mouse."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if target.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError(f"Tab never comes to {target}")


def test_a_row_is_added_filled_in_and_saved_by_keyboard_alone(
    swedish_desk: Page, live_server: LiveServer, rows: dict[Any, Any]
) -> None:
    page, customer = swedish_desk, rows[Customer]
    page.goto(f"{live_server.url}{url(Customer, 'change', customer.pk)}")
    tab_to(page, page.locator("summary", has_text="Mer"))
    page.keyboard.press("Enter")
    table = page.locator("#id_metadata")
    count = table.locator("tbody tr").count()
    tab_to(page, table.get_by_role("button", name="Lägg till en rad"))
    page.keyboard.press("Enter")
    expect(table.locator("tbody tr")).to_have_count(count + 1)
    name = table.get_by_label(f"Namn, rad {count + 1}")
    expect(name).to_be_focused()
    page.keyboard.type("Projekt")
    page.keyboard.press("Tab")
    page.keyboard.type("Norra hamnen")
    tab_to(page, page.get_by_role("button", name="Spara", exact=True))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{url(Customer, 'changelist')}")
    customer.refresh_from_db()
    assert customer.metadata == {"note": "Blå Bönan 1", "Projekt": "Norra hamnen"}
