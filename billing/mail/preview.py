"""Showing a mail's HTML on a page of ours, as a mail program would: alone, and able to do nothing.

It is shown in a frame with an address of its own. No script runs there, nothing is fetched, and
the frame is a stranger to the site, however it is opened.
"""

import base64
from collections.abc import Mapping

from django.http import HttpResponse

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
# What the demo's visitors press opens in a window of its own.
POPUPS = "allow-popups allow-popups-to-escape-sandbox"


def isolated_page(
    html: str, pictures: Mapping[str, bytes], *, has_working_links: bool = False
) -> HttpResponse:
    """A mail's HTML with its PNG pictures by content id, for a frame of our own pages only."""
    for name, picture in pictures.items():
        encoded = base64.b64encode(picture).decode()
        html = html.replace(f'"cid:{name}"', f'"data:image/png;base64,{encoded}"')
    policy = f"{_POLICY} {POPUPS}" if has_working_links else _POLICY
    return HttpResponse(
        html,
        headers={
            "Content-Security-Policy": policy,
            "X-Frame-Options": "SAMEORIGIN",
            "Referrer-Policy": "no-referrer",
        },
    )
