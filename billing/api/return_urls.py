"""Where customers may be sent back to: addresses that are given with a secret key, and safe ones.

A publishable key stands in pages that anybody reads, so what comes with one could come from
anybody: it may only send people to the seller's own website.
"""

from urllib.parse import urlsplit

from billing.api.errors import ApiError
from billing.api.keys import Caller
from billing.api.models import ApiKey

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_return_url(url: str, caller: Caller, attr: str) -> str:
    """The address, or 422 "return_url_refused": https only, but for tests on this machine.

    No user names and no spaces that browsers read otherwise than we do.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    has_tricks = any(ord(mark) <= 32 or mark in "\\\x7f" for mark in url)
    if not host or parts.username is not None or has_tricks:
        raise _refused(attr, "This is not an address that a customer can be sent to.")
    is_local = host in LOOPBACK and not caller.seller.is_live
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise _refused(attr, "Customers are sent to https addresses only.")
    if caller.kind == ApiKey.Kind.PUBLISHABLE and host != _website(caller):
        raise _refused(attr, "With a publishable key this must be the seller's own website.")
    return url


def _website(caller: Caller) -> str | None:
    return urlsplit(caller.seller.website).hostname


def _refused(attr: str, detail: str) -> ApiError:
    return ApiError(422, "return_url_refused", detail, attr=attr)
