"""The API's page in a real browser: it fits a phone, and is dark where the reader's screen is."""

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

pytestmark = pytest.mark.django_db(transaction=True)


BRIGHTNESS = """
element => getComputedStyle(element).backgroundColor.match(/[0-9]+/g).slice(0, 3)
  .reduce((sum, part) => sum + Number(part), 0)
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_the_api_is_readable_on_a_phone_by_day_and_by_night(
    window: Browser, live_server: LiveServer, scheme: str
) -> None:
    context = window.new_context(
        viewport={"width": 360, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{live_server.url}/api/docs/")
    page.locator(".opblock-post .opblock-summary-control").first.click()
    example = page.locator(".responses-table pre").first
    example.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = example.bounding_box()
    assert box is not None
    assert box["width"] > 180
    for place in ("html", "body", ".swagger-ui"):
        painted = page.locator(place).first
        # What paints nothing shows what is behind it.
        if painted.evaluate("element => getComputedStyle(element).backgroundColor.at(-2)") == "0":
            continue
        assert (painted.evaluate(BRIGHTNESS) < 200) is (scheme == "dark"), place
    assert complaints == []
    context.close()
