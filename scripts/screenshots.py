"""Make the pictures of the README from a running demo: ``python scripts/screenshots.py [ADDRESS]``.

Needs Chromium (`CHROMIUM`, or the one on the PATH) and pdftoppm from poppler-utils. Run it after
`make demo` has said that Kvitt is up; the pictures go to docs/images.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "images"
DESK = {"width": 1440, "height": 900}
PAGE = {"width": 760, "height": 900}
# Pictures of the customer's doors are in English, whoever runs this.
LOCALE = "en-GB"
MAILS_SENT_S = 120
USERNAME, PASSWORD = "demo", "kvitt-demo"


def main(address: str) -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not chromium or not shutil.which("pdftoppm"):
        sys.exit("Chromium or pdftoppm is missing: apt install chromium poppler-utils")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=DESK)
        sign_in(page, address)
        page.wait_for_timeout(1000)  # The chart draws itself.
        page.screenshot(path=PICTURES / "front-page.png")
        picture_of_an_invoice(page, address)
        visitor = browser.new_page(viewport=PAGE, locale=LOCALE)
        pictures_of_the_portal(visitor, address)
        picture_of_a_checkout(visitor, address)
        pictures_of_mails(visitor, address)
        browser.close()


def sign_in(page: Page, address: str) -> None:
    page.goto(f"{address}/admin/")
    page.locator("input[type=password]").fill(PASSWORD)
    page.locator("input[autocomplete=username], input[name=username]").first.fill(USERNAME)
    page.locator("form:has(input[type=password]) button[type=submit]").first.click()
    page.wait_for_url(f"{address}/admin/")


def picture_of_an_invoice(page: Page, address: str) -> None:
    """The newest invoice that the demo page points at, as it is printed."""
    page.goto(f"{address}/demo/")
    link = page.locator("a[data-picture=invoice]").first.get_attribute("href")
    answer = page.request.get(f"{address}{link}")
    subprocess.run(  # noqa: S603 -- our own words, and no shell.
        ["pdftoppm", "-singlefile", "-r", "80", "-png", "-", str(PICTURES / "invoice")],  # noqa: S607
        input=answer.body(),
        check=True,
    )


def pictures_of_the_portal(page: Page, address: str) -> None:
    """Of a customer who pays by card and can change between sizes, the first on the demo's page."""
    page.goto(f"{address}/demo/?language=en")
    page.locator("form[action*='/demo/customers/'] button").first.click()
    page.locator("main form button").first.click()
    page.wait_for_url("**/portal/home/")
    if (in_english := page.locator("header button[value=en]")).count():
        in_english.click()
    picture(page, "portal-home")
    page.locator("main a[href*='/portal/subscriptions/']").first.click()
    page.locator("main a[href$='/change/']").click()
    page.locator("main label:has(input[name=plan]:not(:checked))").last.click()
    page.locator("#outcome button[type=submit]").wait_for()
    picture(page, "portal-change")
    page.goto(f"{address}/portal/invoices/")
    page.locator("main a[href*='/portal/invoices/inv']").first.click()
    picture(page, "portal-invoice")


def picture_of_a_checkout(page: Page, address: str) -> None:
    page.goto(f"{address}/demo/?language=en")
    page.locator("form[action$='/demo/buy/'] button").first.click()
    page.wait_for_url("**/pay/c/**")
    picture(page, "checkout")


def pictures_of_mails(page: Page, address: str) -> None:
    """As a mail client shows them: a reminder, and a renewal that is told ahead."""
    for words, name in (("Reminder", "mail-reminder"), ("renews on", "mail-renewal")):
        letter = page.locator(f"main a:has-text('{words}')").first
        page.goto(f"{address}/demo/mail/?language=en")
        for _ in range(MAILS_SENT_S // 2):  # The worker sends them in its first minutes.
            if letter.count():
                break
            page.wait_for_timeout(2000)
            page.reload()
        else:
            print(f"Nobody got a mail with “{words}” today: {name}.png stays as it is.")
            continue
        letter.click()
        page.wait_for_timeout(500)  # The letter is in a frame.
        picture(page, name)


def picture(page: Page, name: str) -> None:
    page.wait_for_load_state()
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/") if len(sys.argv) > 1 else "http://127.0.0.1:8000")
