"""What a browser must be told before a page of a shop, on another site, may ask and be answered.

Any page may: nothing here is known by a cookie, so who has no key gets no further than without a
browser. It is told of those addresses alone that a publishable key opens, for a secret one has no
business in a page.
"""

from collections.abc import Iterable
from typing import Any

SECONDS_KEPT = 7200


def for_pages(answer: Any, methods: Iterable[str]) -> Any:
    """The answer, with what the browser asks before the request, and what it asks after."""
    said = {
        "Allow-Origin": "*",
        "Allow-Methods": ", ".join(methods),
        "Allow-Headers": "Authorization, Content-Type, Idempotency-Key",
        "Expose-Headers": "Idempotency-Replayed, RateLimit, RateLimit-Policy, Retry-After, "
        "X-Request-Id",
        "Max-Age": str(SECONDS_KEPT),
    }
    for name, value in said.items():
        answer.headers[f"Access-Control-{name}"] = value
    return answer
