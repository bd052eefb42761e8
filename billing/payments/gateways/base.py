"""What Kvitt asks of a payment gateway, and the three ways in which one may not answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, auto
from typing import ClassVar, Protocol

from billing.base import clock
from billing.engine.declines import Decline
from billing.engine.errors import BillingError
from billing.outbound.gate import Held, Kind, Pass, pass_out
from customers.models import Seller

# The code of GatewayUnclear where a key was used before, for a request in other words.
KEY_USED_BEFORE = "key_used_before"


class GatewayError(BillingError):
    """The parent of what a gateway's client raises."""

    code = "gateway_error"


class GatewayUnavailable(GatewayError):
    """Raised when it is certain that the gateway has done nothing: it was not reached."""

    code = "gateway_unavailable"


class GatewayHeld(GatewayUnavailable):
    """Raised when our own gate lets nothing of the kind out now; it is tried again by itself."""

    code = "gateway_held"


class GatewayLeft(GatewayHeld):
    """Raised when an account has not answered too often in this turn, and is not asked again in it.

    Nothing was done, and nothing counts as an attempt.
    """

    code = "gateway_left"


class GatewayRefused(GatewayError):
    """Raised when the gateway has clearly said no, with its code and sentence."""

    code = "gateway_refused"


class GatewayUnclear(GatewayError):
    """Raised when nobody can tell what the gateway has done: only asking it later will."""

    code = "gateway_unclear"


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """What to charge, in minor units; ``reference`` is what both sides know it by.

    ``seller`` is the public id of whose charge it is, for the gate.
    """

    key: str
    customer: str
    payment_method: str
    amount_minor: int
    currency: str
    reference: str
    seller: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge as the gateway has it: succeeded, failed, requires_action, canceled or pending.

    ``failure_code`` is the gateway's own word. ``is_hard`` says that the card will never be
    accepted again.
    """

    gateway_id: str
    status: str
    amount_minor: int
    currency: str
    reference: str
    failure_code: str = ""
    is_hard: bool = False
    action_url: str = ""
    refunded_minor: int = 0
    customer: str = ""
    payment_method: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefundMade:
    """A refund as the gateway has it."""

    gateway_id: str
    charge: str
    amount_minor: int
    currency: str
    reference: str


@dataclass(frozen=True, slots=True)
class Method:
    """A card as the gateway shows it, without its number."""

    gateway_id: str
    customer: str
    brand: str
    last4: str
    expires_on: date | None


@dataclass(frozen=True, slots=True)
class Session:
    """A hosted page: open, complete or expired; the ids of what came of it."""

    gateway_id: str
    status: str
    url: str
    customer: str
    payment_method: str = ""
    charge: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """One event of the gateway: whose ``body`` is the JSON as it came."""

    event_id: str
    type: str
    body: str


class About(Enum):
    """What a notice may be about."""

    CHARGE = auto()
    REFUND = auto()
    SESSION = auto()


@dataclass(frozen=True, slots=True)
class Subject:
    """What a notice is about: its id at the gateway, and our reference.

    ``status`` is that of a charge, in the words of :class:`Charge`; empty where it is not told.
    """

    kind: About
    gateway_id: str
    reference: str
    status: str = ""


class Purpose(Enum):
    """What a gateway is needed for."""

    CHARGE = auto()  # A card that was kept is charged.
    PAY_ON_PAGE = auto()  # Somebody pays on a page of the gateway's.
    KEEP_METHOD = auto()  # Somebody leaves a card there, for charges to come.


class Gateway(Protocol):
    """An account at a payment gateway. Every method may raise each of the three errors.

    What changes something takes a key: the same key twice is one change.
    """

    name: ClassVar[str]

    def add_customer(self, key: str, *, reference: str, name: str, email: str) -> str: ...

    def charge(self, request: ChargeRequest) -> Charge: ...

    def get_charge(self, gateway_id: str) -> Charge: ...

    def charges_of(self, reference: str) -> Sequence[Charge]: ...

    def charges_since(self, at: datetime, after: str = "") -> Sequence[Charge]:
        """Those made since an instant, oldest first: a page, from the one after ``after``."""
        ...

    def refunds_since(self, at: datetime, after: str = "") -> Sequence["RefundMade"]: ...

    def clock(self) -> datetime | None:
        """What time it is for the gateway, to the second; None where it does not say."""
        ...

    def cancel_charge(self, gateway_id: str) -> Charge: ...

    def refund(self, key: str, *, charge: str, amount_minor: int, reference: str) -> RefundMade: ...

    def refunds_of(self, reference: str) -> Sequence[RefundMade]: ...

    def get_method(self, gateway_id: str) -> Method: ...

    def open_session(
        self,
        key: str,
        *,
        customer: str,
        reference: str,
        return_url: str,
        locale: str,
        seller: str,
        seller_name: str,
        amount_minor: int | None = None,
        currency: str = "",
    ) -> Session: ...

    def get_session(self, gateway_id: str) -> Session: ...

    def expire_session(self, gateway_id: str) -> Session: ...

    def events_after(self, event_id: str, limit: int) -> Sequence[Notice]: ...

    def read_hook(self, headers: "Headers", body: bytes, now_seconds: int) -> Notice: ...


class GatewayKind(Protocol):
    """A gateway by the name that stands on rows, and the accounts that there are at it.

    ``how_to_set_up`` is a sentence for who has no account yet.
    """

    name: str
    is_for_tests: bool
    purposes: frozenset[Purpose]
    how_to_set_up: str

    def accounts(self) -> Sequence[Gateway]:
        """All that can be called: each is polled, and what is told may be of any of them."""
        ...

    def account_of(self, seller: Seller) -> Gateway | None:
        """The one by which a seller's money moves; None where there is none."""
        ...

    def subject_of(self, notice: Notice) -> Subject | None:
        """What a notice is about; None where it is nothing that we know of, or makes no sense.

        A notice is read as it was kept, also where its account is there no more.
        """
        ...

    def decline_of(self, code: str) -> Decline:
        """What a code of the gateway's means, of a charge that failed or was refused."""
        ...


class Headers(Protocol):
    """The headers of a request, by name in any case."""

    def get(self, name: str, default: str, /) -> str | None: ...


def may_leave(kind: Kind, seller: str | None = None) -> Pass:
    """The gate's pass, asked for before any row is touched and again before the call.

    Raises :class:`GatewayHeld`: nothing was done, and nothing counts as an attempt.
    """
    try:
        allowed = pass_out(kind, seller)
    except Held as held:
        raise GatewayHeld(held.message, code=held.code) from held
    if kind is Kind.CHARGE and clock.is_ahead():
        raise GatewayHeld(
            "This machine's clock is ahead of the database's: nothing is charged by it.",
            code="clock_ahead",
        )
    return allowed
