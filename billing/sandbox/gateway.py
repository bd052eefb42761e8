"""What the gateway does: customers, cards, charges, refunds, hosted sessions, and their events."""

import functools
import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from . import cards
from .faults import Faults
from .fields import Fields
from .refusals import Refusal
from .replies import error_answer
from .store import instant

type Body = Mapping[str, Any]
type Answer = dict[str, Any]
type Row = sqlite3.Row

SESSION_SECONDS = 24 * 60 * 60
LIST_LENGTH_MAX = 100
CARD_YEARS = 4
LOCALES = ("sv", "en")


class Gateway:
    """The gateway during one transaction, at one instant.

    ``public_url`` is where browsers find the hosted pages; ``has_hooks`` says whether events wait
    to be sent; ``has_recorded`` whether there are new ones.
    """

    def __init__(self, db: sqlite3.Connection, public_url: str, *, has_hooks: bool = False) -> None:
        self.faults = Faults(db)
        self.has_recorded = False
        self._db = db
        self._public_url = public_url
        self._has_hooks = has_hooks
        self._at = instant()
        self._expire_sessions()

    # One effect under one key

    def once(
        self, key: str, asked: str, succeeds_with: int, act: Callable[[], Answer]
    ) -> tuple[int, Answer, bool]:
        """Act, unless there is an answer under this key: status, answer, and whether it is that.

        ``asked`` is all that the caller asked for. A refusal is an answer too: a caller who was
        told no must not find later that the same words, come late, were carried out. Raises
        ``Refusal`` with code ``idempotency_mismatch`` for a key that was used for something else.
        """
        fingerprint = hashlib.sha256(asked.encode()).hexdigest()
        kept = self._db.execute("SELECT * FROM answers WHERE key = ?", (key,)).fetchone()
        if kept and kept["fingerprint"] != fingerprint:
            raise Refusal(
                422, "idempotency_mismatch", "This key was used for another request before."
            )
        if kept:
            return kept["status"], json.loads(kept["body"]), True
        status, answer = succeeds_with, dict[str, Any]()
        self._db.execute("SAVEPOINT deed")
        try:
            answer = act()
        except Refusal as refusal:
            self._db.execute("ROLLBACK TO deed")
            status, answer = refusal.status, error_answer(refusal)
        self._insert(
            "answers",
            key=key,
            fingerprint=fingerprint,
            status=status,
            body=json.dumps(answer),
            created_at=self._at,
        )
        return status, answer, False

    # Customers and their cards

    def create_customer(self, body: Body) -> Answer:
        fields = Fields(body, "reference", "name", "email")
        row = self._insert(
            "customers",
            id=_new_id("cu"),
            reference=fields.text("reference"),
            name=fields.text("name"),
            email=fields.text("email") if body.get("email") else "",
            created_at=self._at,
        )
        return dict(row)

    def create_payment_method(self, body: Body) -> Answer:
        fields = Fields(body, "customer", "card_number", "exp_month", "exp_year")
        customer = self._named(fields, "customers", "customer")
        card = cards.recognise(fields.text("card_number"))
        this_year = int(self._at[:4])
        month = fields.whole_number("exp_month", 1, 12) if "exp_month" in fields else 12
        year = (
            fields.whole_number("exp_year", this_year, this_year + 50)
            if "exp_year" in fields
            else this_year + CARD_YEARS
        )
        return _method_answer(self._keep_card(customer["id"], card, month, year))

    def payment_method(self, method_id: str) -> Answer:
        return _method_answer(self._get("payment_methods", method_id))

    # Charges and refunds

    def create_charge(self, body: Body) -> Answer:
        fields = Fields(
            body,
            "customer",
            "payment_method",
            "amount_minor",
            "currency",
            "reference",
            "metadata",
        )
        customer = self._named(fields, "customers", "customer")
        method = self._named(fields, "payment_methods", "payment_method")
        if method["customer"] != customer["id"]:
            raise Refusal(
                422,
                "payment_method_mismatch",
                "This payment method belongs to another customer.",
                "payment_method",
            )
        charge = self._charge(
            method,
            fields.amount_minor(),
            fields.currency(),
            fields.text("reference"),
            metadata=fields.texts("metadata"),
        )
        return self._charge_answer(charge)

    def charge(self, charge_id: str) -> Answer:
        return self._charge_answer(self._get("charges", charge_id))

    def charges(self, reference: str) -> Answer:
        rows = self._db.execute(
            "SELECT * FROM charges WHERE reference = ? ORDER BY created_at, rowid LIMIT ?",
            (reference, LIST_LENGTH_MAX),
        )
        return {"data": [self._charge_answer(row) for row in rows]}

    def charges_since(self, since: str, after: str) -> Answer:
        """A page of those made since an instant, oldest first, from the one after an id."""
        return {"data": [self._charge_answer(row) for row in self._since("charges", since, after)]}

    def refunds_since(self, since: str, after: str) -> Answer:
        return {"data": [dict(row) for row in self._since("refunds", since, after)]}

    def _since(self, table: str, since: str, after: str) -> list[Row]:
        last = self._get(table, after) if after else None
        number = self._number(table, last["id"]) if last else 0
        return self._db.execute(
            f"SELECT * FROM {table} WHERE created_at >= ? AND rowid > ?"  # noqa: S608 -- _insert.
            " ORDER BY rowid LIMIT ?",
            (since, number, LIST_LENGTH_MAX),
        ).fetchall()

    def _number(self, table: str, row_id: str) -> int:
        query = f"SELECT rowid AS number FROM {table} WHERE id = ?"  # noqa: S608 -- see _insert.
        number: int = self._db.execute(query, (row_id,)).fetchone()["number"]
        return number

    def cancel_charge(self, charge_id: str) -> Answer:
        """Cancel a charge that still waits for its cardholder; a second time changes nothing."""
        charge = self._get("charges", charge_id)
        if charge["status"] == "canceled":
            return self._charge_answer(charge)
        if charge["status"] != "requires_action":
            raise Refusal(
                409, "charge_is_settled", f"This charge has {charge['status']} already; ask for it."
            )
        return self._charge_answer(self._settle(charge, "canceled"))

    def create_refund(self, body: Body) -> Answer:
        fields = Fields(body, "charge", "amount_minor", "reference")
        charge = self._named(fields, "charges", "charge")
        amount_minor = fields.amount_minor()
        reference = fields.text("reference")
        if charge["status"] != "succeeded":
            raise Refusal(409, "charge_not_succeeded", "Only a paid charge can be refunded.")
        left_minor = charge["amount_minor"] - charge["refunded_minor"]
        if amount_minor > left_minor:
            raise Refusal(
                422,
                "refund_too_large",
                f"Of this charge {left_minor} {charge['currency']} (smallest unit) are left.",
                "amount_minor",
            )
        self._db.execute(
            "UPDATE charges SET refunded_minor = refunded_minor + ? WHERE id = ?",
            (amount_minor, charge["id"]),
        )
        refund = self._insert(
            "refunds",
            id=_new_id("re"),
            charge=charge["id"],
            amount_minor=amount_minor,
            currency=charge["currency"],
            reference=reference,
            status="succeeded",
            created_at=self._at,
        )
        self._record("refund.succeeded", dict(refund))
        return dict(refund)

    def refunds(self, reference: str) -> Answer:
        rows = self._db.execute(
            "SELECT * FROM refunds WHERE reference = ? ORDER BY created_at, rowid LIMIT ?",
            (reference, LIST_LENGTH_MAX),
        )
        return {"data": [dict(row) for row in rows]}

    # Hosted sessions

    def create_session(self, body: Body) -> Answer:
        fields = Fields(
            body,
            "kind",
            "customer",
            "amount_minor",
            "currency",
            "reference",
            "return_url",
            "locale",
            "shop",
        )
        kind = fields.choice("kind", "setup", "payment")
        if kind == "setup" and ("amount_minor" in fields or "currency" in fields):
            raise Refusal(422, "invalid", "A setup session has no amount.", "amount_minor")
        locale = fields.text("locale")[:2].lower() if "locale" in fields else "en"
        session = self._insert(
            "sessions",
            id=_new_id("ss"),
            kind=kind,
            customer=self._named(fields, "customers", "customer")["id"],
            amount_minor=fields.amount_minor() if kind == "payment" else None,
            currency=fields.currency() if kind == "payment" else None,
            reference=fields.text("reference"),
            return_url=fields.web_address("return_url"),
            shop=fields.text("shop") if "shop" in fields else "",
            locale=locale if locale in LOCALES else "en",
            status="open",
            form_token=secrets.token_urlsafe(24),
            created_at=self._at,
            expires_at=instant(SESSION_SECONDS),
        )
        return self._session_answer(session)

    def session(self, session_id: str) -> Answer:
        return self._session_answer(self._get("sessions", session_id))

    def expire_session(self, session_id: str) -> Answer:
        """Close a session so that nobody can pay in it; a second time changes nothing."""
        session = self._get("sessions", session_id)
        if session["status"] == "complete":
            raise Refusal(409, "session_is_complete", "This session is complete; ask for it.")
        if session["status"] == "open":
            session = self._expire(session)
        return self._session_answer(session)

    def pay(self, session_id: str, card: cards.Card, exp_month: int, exp_year: int) -> None:
        """Use a card in a session: keep it, and charge it where there is something to pay.

        Nothing changes where the session has closed, or its last charge still waits at the bank.
        """
        session = self._get("sessions", session_id)
        if session["status"] != "open":
            return
        if session["charge"] and self.charge(session["charge"])["status"] == "requires_action":
            return
        method = self._keep_card(session["customer"], card, exp_month, exp_year)
        if session["kind"] == "setup":
            self._complete(session, method["id"])
            return
        charge = self._charge(
            method, session["amount_minor"], session["currency"], session["reference"], session_id
        )
        self._db.execute(
            "UPDATE sessions SET charge = ?, attempt = attempt + 1 WHERE id = ?",
            (charge["id"], session_id),
        )
        if charge["status"] == "succeeded":
            self._complete(session, method["id"])

    def act(self, charge_id: str, *, is_confirmed: bool) -> None:
        """The cardholder's answer to the bank. Only the first one counts."""
        charge = self._get("charges", charge_id)
        if charge["status"] != "requires_action":
            return
        if not is_confirmed:
            self._settle(charge, "failed", "authentication_failed")
            return
        self._settle(charge, "succeeded")
        if charge["session"]:
            self._complete(self._get("sessions", charge["session"]), charge["payment_method"])

    def session_row(self, session_id: str) -> Row:
        """A session with what only its own page may know."""
        return self._get("sessions", session_id)

    def customer_row(self, customer_id: str) -> Row:
        return self._get("customers", customer_id)

    def charge_row(self, charge_id: str) -> Row:
        """A charge with what only its own page may know."""
        return self._get("charges", charge_id)

    # Events

    def events(self, after: str | None, limit: int) -> Answer:
        """Up to ``limit`` events in the order they happened, from the one after ``after``."""
        number = self._get("events", after)["number"] if after else 0
        rows = self._db.execute(
            "SELECT * FROM events WHERE number > ? ORDER BY number LIMIT ?",
            (number, min(limit, LIST_LENGTH_MAX)),
        )
        return {"data": [event_answer(row) for row in rows]}

    @functools.cached_property
    def _hook_state(self) -> str:
        # Read when the first event is recorded: only a transaction that has one uses the fault up.
        is_dropping = self._has_hooks and self.faults.take("drop_hooks") is not None
        return "waiting" if self._has_hooks and not is_dropping else "dropped"

    def _record(self, event_type: str, about: Answer) -> None:
        self.has_recorded = True
        self._insert(
            "events",
            id=_new_id("evt"),
            type=event_type,
            object=json.dumps(about),
            created_at=self._at,
            hook_state=self._hook_state,
            hook_due_at=self._at,
        )

    # How things change

    def _charge(
        self,
        method: Row,
        amount_minor: int,
        currency: str,
        reference: str,
        session_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Row:
        outcome = cards.OUTCOMES[method["behaviour"]]
        charge = self._insert(
            "charges",
            id=_new_id("ch"),
            customer=method["customer"],
            payment_method=method["id"],
            session=session_id,
            amount_minor=amount_minor,
            currency=currency,
            reference=reference,
            status=outcome.status,
            failure_code=outcome.failure_code,
            is_hard=outcome.is_hard,
            metadata=json.dumps(dict(metadata or {})),
            form_token=secrets.token_urlsafe(24),
            created_at=self._at,
        )
        self._record(f"charge.{outcome.status}", self._charge_answer(charge))
        return charge

    def _settle(self, charge: Row, status: str, failure_code: str | None = None) -> Row:
        self._db.execute(
            "UPDATE charges SET status = ?, failure_code = ? WHERE id = ?",
            (status, failure_code, charge["id"]),
        )
        settled = self._get("charges", charge["id"])
        self._record(f"charge.{status}", self._charge_answer(settled))
        return settled

    def _keep_card(self, customer: str, card: cards.Card, month: int, year: int) -> Row:
        return self._insert(
            "payment_methods",
            id=_new_id("pm"),
            customer=customer,
            brand=card.brand,
            last4=card.last4,
            exp_month=month,
            exp_year=year,
            behaviour=card.behaviour,
            created_at=self._at,
        )

    def _complete(self, session: Row, method_id: str) -> None:
        self._db.execute(
            "UPDATE sessions SET status = 'complete', payment_method = ? WHERE id = ?",
            (method_id, session["id"]),
        )
        self._record("session.completed", self.session(session["id"]))

    def _expire_sessions(self) -> None:
        due = self._db.execute(
            "SELECT * FROM sessions WHERE status = 'open' AND expires_at <= ?", (self._at,)
        )
        for session in due.fetchall():
            self._expire(session)

    def _expire(self, session: Row) -> Row:
        # A charge left waiting for its cardholder could otherwise be paid after the session.
        if session["charge"]:
            charge = self._get("charges", session["charge"])
            if charge["status"] == "requires_action":
                self._settle(charge, "canceled")
        self._db.execute("UPDATE sessions SET status = 'expired' WHERE id = ?", (session["id"],))
        expired = self._get("sessions", session["id"])
        self._record("session.expired", self._session_answer(expired))
        return expired

    # Rows and answers

    def _insert(self, table: str, **values: object) -> Row:
        # Names of tables and columns are written in this module, never taken from a request.
        columns = ", ".join(values)
        places = ", ".join("?" * len(values))
        inserted = self._db.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING *",  # noqa: S608
            tuple(values.values()),
        )
        row: Row = inserted.fetchone()
        return row

    def _get(self, table: str, row_id: str) -> Row:
        row: Row | None = self._db.execute(
            f"SELECT * FROM {table} WHERE id = ?",  # noqa: S608 -- see _insert.
            (row_id,),
        ).fetchone()
        if row is None:
            raise Refusal(404, "not_found", "There is nothing with this id.")
        return row

    def _named(self, fields: Fields, table: str, name: str) -> Row:
        """The row that a field of the request names; an unknown one is the field's fault."""
        try:
            return self._get(table, fields.text(name))
        except Refusal as refusal:
            if refusal.code != "not_found":
                raise
            raise Refusal(422, "not_found", f"There is no {name} with this id.", name) from None

    def _charge_answer(self, charge: Row) -> Answer:
        answer = _without(charge, "form_token", "session")
        waits = charge["status"] == "requires_action"
        answer["is_hard"] = bool(charge["is_hard"])
        answer["metadata"] = json.loads(charge["metadata"])
        answer["action_url"] = f"{self._public_url}/act/{charge['id']}" if waits else None
        return answer

    def _session_answer(self, session: Row) -> Answer:
        answer = _without(session, "form_token", "attempt")
        answer["url"] = f"{self._public_url}/pay/{session['id']}"
        return answer


def event_answer(event: Row) -> Answer:
    """An event as it is listed and as it is sent."""
    return {
        "id": event["id"],
        "type": event["type"],
        "created_at": event["created_at"],
        "object": json.loads(event["object"]),
    }


def _method_answer(method: Row) -> Answer:
    return _without(method, "behaviour")


def _without(row: Row, *names: str) -> Answer:
    return {name: row[name] for name in row.keys() if name not in names}  # noqa: SIM118


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
