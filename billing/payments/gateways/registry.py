"""Which gateways there are, and by which account a seller's money moves."""

from collections.abc import Iterator, Sequence

from billing.engine.declines import Decline
from billing.payments.gateways.base import (
    Gateway,
    GatewayKind,
    GatewayUnavailable,
    Notice,
    Purpose,
    Subject,
)
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


def subject_of(gateway: str, notice: Notice) -> Subject | None:
    """What a gateway's notice is about; None where it says nothing that we know of."""
    return next((kind.subject_of(notice) for kind in GATEWAYS if kind.name == gateway), None)


def decline_of(gateway: str, code: str) -> Decline:
    """What a gateway's code means; a plain *declined* where nobody can say."""
    known = (kind.decline_of(code) for kind in GATEWAYS if kind.name == gateway)
    return next(known, Decline.DECLINED)


def choose_gateway(seller: Seller, purpose: Purpose) -> Gateway | None:
    """The account of a seller by which something is begun; None where there is none for it."""
    return next(_serving(seller, purpose), None)


def names_for(seller: Seller, purpose: Purpose) -> list[str]:
    """All gateways that do something for a seller, not only the one that is chosen."""
    return [gateway.name for gateway in _serving(seller, purpose)]


def takes_payments(seller: Seller) -> bool:
    """Whether any gateway has a page on which the seller's customers can pay."""
    return choose_gateway(seller, Purpose.PAY_ON_PAGE) is not None


def _serving(seller: Seller, purpose: Purpose) -> Iterator[Gateway]:
    for kind in GATEWAYS:
        # Live and test never mix.
        if kind.is_for_tests != seller.is_live and purpose in kind.purposes:
            if found := kind.account_of(seller):
                yield found
