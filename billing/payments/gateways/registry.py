"""The gateways, by the name that stands on payments."""

import os
from functools import lru_cache

from django.conf import settings

from billing.payments.gateways.base import Gateway, GatewayUnavailable
from billing.payments.gateways.sandbox.client import Sandbox
from customers.models import Seller

# Whatever else stands on a payment, such as "manual", is no gateway: a person moved the money.
NAMES = ("sandbox",)


def configured() -> list[Gateway]:
    """The gateways that can be called with the settings as they are."""
    if not settings.SANDBOX_URL:
        return []
    # A connection must not be shared with the process that this one was forked from.
    return [_sandbox(os.getpid(), settings.SANDBOX_URL, settings.SANDBOX_KEY)]


def gateway(name: str) -> Gateway:
    """The gateway of a name. Raises :class:`GatewayUnavailable` where it is not set up."""
    for one in configured():
        if one.name == name:
            return one
    raise GatewayUnavailable(
        f"The gateway {name} is not set up; set KVITT_{name.upper()}_URL and its key."
    )


def gateways_for(seller: Seller) -> list[Gateway]:
    """Those that may serve a seller: live and test never mix."""
    return [one for one in configured() if one.is_for_tests != seller.is_live]


def serves(seller: Seller) -> bool:
    """Whether any gateway may serve the seller."""
    return bool(gateways_for(seller))


@lru_cache(maxsize=4)
def _sandbox(pid: int, url: str, key: str) -> Sandbox:
    return Sandbox(url, key, settings.SANDBOX_HOOK_SECRET)
