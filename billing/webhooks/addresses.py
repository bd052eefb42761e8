"""Which addresses a webhook may go to: public ones, over https, and nothing inside our own network.

An address is looked at twice. What is written is checked when it is given; where it leads is
resolved when something is sent, and the connection goes to the very address that was checked, so
that a name that answers differently a second time gains nothing.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from billing.engine.errors import Refused

PORTS = frozenset({443, 8443})
LENGTH_MAX = 2000
# Public by number, and yet inside: the metadata service of Azure, and relays of old tunnels.
REFUSED_NETWORKS = tuple(
    map(ipaddress.ip_network, ("168.63.129.16/32", "192.88.99.0/24", "2001::/23", "2002::/16"))
)
# What is handed out on the internet. NAT64, mapped and compatible addresses lie outside of it.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# One label of a host name; a last label of digits would make the whole a number.
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)

type SocketAddress = tuple[socket.AddressFamily, tuple[str, int]]


class AddressRefused(Refused):
    """Raised for an address that webhooks are not sent to; the sentence says what is wrong."""

    code = "webhook_url_refused"


@dataclass(frozen=True, slots=True)
class Target:
    """A checked address, taken apart; ``host`` in ASCII, ``path`` with its query."""

    is_secure: bool
    host: str
    port: int
    path: str
    is_allowed_inside: bool

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.is_secure else 80
        return host if self.port == usual else f"{host}:{self.port}"


def target_of(url: str) -> Target:
    """Take an address apart and check how it is written; asks nobody.

    Raises :class:`AddressRefused`.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise AddressRefused(
            "Write the address in plain ASCII, without spaces; a name such as bücher.example as "
            "xn--bcher-kva.example."
        )
    if len(url) > LENGTH_MAX:
        raise AddressRefused(f"An address has at most {LENGTH_MAX} characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressRefused("This is not an address on the web.") from error
    is_secure = parts.scheme == "https"
    is_inside = host in settings.WEBHOOK_ALLOWED_HOSTS
    if not is_secure and not (is_inside and parts.scheme == "http"):
        raise AddressRefused("Webhooks are sent over https only. Use an https:// address.")
    if "@" in parts.netloc:
        raise AddressRefused("An address must not contain a user name or password.")
    if "#" in url:
        raise AddressRefused("An address must not contain a fragment (#…).")
    port = port if port is not None else (443 if is_secure else 80)
    if not is_inside:
        _check_host(host)
        if port not in PORTS:
            raise AddressRefused("Webhooks are sent to ports 443 and 8443 only.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_secure, host, port, path, is_inside)


def _check_host(host: str) -> None:
    if ":" in host:
        _check_public(host)
        return
    labels = host.removesuffix(".").split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        _check_number(host)
    elif len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        raise AddressRefused(f"{host[:100] or 'Nothing'} is not a host name on the internet.")


def _check_number(host: str) -> None:
    """Numbers are four decimal ones, and not 0177.1, 0x7f000001 or 2130706433."""
    try:
        ipaddress.IPv4Address(host)
    except ValueError as error:
        raise AddressRefused(f"{host[:100]} is not a host name on the internet.") from error
    _check_public(host)


def resolve(target: Target) -> Sequence[SocketAddress]:
    """Where a target is, asked once: connect to one of these and ask no more.

    One answer that is not public makes all of them refused, for we cannot know which was meant.
    Raises :class:`AddressRefused`, and ``OSError`` where the name does not resolve.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = []
    for family, _, _, _, address in found:
        if not target.is_allowed_inside:
            _check_public(str(address[0]))
        addresses.append((family, (str(address[0]), target.port)))
    return addresses


def _check_public(text: str) -> None:
    if not is_public(text):
        raise AddressRefused(f"{text} is not an address on the internet.")


def is_public(text: str) -> bool:
    """Whether a numeric address is one that anybody on the internet may be reached at."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (
        address.scope_id is not None or address not in GLOBAL_UNICAST
    ):
        return False
    is_usual = address.is_global and not address.is_multicast and not address.is_reserved
    return is_usual and not any(
        address in network for network in REFUSED_NETWORKS if network.version == address.version
    )
