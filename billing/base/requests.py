"""Requests, as everybody who answers some takes them."""

import ipaddress
from collections.abc import Callable

from allauth.account.adapter import get_adapter as get_account_adapter
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

type Handler = Callable[[HttpRequest], HttpResponse]

IPV6_SUBSCRIBER_BITS = 64


def client_address(request: HttpRequest) -> str | None:
    """The address that attempts are counted by; of IPv6 the network that one subscriber has.

    None for who comes through a socket that has no addresses.
    """
    try:
        address = ipaddress.ip_address(get_account_adapter().get_client_ip(request))
    except PermissionDenied:
        return None
    if address.version == 4:
        return str(address)
    network = ipaddress.ip_network((address, IPV6_SUBSCRIBER_BITS), strict=False)
    return str(network.network_address)
