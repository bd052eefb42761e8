"""The client of the sandbox: a gateway that moves no money, in a process of its own."""

import base64
import binascii
import calendar
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import requests
from requests.exceptions import ConnectTimeout, RequestException
from urllib3.exceptions import NewConnectionError

from billing.outbound.answers import session, whole_answer
from billing.outbound.gate import Kind, Pass
from billing.payments.gateways.base import (
    KEY_USED_BEFORE,
    Charge,
    ChargeRequest,
    GatewayRefused,
    GatewayUnavailable,
    GatewayUnclear,
    Headers,
    Method,
    Notice,
    RefundMade,
    Session,
    asking,
    may_leave,
    refuse_in_transaction,
)

# A call ends by the last of them, so that a gateway that hangs ends before its caller is ended.
CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 3, 10, 15
ANSWER_BYTES_MAX = 2_000_000
HOOK_AGE_SECONDS_MAX = 5 * 60
CONFLICT = 409
STATUSES = frozenset({"succeeded", "failed", "requires_action", "canceled"})
SESSION_STATUSES = frozenset({"open", "complete", "expired"})


class Sandbox:
    """Speaks HTTP to one sandbox. What it cannot make sense of it calls unclear."""

    name: ClassVar[str] = "sandbox"
    is_for_tests: ClassVar[bool] = True

    def __init__(self, url: str, key: str, hook_secret: str) -> None:
        self._url, self._hook_secret = url.rstrip("/"), hook_secret
        self._told_at: datetime | None = None
        self._session = session()
        self._session.headers["Authorization"] = f"Bearer {key}"

    # Customers and cards

    def add_customer(self, key: str, *, reference: str, name: str, email: str) -> str:
        body = {"reference": reference, "name": name, "email": email}
        answer = self._post(Kind.CARD, "/customers", body, key)
        return _understood(lambda: _id(answer["id"]))

    def get_method(self, gateway_id: str) -> Method:
        answer = self._get(f"/payment_methods/{_id(gateway_id)}")
        return _understood(lambda: _method(answer))

    def leave_card(self, key: str, *, customer: str, number: str) -> str:
        """Leave one of the sandbox's test cards, as a customer does in its page; the card's id.

        No other gateway is told a number by us, so this is no part of what Kvitt asks of one.
        """
        card = {"customer": customer, "card_number": number}
        answer = self._post(Kind.CARD, "/payment_methods", card, key)
        return _understood(lambda: _id(answer["id"]))

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
            answer = self._post(Kind.CHARGE, "/charges", body, request.key, request.seller)
        except GatewayRefused as refused:
            if refused.details["status"] != CONFLICT:
                raise
            # Another request with this key is still at work, and may yet charge.
            raise GatewayUnclear(refused.message) from refused
        return _understood(lambda: _charge(answer))

    def get_charge(self, gateway_id: str) -> Charge:
        answer = self._get(f"/charges/{_id(gateway_id)}")
        return _understood(lambda: _charge(answer))

    def charges_of(self, reference: str) -> Sequence[Charge]:
        answer = self._get("/charges", reference=reference)
        return _understood(lambda: [_charge(each) for each in answer["data"]])

    def charges_since(self, at: datetime, after: str = "") -> Sequence[Charge]:
        answer = self._get("/charges", since=at.isoformat(), after=after)
        return _understood(lambda: [_charge(each) for each in answer["data"]])

    def refunds_since(self, at: datetime, after: str = "") -> Sequence[RefundMade]:
        answer = self._get("/refunds", since=at.isoformat(), after=after)
        return _understood(lambda: [_refund(each) for each in answer["data"]])

    def clock(self) -> datetime | None:
        self._get("/events", limit="1")
        return self._told_at

    def cancel_charge(self, gateway_id: str) -> Charge:
        answer = self._post(
            Kind.WITHDRAWAL, f"/charges/{_id(gateway_id)}/cancel", {}, f"cancel-{gateway_id}"
        )
        return _understood(lambda: _charge(answer))

    def refund(self, key: str, *, charge: str, amount_minor: int, reference: str) -> RefundMade:
        body = {"charge": charge, "amount_minor": amount_minor, "reference": reference}
        answer = self._post(Kind.REFUND, "/refunds", body, key)
        return _understood(lambda: _refund(answer))

    def refunds_of(self, reference: str) -> Sequence[RefundMade]:
        answer = self._get("/refunds", reference=reference)
        return _understood(lambda: [_refund(each) for each in answer["data"]])

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
        amount_minor: int | None = None,
        currency: str = "",
    ) -> Session:
        body: dict[str, Any] = {
            "kind": "setup",
            "customer": customer,
            "reference": reference,
            "return_url": return_url,
            "locale": locale,
        }
        kind = Kind.CARD
        if amount_minor is not None:
            kind = Kind.CHARGE
            body |= {"kind": "payment", "amount_minor": amount_minor, "currency": currency}
        answer = self._post(kind, "/sessions", body, key, seller)
        return _understood(lambda: _session(answer))

    def get_session(self, gateway_id: str) -> Session:
        answer = self._get(f"/sessions/{_id(gateway_id)}")
        return _understood(lambda: _session(answer))

    def expire_session(self, gateway_id: str) -> Session:
        answer = self._post(
            Kind.WITHDRAWAL, f"/sessions/{_id(gateway_id)}/expire", {}, f"expire-{gateway_id}"
        )
        return _understood(lambda: _session(answer))

    # What it tells

    def events_after(self, event_id: str, limit: int) -> Sequence[Notice]:
        asked = {"after": event_id} if event_id else {}
        answer = self._get("/events", limit=str(limit), **asked)
        return _understood(lambda: [_notice(each, json.dumps(each)) for each in answer["data"]])

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
            raise GatewayRefused("This hook is no event.") from error
        if notice.event_id != event_id:
            raise GatewayRefused("This hook names two events.")
        return notice

    # HTTP

    def _get(self, path: str, **asked: str) -> dict[str, Any]:
        return self._call(may_leave(Kind.QUESTION), "GET", path, params=asked)

    def _post(
        self, kind: Kind, path: str, body: dict[str, Any], key: str, seller: str | None = None
    ) -> dict[str, Any]:
        allowed = may_leave(kind, seller)
        return self._call(allowed, "POST", path, json=body, headers={"Idempotency-Key": key})

    def _call(self, allowed: Pass, method: str, path: str, **options: Any) -> dict[str, Any]:
        refuse_in_transaction()
        with asking(self.name):
            return _answer(*self._exchange(allowed, method, path, **options))

    def _exchange(self, allowed: Pass, method: str, path: str, **options: Any) -> tuple[int, bytes]:
        try:
            response, content = whole_answer(
                allowed,
                self._session,
                method,
                f"{self._url}/v1{path}",
                until=time.monotonic() + ANSWER_SECONDS,
                bytes_max=ANSWER_BYTES_MAX,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                **options,
            )
        except ConnectTimeout as error:
            raise GatewayUnavailable("The sandbox cannot be reached.") from error
        except RequestException as error:
            if _was_never_connected(error):
                raise GatewayUnavailable("The sandbox cannot be reached.") from error
            raise GatewayUnclear(f"The sandbox broke off: {type(error).__name__}.") from error
        self._told_at = _date_of(response)
        return response.status_code, content


def _was_never_connected(error: RequestException) -> bool:
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, NewConnectionError)


def _date_of(response: requests.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers["Date"])
    except (LookupError, ValueError):
        return None


def _answer(status: int, content: bytes) -> dict[str, Any]:
    """The JSON of a clear yes; else the error that tells how clear the no is."""
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if status in (200, 201) and isinstance(answer, dict):
        return answer
    error = answer.get("error") if isinstance(answer, dict) else None
    code = str(error.get("code", "")) if isinstance(error, dict) else ""
    said = f"The sandbox answered {status} {code}".strip() + "."
    if status in (401, 403, 429):
        raise GatewayUnavailable(said)
    # A key that is in use, or was used for something else, tells of a charge that may be there.
    if not code or status >= 500 or "idempotency" in code or not 400 <= status:
        raise GatewayUnclear(said, code=KEY_USED_BEFORE if "mismatch" in code else None)
    raise GatewayRefused(said, code=code[:60], status=status)


def _understood[Answer](read: Callable[[], Answer]) -> Answer:
    try:
        return read()
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise GatewayUnclear("The sandbox's answer makes no sense.") from error


def _id(gateway_id: str) -> str:
    """An id as part of a path; the gateway's ids are plain words."""
    if not re.fullmatch(r"[A-Za-z0-9_]{1,80}", gateway_id):
        raise GatewayUnclear(f"{gateway_id[:80]!r} is no id of the sandbox's.")
    return gateway_id


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
