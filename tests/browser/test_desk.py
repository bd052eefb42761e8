"""The desk in a real browser 1280 pixels wide, by day and by night."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from customers.actions import change_details
from customers.models import Customer
from tests.admin.conftest import NOON
from tests.admin.rows import fill
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


@pytest.fixture(params=["light", "dark"])
def desk(
    window: Browser, live_server: LiveServer, rows: Any, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A superuser's page; what the browser complains of on its console fails the test."""
    client = Client()
    client.force_login(User.objects.create_superuser("anna"))
    context = window.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme=request.param
    )
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


def test_a_seller_is_chosen_and_let_go_again(desk: Page) -> None:
    desk.get_by_label("Seller").select_option(label="Blå Bönan 1 (test)")
    expect(desk.get_by_role("heading", name="How it goes, Blå Bönan 1")).to_be_visible()
    desk.locator("#nav-sidebar-apps").get_by_role("link", name="Customers", exact=True).click()
    expect(desk.get_by_text("Shown is what belongs to Blå Bönan 1.")).to_be_visible()
    listed = desk.locator("#result_list tbody")
    expect(listed).to_have_count(1)
    desk.get_by_role("button", name="Show all sellers").click()
    expect(listed).to_have_count(2)
