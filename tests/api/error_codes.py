"""All codes that the API can answer with, read off the code, and the tables of docs/api.md.

A code is for shops unless it stands in ``OF_OTHERS``: whoever adds one is asked by a red test. What
an operation of its own can answer is not told: which refusals reach it depends on the rows.
"""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from billing.api.errors import status_of
from billing.api.fields import Writing
from billing.api.parsing import CONTROL_CHARACTER
from billing.api.webhook_schema import SUBJECTS
from billing.engine.errors import BillingError
from billing.events.types import PUBLIC

GAP = "…"
PRODUCT = ("billing", "catalog", "customers", "dunning")
# Whose refusals are answered on pages or in a terminal.
PAGES = (
    "billing/demo/",
    "billing/jobs/",
    "billing/mail/",
    "billing/sandbox/",
    "billing/simulation/",
    "billing/subscriptions/importing/",
    "billing/tax/loading.py",
    "billing/verification/",
    "catalog/admin.py",
)
# What pages of the same actions are refused, and what is caught on the way.
OF_OTHERS = frozenset(
    """
    charging_stopped coupon_not_there coupon_of_another_seller
    credit_spent credit_taken_back customer_of_another_seller day_ahead day_before_payment
    details_wrong foreign_payment_method gateway_left gateway_refused hold_released
    invalid_interval invalid_tax invoice_open key_not_active key_revoked
    kill_switch_off limits_out_of_bounds link_expired link_merged link_unknown link_used
    name_missing no_gateway no_return_url no_way_to_pay not_a_given_credit not_offered
    nothing_to_settle order_expired order_not_placed part_exceeds_invoice parts_exceed_payment
    payment_already_recorded payment_method_needed payment_method_refused payment_method_retired
    payment_without_receipt price_changed quantity_out_of_range reason_missing
    received_in_the_future refund_exceeds_paid refund_not_owed scope_not_publishable
    several_currencies too_much_to_replay unknown_scope unreadable_file
    """.split()
)
# What is said in many ways, or is made of something else than a text that stands in the code.
MADE = {
    400: {
        "card_number": "This looks like the number of a card. Never send one.",
        "control_character": CONTROL_CHARACTER,
        "invalid": "This is not of the kind that is asked for, such as a text, a number or a day.",
        "malformed": "This is not JSON: …",
        "not_both": "Two fields were given of which only one may be.",
        "required": "This field is required.",
        "unknown_currency": "… is not an active ISO 4217 currency; use a code such as SEK or EUR.",
        "unknown_customer": "There is no such customer.",
        "unknown_event_type": "There is no event “…”. Choose types such as invoice.paid, all of a "
        "kind as invoice.*, or *.",
        "unknown_field": "There is no such field here.",
        "unknown_plan": "There is no such plan.",
        "unknown_subscription": "There is no such subscription.",
    },
    401: {
        "key_invalid": "This key opens nothing.",
        "key_missing": "Send a key: “Authorization: Bearer sk_…”.",
    },
    404: {"coupon_unknown": "There is no coupon “…”."},
    405: {"method_not_allowed": 'Method "…" not allowed.'},
    409: {
        "invoice_paid": "Invoice … is paid or credited in part. Credit what is wrong instead.",
        "nothing_to_change": "Nothing would be other than it is.",
        "subscription_ended": "It ended on ….",
    },
    415: {"unsupported_media_type": 'Unsupported media type "…" in request.'},
    422: {
        "clock_goes_back": "The clock stands at …, and goes forward only.",
        "clock_goes_too_far": "A clock goes two years at a time, and twenty in all.",
        "currency_mismatch": "The plan … has no prices in ….",
        "invalid_agreement": "What is asked for contradicts itself.",
        "invalid_amount": "The amount is nothing, below zero, or has too many decimals.",
        "invalid_organisation_number": "“…” is no organisation number, such as ….",
        "invalid_vat_number": "“…” is no VAT number, such as ….",
        "return_url_refused": "The address is not one of the shop's.",
        "usage_too_late": "Usage on … is too late: the period has been billed and closed.",
    },
    429: {"rate_limited": "Too many requests with this key."},
    500: {"error": "Server Error (500)"},
    503: {
        "gateway_unavailable": "The gateway cannot be reached.",
        "gateway_unclear": "What the gateway says is unclear; it is asked again by itself.",
        "outbound_held": "Everything is held since …: …",
    },
}
type Found = tuple[int, str, str]


def _sentence(node: ast.AST | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (_sentence(part) if isinstance(part, ast.Constant) else GAP for part in node.values)
        return "".join(parts)
    return ""


def _family(kind: type[BillingError] = BillingError) -> Iterator[tuple[str, type[BillingError]]]:
    yield kind.__name__, kind
    for child in kind.__subclasses__():
        yield from _family(child)


def _made(call: ast.Call, kinds: dict[str, type[BillingError]]) -> Iterator[Found]:
    """The error that a call makes, if it makes one whose code stands there."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    texts = [_sentence(argument) for argument in call.args] + ["", "", ""]
    if name == "ApiError" and isinstance(call.args[0], ast.Constant) and texts[1]:
        yield int(str(call.args[0].value)), texts[1], texts[2]
    elif name == "not_found":
        yield 404, "not_found", "There is no such …."
    elif name == "invalid" and texts[1]:
        yield 400, texts[1], texts[2]
    elif name == "ValidationError" and texts[1]:
        yield 400, texts[1], texts[0]
    elif name in kinds:
        given = {word.arg: word.value for word in call.keywords}.get("code")
        code = kinds[name].code if given is None else _sentence(given)
        if code and GAP not in code:
            error = kinds[name].__new__(kinds[name])
            error.code = code
            yield status_of(error), code, texts[0]


def _files() -> Iterator[ast.AST]:
    base = Path(settings.BASE_DIR)
    for folder in PRODUCT:
        for path in sorted((base / folder).rglob("*.py")):
            name = path.relative_to(base).as_posix()
            if "/migrations/" not in name and not name.startswith(PAGES):
                yield ast.parse(path.read_text())


def _of_fields() -> Iterator[Found]:
    """What fields of requests are refused for, as the framework says it."""
    waiting: list[type[Any]] = [Writing]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        for field in kind().fields.values():
            for code, said in field.error_messages.items():
                yield 400, code, re.sub(r"\{\w+\}", GAP, str(said))


@cache
def _in_code() -> tuple[Found, ...]:
    kinds = dict(_family())
    return tuple(
        made
        for tree in _files()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for made in _made(node, kinds)
    )


def codes() -> dict[int, dict[str, str]]:
    """By status, each code with what is said, in order."""
    found: dict[int, dict[str, str]] = {status: dict(said) for status, said in MADE.items()}
    for status, code, said in (*_in_code(), *sorted(set(_of_fields()))):
        if code not in OF_OTHERS:
            by_code = found.setdefault(status, {})
            by_code[code] = by_code.get(code) or said
    return {status: dict(sorted(found[status].items())) for status in sorted(found)}


def of_others_that_are_gone() -> set[str]:
    return set(OF_OTHERS) - {code for _, code, _ in _in_code()}


def as_written() -> str:
    """The file that the OpenAPI document shows."""
    return json.dumps(codes(), ensure_ascii=False, indent=1) + "\n"


def table_of_codes() -> str:
    """The rows of docs/api.md: each code with its status and what is said."""
    lines = ["| status | code | what is said |", "|---|---|---|"]
    for status, said in codes().items():
        lines += [f"| {status} | `{code}` | {detail} |" for code, detail in said.items()]
    return "\n".join(lines)


def table_of_events() -> str:
    """The rows of docs/api.md: each type of event that shops are told of."""
    lines = ["| type | is sent when | `data.object` |", "|---|---|---|"]
    for type, said in PUBLIC.items():
        about = " or ".join(f"`{prefix}_…`" for prefix in SUBJECTS[type.partition(".")[0]])
        lines.append(f"| `{type}` | {said} | {about} |")
    return "\n".join(lines)
