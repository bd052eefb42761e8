"""Documents as PDF, from their snapshots, by WeasyPrint.

Nothing that a customer or an operator wrote can make the renderer fetch anything: text is escaped,
and the fetcher below knows three addresses, none of which is a path or a host.
"""

import functools
import logging
import threading
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.template.loader import render_to_string
from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from billing.invoicing.documents import document_in_words, in_its_language
from billing.invoicing.models import Invoice
from billing.invoicing.snapshots import LOGO_PREFIX

logger = logging.getLogger(__name__)

TEMPLATE: Final = "invoicing/invoice.html"
STYLESHEET: Final = Path(settings.BASE_DIR) / "templates" / "invoicing" / "invoice.css"
FONTS: Final = Path(settings.BASE_DIR) / "static" / "fonts"
# The style sheet names fonts so. The scheme exists nowhere else, so no path can be smuggled in.
FONT_SCHEME: Final = "kvitt-font:"
FONT_FILES: Final = frozenset(
    f"inter-{script}-{weight}.woff2" for script in ("latin", "latin-ext") for weight in (400, 600)
)

# Every step of every page at INFO would drown what matters.
for _chatty in ("weasyprint.progress", "fontTools"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)

# Pango's font map is the process's and not safe to use from two threads at a time.
_rendering = threading.Lock()


def render_invoice(invoice: Invoice) -> bytes:
    """The document as an A4 PDF in its own language; the same bytes each time.

    Reads the document's rows and snapshots only, so what the seller or the customer has become
    since does not show. A draft says so in place of a number.
    """
    with in_its_language(invoice):
        html = render_to_string(TEMPLATE, document_in_words(invoice))
    return print_html(html)


def print_html(html: str) -> bytes:
    """Lay out a page of ours; any address in it but a font's or a logo's is refused and logged."""
    with _rendering:
        stylesheet, fonts = _style()
        return HTML(string=html, url_fetcher=PackagedAssetsOnly()).write_pdf(
            stylesheets=[stylesheet],
            font_config=fonts,
            presentational_hints=False,
            pdf_tags=True,
        )


class PackagedAssetsOnly(URLFetcher):
    """Hands out the packaged fonts and the letterhead's logo; refuses all else, unread.

    Raises ValueError, which WeasyPrint takes as "not there" and goes on.
    """

    def __init__(self) -> None:
        super().__init__(timeout=1, allowed_protocols=("data",), allow_redirects=False)

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:
        if url.startswith(FONT_SCHEME) and url.removeprefix(FONT_SCHEME) in FONT_FILES:
            font = (FONTS / url.removeprefix(FONT_SCHEME)).read_bytes()
            return URLFetcherResponse(url, font, {"Content-Type": "font/woff2"})
        if url.startswith(LOGO_PREFIX):
            return super().fetch(url, headers)
        logger.error("A document asked for %.200r, which was refused.", url)
        raise ValueError("Documents are printed from packaged files alone.")


@functools.cache
def _style() -> tuple[CSS, FontConfiguration]:
    """The parsed style sheet and its fonts, once a process: six times faster than once a page."""
    fonts = FontConfiguration()
    stylesheet = CSS(
        string=STYLESHEET.read_text(), font_config=fonts, url_fetcher=PackagedAssetsOnly()
    )
    return stylesheet, fonts
