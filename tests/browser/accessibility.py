"""What axe-core finds on a page, by the rules of WCAG 2.2 AA and its own best practices."""

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

SOURCE = Path(__file__).resolve().parents[1] / "vendor" / "axe-4.14.1.min.js"


@cache
def _axe() -> str:
    return SOURCE.read_text()


def complaints_of(page: Page) -> list[str]:
    """Rule, selector and reason of each violation; empty where all is well."""
    # Evaluated by the browser's debugger, since the page's policy lets no script in.
    page.evaluate(_axe())
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found
        for node in violation["nodes"]
    ]
