"""The client of the sandbox: a gateway that moves no money, in a process of its own."""

import base64
import binascii
import calendar
import hashlib
import hmac
import json
import os
import re
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, ClassVar

from django.conf import settings

from billing.engine.declines import Decline
from billing.outbound.gate import Kind
from billing.payments.gateways.base import (
    About,
    Charge,
    ChargeRequest,
    GatewayRefused,
    GatewayUnclear,
    Headers,
    Method,
    Notice,
    Purpose,
    RefundMade,
    Session,
    Subject,
)
from billing.payments.gateways.http import Caller, ErrorSaid, Key
from billing.payments.gateways.sandbox.declines import decline_of
from customers.models import Seller

HOOK_AGE_SECONDS_MAX = 5 * 60
CONFLICT = 409
STATUSES = frozenset({"succeeded", "failed", "requires_action", "canceled"})
SUBJECTS = {"charge": About.CHARGE, "refund": About.REFUND, "session": About.SESSION}
SESSION_STATUSES = frozenset({"open", "complete", "expired"})


class Sandbox:
    """Speaks HTTP to one sandbox. What it cannot make sense of it calls unclear."""

    name: ClassVar[str] = "sandbox"

    def __init__(self, url: str, key: str, hook_secret: str) -> None:
        self._hook_secret = hook_secret
        self._caller = Caller(
            self.name,
            f"{url.rstrip('/')}/v1",
            title="The sandbox",
            headers={"Authorization": f"Bearer {key}"},
            read_error=_error,
        )

    # Customers and cards

    def add_customer(self, key: str, *, reference: str, name: str, email: str) -> str:
        body = {"reference": reference, "name": name, "email": email}
        return self._caller.post(Kind.CARD, "/customers", _id_of, body=body, key=key)

    def get_method(self, gateway_id: str) -> Method:
        return self._caller.get(f"/payment_methods/{_id(gateway_id)}", _method)

    def leave_card(self, key: str, *, customer: str, number: str) -> str:
        """Leave one of the sandbox's test cards, as a customer does in its page; the card's id.

        No other gateway is told a number by us, so this is no part of what Kvitt asks of one.
        """
        card = {"customer": customer, "card_number": number}
        return self._caller.post(Kind.CARD, "/payment_methods", _id_of, body=card, key=key)

    # Charges and refunds

    def charge(self, request: ChargeRequest) -> Charge:
        body = {
            "customer": request.customer or self.get_method(request.payment_method).customer,
            "payment_method": request.payment_method,
            "amount_minor": request.amount_minor,
            "currency": request.currency,
            "reference": request.reference,
            "metadata": dict(request.metadata),
        }
        try:
            return self._caller.post(
                Kind.CHARGE,
                "/charges",
                _charge,
                body=body,
                key=request.key,
                seller=request.seller,
            )
        except GatewayRefused as refused:
            if refused.details["status"] != CONFLICT:
                raise
            # Another request with this key is still at work, and may yet charge.
            raise GatewayUnclear(refused.message) from refused

    def get_charge(self, gateway_id: str) -> Charge:
        return self._caller.get(f"/charges/{_id(gateway_id)}", _charge)

    def charges_of(self, reference: str) -> Sequence[Charge]:
        return self._caller.get("/charges", _charges, reference=reference)

    def charges_since(self, at: datetime, after: str = "") -> Sequence[Charge]:
        return self._caller.get("/charges", _charges, since=at.isoformat(), after=after)

    def refunds_since(self, at: datetime, after: str = "") -> Sequence[RefundMade]:
        return self._caller.get("/refunds", _refunds, since=at.isoformat(), after=after)

    def clock(self) -> datetime | None:
        self._caller.get("/events", dict, limit="1")
        return self._caller.told_at

    def cancel_charge(self, gateway_id: str) -> Charge:
        path = f"/charges/{_id(gateway_id)}/cancel"
        return self._caller.post(
            Kind.WITHDRAWAL, path, _charge, body={}, key=f"cancel-{gateway_id}"
        )

    def refund(self, key: str, *, charge: str, amount_minor: int, reference: str) -> RefundMade:
        body = {"charge": charge, "amount_minor": amount_minor, "reference": reference}
        return self._caller.post(Kind.REFUND, "/refunds", _refund, body=body, key=key)

    def refunds_of(self, reference: str) -> Sequence[RefundMade]:
        return self._caller.get("/refunds", _refunds, reference=reference)

    # Hosted pages

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
    ) -> Session:
        body: dict[str, Any] = {
            "kind": "setup",
            "customer": customer,
            "reference": reference,
            "return_url": return_url,
            "locale": locale,
            "shop": seller_name,
        }
        kind = Kind.CARD
        if amount_minor is not None:
            kind = Kind.CHARGE
            body |= {"kind": "payment", "amount_minor": amount_minor, "currency": currency}
        return self._caller.post(kind, "/sessions", _session, body=body, key=key, seller=seller)

    def get_session(self, gateway_id: str) -> Session:
        return self._caller.get(f"/sessions/{_id(gateway_id)}", _session)

    def expire_session(self, gateway_id: str) -> Session:
        path = f"/sessions/{_id(gateway_id)}/expire"
        return self._caller.post(
            Kind.WITHDRAWAL, path, _session, body={}, key=f"expire-{gateway_id}"
        )

    # What it tells

    def events_after(self, event_id: str, limit: int) -> Sequence[Notice]:
        asked = {"after": event_id} if event_id else {}
        return self._caller.get("/events", _notices, limit=str(limit), **asked)

    def read_hook(self, headers: Headers, body: bytes, now_seconds: int) -> Notice:
        """The event of a hook that the sandbox has signed, by the Standard Webhooks rules.

        Raises :class:`GatewayRefused` for any other: a wrong signature, an old one, no JSON.
        """
        event_id = headers.get("webhook-id", "") or ""
        timestamp = headers.get("webhook-timestamp", "") or ""
        if not self._hook_secret or not re.fullmatch(r"[0-9]{1,12}", timestamp, re.ASCII):
            raise GatewayRefused("This hook is not signed.")
        if abs(now_seconds - int(timestamp)) > HOOK_AGE_SECONDS_MAX:
            raise GatewayRefused("This hook was signed too long ago.")
        signed = f"{event_id}.{timestamp}.".encode() + body
        expected = hmac.new(self._hook_secret.encode(), signed, hashlib.sha256).digest()
        given = (headers.get("webhook-signature", "") or "").split()
        if not any(_is_signature(each, expected) for each in given):
            raise GatewayRefused("The signature of this hook is wrong.")
        try:
            notice = _notice(json.loads(body), body.decode())
        except (ValueError, LookupError, TypeError) as error:
            raise GatewayRefused("This hook is not an event.") from error
        if notice.event_id != event_id:
            raise GatewayRefused("This hook names two events.")
        return notice


class SandboxKind:
    """The sandbox of the settings, which every test seller shares."""

    name = Sandbox.name
    is_for_tests = True
    purposes = frozenset(Purpose)
    how_to_set_up = "Set KVITT_SANDBOX_URL and its key."

    def accounts(self) -> Sequence[Sandbox]:
        if not settings.SANDBOX_URL:
            return []
        # A connection must not be shared with the process that this one was forked from.
        given = (settings.SANDBOX_URL, settings.SANDBOX_KEY, settings.SANDBOX_HOOK_SECRET)
        return [_in_process(os.getpid(), *given)]

    def account_of(self, seller: Seller) -> Sandbox | None:
        return next(iter(self.accounts()), None)

    def subject_of(self, notice: Notice) -> Subject | None:
        try:
            event = json.loads(notice.body)
        except (ValueError, RecursionError):
            return None
        about = event.get("object") if isinstance(event, dict) else None
        kind = SUBJECTS.get(notice.type.partition(".")[0])
        if kind is None or not isinstance(about, dict):
            return None
        gateway_id, reference, status = (about.get(key) for key in ("id", "reference", "status"))
        if not isinstance(gateway_id, str) or not isinstance(reference, str):
            return None
        if "\x00" in gateway_id + reference:
            return None
        if not isinstance(status, str) or status not in STATUSES:
            status = ""
        return Subject(kind, gateway_id, reference, status)

    def decline_of(self, code: str) -> Decline:
        return decline_of(code)


@lru_cache(maxsize=4)
def _in_process(pid: int, url: str, key: str, hook_secret: str) -> Sandbox:
    return Sandbox(url, key, hook_secret)


def _error(answer: Any) -> ErrorSaid:
    error = answer.get("error") if isinstance(answer, dict) else None
    code = str(error.get("code", "")) if isinstance(error, dict) else ""
    if "idempotency" not in code:
        return ErrorSaid(code)
    return ErrorSaid(code, Key.USED_BEFORE if "mismatch" in code else Key.IN_USE)


def _id(gateway_id: str) -> str:
    """An id as part of a path; the gateway's ids are plain words."""
    if not re.fullmatch(r"[A-Za-z0-9_]{1,80}", gateway_id):
        raise GatewayUnclear(f"{gateway_id[:80]!r} is not an id of the sandbox's.")
    return gateway_id


def _id_of(answer: dict[str, Any]) -> str:
    return _id(answer["id"])


def _is_signature(given: str, expected: bytes) -> bool:
    version, _, encoded = given.partition(",")
    try:
        signature = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return version == "v1" and hmac.compare_digest(signature, expected)


def _one_of(value: Any, known: frozenset[str]) -> str:
    if value not in known:
        raise ValueError("an unknown status")
    return str(value)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("no whole number")
    return value


def _charge(answer: dict[str, Any]) -> Charge:
    return Charge(
        gateway_id=_id(answer["id"]),
        status=_one_of(answer["status"], STATUSES),
        amount_minor=_whole(answer["amount_minor"]),
        currency=str(answer["currency"]),
        reference=str(answer["reference"]),
        failure_code=str(answer.get("failure_code") or "")[:60],
        is_hard=bool(answer.get("is_hard")),
        action_url=str(answer.get("action_url") or ""),
        refunded_minor=_whole(answer.get("refunded_minor", 0)),
        customer=str(answer.get("customer") or ""),
        payment_method=str(answer.get("payment_method") or ""),
        metadata=_texts(answer.get("metadata") or {}),
    )


def _charges(answer: dict[str, Any]) -> list[Charge]:
    return [_charge(each) for each in answer["data"]]


def _texts(given: dict[Any, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in given.items()}


def _refund(answer: dict[str, Any]) -> RefundMade:
    if answer["status"] != "succeeded":
        raise ValueError("an unknown status")
    return RefundMade(
        gateway_id=_id(answer["id"]),
        charge=str(answer["charge"]),
        amount_minor=_whole(answer["amount_minor"]),
        currency=str(answer["currency"]),
        reference=str(answer["reference"]),
    )


def _refunds(answer: dict[str, Any]) -> list[RefundMade]:
    return [_refund(each) for each in answer["data"]]


def _method(answer: dict[str, Any]) -> Method:
    year, month = _whole(answer["exp_year"]), _whole(answer["exp_month"])
    return Method(
        gateway_id=_id(answer["id"]),
        customer=_id(answer["customer"]),
        brand=str(answer["brand"])[:40],
        last4=str(answer["last4"])[-4:],
        expires_on=date(year, month, calendar.monthrange(year, month)[1]),
    )


def _session(answer: dict[str, Any]) -> Session:
    return Session(
        gateway_id=_id(answer["id"]),
        status=_one_of(answer["status"], SESSION_STATUSES),
        url=str(answer["url"]),
        customer=str(answer["customer"]),
        payment_method=str(answer.get("payment_method") or ""),
        charge=str(answer.get("charge") or ""),
    )


def _notice(event: Any, body: str) -> Notice:
    event_id, type_ = event["id"], event["type"]
    if not isinstance(event_id, str) or not isinstance(type_, str) or "\x00" in body:
        raise TypeError("no event")
    if not 0 < len(event_id) <= 80 or not 0 < len(type_) <= 60:
        raise ValueError("no event")
    return Notice(event_id, type_, body)


def _notices(answer: dict[str, Any]) -> list[Notice]:
    return [_notice(each, json.dumps(each)) for each in answer["data"]]
