"""VIES, the European Commission's answer to whether a VAT number is valid, by its REST interface.

``POST /check-vat-number`` answers for the register of one member state, which is often away. With
the seller's own number in the question there is a consultation number in the answer: the proof
that it was asked, and when.
"""

import json
import time
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import connection
from requests.exceptions import RequestException

from billing.outbound.answers import session, whole_answer
from billing.outbound.gate import Kind, Pass, pass_out

PATH: Final = "/check-vat-number"
CONNECT_SECONDS: Final = 3
# Some registers take a quarter of a minute; who waits for a page waits for less.
PATIENT_SECONDS: Final = 20
ANSWER_BYTES_MAX: Final = 64 * 1024
# What stands for an empty name and for a clear answer.
_UNDISCLOSED: Final = "---"
_CLEAR: Final = {"", "VALID", "INVALID"}
UNREACHABLE: Final = "UNREACHABLE"
MALFORMED: Final = "MALFORMED_ANSWER"
# Our own number is not known there, as of a company that trades at home alone.
_REQUESTER_UNKNOWN: Final = "INVALID_REQUESTER_INFO"


@dataclass(frozen=True, slots=True)
class Answer:
    """``is_valid`` is None where there was no clear answer; ``problem`` then says why, by code."""

    is_valid: bool | None
    consultation_number: str = ""
    name: str = ""
    problem: str = ""


def ask(number: str, requester: str = "", *, seconds: float = PATIENT_SECONDS) -> Answer:
    """Ask about a VAT number, such as ``DE136695976``; waits for so many seconds at most.

    Whatever goes wrong is an unknown answer. Raises :class:`Held` where nobody may be asked now,
    and RuntimeError inside a transaction.
    """
    if connection.in_atomic_block:
        raise RuntimeError("VIES is never asked while a transaction is open.")
    allowed = pass_out(Kind.VIES)
    until = time.monotonic() + seconds
    answer = _ask(allowed, number, requester, until)
    if answer.problem == _REQUESTER_UNKNOWN and requester:
        return _ask(allowed, number, "", until)
    return answer


def _ask(allowed: Pass, number: str, requester: str, until: float) -> Answer:
    if not settings.VIES_URL:
        return Answer(None, problem=UNREACHABLE)
    body = {"countryCode": number[:2], "vatNumber": number[2:]}
    if requester:
        body |= {"requesterMemberStateCode": requester[:2], "requesterNumber": requester[2:]}
    left = max(until - time.monotonic(), 0.1)
    try:
        with session() as asking:
            _, content = whole_answer(
                allowed,
                asking,
                "POST",
                settings.VIES_URL + PATH,
                until=until,
                bytes_max=ANSWER_BYTES_MAX,
                json=body,
                headers={"Accept": "application/json"},
                timeout=(min(CONNECT_SECONDS, left), left),
            )
    except RequestException:
        return Answer(None, problem=UNREACHABLE)
    return _understood(content)


def _understood(content: bytes) -> Answer:
    """A yes or no only where it is one: a register that is away also says ``"valid": false``."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return Answer(None, problem=MALFORMED)
    if not isinstance(said, dict):
        return Answer(None, problem=MALFORMED)
    problem = _problem(said)
    if problem:
        return Answer(None, problem=problem[:60])
    is_valid = said.get("valid")
    if not isinstance(is_valid, bool):
        return Answer(None, problem=MALFORMED)
    name = _text(said, "name")
    return Answer(
        is_valid,
        _text(said, "requestIdentifier")[:40],
        "" if name == _UNDISCLOSED else name[:300],
    )


def _problem(said: dict[str, Any]) -> str:
    """The code of an error, in either of the shapes that VIES has for them."""
    code = _text(said, "userError")
    if code not in _CLEAR:
        return code
    wrappers = said.get("errorWrappers")
    if isinstance(wrappers, list) and wrappers:
        first = wrappers[0]
        return (_text(first, "error") if isinstance(first, dict) else "") or MALFORMED
    return ""


def _text(said: dict[str, Any], key: str) -> str:
    """A text of the answer on one line, without what a database or a page would choke on."""
    value = said.get(key)
    if not isinstance(value, str):
        return ""
    shown = "".join(letter if letter.isprintable() else " " for letter in value)
    return " ".join(shown.split())
