"""Which gateways there are, and by which account a seller's money moves."""

from collections.abc import Iterator, Sequence

from billing.payments.gateways.base import Gateway, GatewayKind, GatewayUnavailable
from billing.payments.gateways.sandbox.client import SandboxKind
from customers.models import Seller

GATEWAYS: tuple[GatewayKind, ...] = (SandboxKind(),)


def is_gateway(name: str) -> bool:
    """Whether a gateway moved the money of what bears the name; else a person did."""
    return name in names()


def names() -> list[str]:
    """All that may stand on rows as a gateway's."""
    return [kind.name for kind in GATEWAYS]


def accounts() -> Iterator[Gateway]:
    """All accounts that can be called with the settings as they are."""
    for kind in GATEWAYS:
        yield from kind.accounts()


def accounts_at(name: str) -> Sequence[Gateway]:
    """Those at one gateway, at least one. Raises :class:`GatewayUnavailable`."""
    kind = _kind(name)
    found = kind.accounts()
    if not found:
        raise _not_set_up(kind)
    return found


def account(name: str, seller: Seller) -> Gateway:
    """A seller's account at a gateway. Raises :class:`GatewayUnavailable` where it has none."""
    kind = _kind(name)
    found = kind.account_of(seller)
    if found is None:
        raise _not_set_up(kind)
    return found


def _kind(name: str) -> GatewayKind:
    for kind in GATEWAYS:
        if kind.name == name:
            return kind
    raise GatewayUnavailable(f"There is no gateway {name}.")


def _not_set_up(kind: GatewayKind) -> GatewayUnavailable:
    return GatewayUnavailable(f"The gateway {kind.name} is not set up. {kind.how_to_set_up}")


def gateways_for(seller: Seller) -> list[Gateway]:
    """Those that may serve a seller: live and test never mix."""
    kinds = (kind for kind in GATEWAYS if kind.is_for_tests != seller.is_live)
    return [found for kind in kinds if (found := kind.account_of(seller))]


def serves(seller: Seller) -> bool:
    """Whether any gateway may serve the seller."""
    return bool(gateways_for(seller))
