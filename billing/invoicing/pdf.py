"""Documents as PDF, from their own rows and snapshots.

Nothing that a customer or an operator wrote can make the renderer fetch anything: text is escaped,
and the renderer's fetcher knows three addresses, none of which is a path or a host.
"""

from typing import Final

from billing.invoicing.documents import document_in_words, in_its_language
from billing.invoicing.models import Invoice
from billing.invoicing.printing import fill_in, print_html

TEMPLATE: Final = "invoicing/invoice.html"


def render_invoice(invoice: Invoice) -> bytes:
    """The document as an A4 PDF in its own language; the same bytes while it stands as it does.

    Reads the document's rows and snapshots only, so what the seller or the customer has become
    since does not show; what was paid and credited since does. A draft says that it is one.
    Raises ``RenderingFailed``, which changes nothing about the document.
    """
    return print_html(html_of(invoice))


def html_of(invoice: Invoice) -> str:
    """The page that :func:`render_invoice` prints."""
    with in_its_language(invoice):
        return fill_in(TEMPLATE, document_in_words(invoice))
