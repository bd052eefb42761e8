"""How fast documents are printed, beside WeasyPrint as it comes, on the same page in one run."""

import logging
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from weasyprint import HTML
from weasyprint.text.fonts import FontConfiguration

from billing.bench.company import FIRST_BILL, in_own_database, make_seller
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice
from billing.invoicing.pdf import html_of
from billing.invoicing.press import FONT_SCHEME, FONTS, STYLESHEET, press
from billing.invoicing.printing import print_measured

TOLD_EVERY = 20


@dataclass
class PageFigures:
    """Pages a second of each way; ``ratio`` is ours, through the renderer's process, to default."""

    ratio: float
    pages_per_s: float
    default_per_s: float
    in_process_per_s: float
    peak_mb: float


def measure_pages(count: int, *, on_step: Callable[[str], None] = lambda step: None) -> PageFigures:
    """Print an invoice ``count`` times each way, page by page in turns; the medians."""
    with in_own_database():
        seller = make_seller(1, name="Pages")
        bill_due(seller, FIRST_BILL)
        html = html_of(Invoice.objects.get())
    peak_bytes = print_measured(html).peak_bytes
    ways = (lambda: print_measured(html), _default(html), lambda: press().print(html))
    for way in ways:
        way()
    # A machine's pace changes from second to second, so a page is compared with the one beside it.
    turns = []
    for number in range(1, count + 1):
        if number % TOLD_EVERY == 0:
            on_step(f"page {number} of {count}")
        turns.append([_seconds(way) for way in ways])
    middle = [1 / statistics.median(seconds) for seconds in zip(*turns, strict=True)]
    return PageFigures(
        ratio=round(statistics.median(default / ours for ours, default, _ in turns), 2),
        pages_per_s=round(middle[0], 2),
        default_per_s=round(middle[1], 2),
        in_process_per_s=round(middle[2], 2),
        peak_mb=round(peak_bytes / 1_000_000, 1),
    )


def _default(html: str) -> Callable[[], object]:
    """What WeasyPrint's first page teaches, with its fonts kept: ``HTML(string=…).write_pdf()``."""
    # It would tell of each step of each page.
    logging.getLogger("weasyprint.progress").setLevel(logging.WARNING)
    fonts = FontConfiguration()
    style = STYLESHEET.read_text().replace(FONT_SCHEME, f"{FONTS.as_uri()}/")
    page = re.sub("</head>", lambda _: f"<style>{style}</style></head>", html, count=1)
    return lambda: HTML(string=page).write_pdf(font_config=fonts, pdf_tags=True)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
