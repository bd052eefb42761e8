"""WeasyPrint with all that pages share. Lives in the renderer's process, without Django."""

import functools
import logging
import re
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import ParseError, fromstring

from cssselect2 import ElementWrapper
from weasyprint import CSS, HTML
from weasyprint.css.counters import CounterStyle
from weasyprint.html import UA
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

logger = logging.getLogger(__name__)

_ROOT: Final = Path(__file__).resolve().parents[2]
STYLESHEET: Final = _ROOT / "templates" / "invoicing" / "document.css"
FONTS: Final = _ROOT / "static" / "fonts"
# The style sheet names fonts so. The scheme exists nowhere else, so no path can be smuggled in.
FONT_SCHEME: Final = "kvitt-font:"
FONT_FILES: Final = frozenset(
    f"inter-{script}-{weight}.woff2" for script in ("latin", "latin-ext") for weight in (400, 600)
)
# As in snapshots.py, which needs Django.
LOGO_PREFIX: Final = "data:image/png;base64,"
# Logos come back with every page of their seller; no more are kept than memory has room for.
IMAGES_KEPT_MAX: Final = 64


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


# WeasyPrint's own rules for HTML, less those for a page's margins, which our sheet says itself, and
# those that ready each element to be an item of a list or a note, which our pages do not have: six
# styles for each element take a fourteenth of the time.
ELEMENTS: Final = CSS(
    string=re.sub(r"^::[^\n]*|^@page \{.*?^\}", "", UA, flags=re.MULTILINE | re.DOTALL),
    counter_style=CounterStyle(),
)


class Page(HTML):
    """A page of ours, whose elements are shown as ``ELEMENTS`` says where our sheet is silent.

    Our templates are well-formed XML, which is read in a tenth of the time that HTML takes: a
    fourteenth of a page's. A page with a character that XML forbids is read as HTML.
    """

    def __init__(self, html: str, fetcher: URLFetcher) -> None:
        try:
            # Whatever a customer wrote is escaped, so no page can declare an entity.
            root = fromstring(html)  # noqa: S314
        except ParseError:
            super().__init__(string=html, url_fetcher=fetcher)
            return
        self.base_url, self.url_fetcher, self.media_type = None, fetcher, "print"
        self.wrapper_element = ElementWrapper.from_html_root(root, content_language=None)
        self.etree_element = self.wrapper_element.etree_element

    def _ua_stylesheets(self, forms: bool = False) -> list[CSS]:
        return [ELEMENTS]


class Press:
    """What pages share: one fetcher, the parsed style sheet with its fonts, decoded logos.

    WeasyPrint would make each anew for every page, a TLS context for the fetcher among them.
    """

    def __init__(self) -> None:
        self.fetcher = PackagedAssetsOnly()
        self.fonts = FontConfiguration()
        self.counters = CounterStyle()
        self.stylesheet = CSS(
            string=STYLESHEET.read_text(),
            font_config=self.fonts,
            counter_style=self.counters,
            url_fetcher=self.fetcher,
        )
        self.images: dict[Any, Any] = {}

    def print(self, html: str) -> bytes:
        """A page of ours as PDF; the same bytes each time."""
        if len(self.images) > IMAGES_KEPT_MAX:
            self.images.clear()
        page = Page(html, self.fetcher)
        pdf = page.write_pdf(
            stylesheets=[self.stylesheet],
            font_config=self.fonts,
            counter_style=self.counters,
            cache=self.images,
            presentational_hints=False,
            pdf_tags=True,
        )
        return bytes(pdf)


@functools.cache
def press() -> Press:
    """The one press of a process."""
    return Press()
