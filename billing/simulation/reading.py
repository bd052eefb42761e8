"""Reading scenario files: YAML or JSON, checked key by key, with the line of whatever is wrong."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from billing.engine.pricing import SETTINGS


class ScenarioError(Exception):
    """Raised for a file or scenario that cannot be read; ``line`` counts from 1."""

    def __init__(self, message: str, line: int | None = None, code: str = "invalid_scenario"):
        super().__init__(message)
        self.message, self.line, self.code = message, line, code


class Node(dict[str, Any]):
    """A mapping that knows the line it begins on."""

    line: int = 0


class _Loader(yaml.SafeLoader):
    """YAML with mappings that know their line, exact numbers, and only true and false as booleans.

    YAML 1.1 would read the key ``on`` as true and the country ``NO`` as false.
    """


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in resolvers if pair[0] != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> Node:
    mapping = Node()
    mapping.line = node.start_mark.line + 1
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in mapping:
            raise ScenarioError(f"“{key}” stands here twice.", key_node.start_mark.line + 1)
        mapping[str(key)] = loader.construct_object(value_node, deep=True)
    return mapping


def _construct_number(loader: _Loader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(loader.construct_scalar(node).replace("_", ""))


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_number)

STEP_KEYS = {"on", "do", "refused", "invoice", "note"}
VERBS: dict[str, set[str]] = {
    "subscribe": {
        "subscription", "customer", "plan", "anchor_day", "anchor_on", "align", "quantities",
        "trial_days", "coupon", "ends_on", "cycles",
    },
    "change": {
        "subscription", "plan", "quantities", "when", "credit", "prorate", "anchor", "anchor_day",
        "anchor_on",
    },
    "change_anchor": {"subscription", "anchor_day", "anchor_on"},
    "cancel": {"subscription", "when", "credit", "refund", "bill_usage", "end_of_day"},
    "undo_cancel": {"subscription"},
    "resume": {"subscription"},
    "pause": {"subscription", "until", "unused", "end_of_day"},
    "usage": {"subscription", "meter", "quantity", "at", "key", "properties"},
    "one_off": {"customer", "subscription", "amount", "lines", "description", "tax"},
    "coupon": {"customer", "subscription", "coupon"},
    "remove_coupon": {"customer", "subscription", "coupon"},
    "credit": {"customer", "amount", "description"},
    "bill": {"customer", "subscription"},
    "finalize": {"invoice"},
    "pay": {"invoice", "amount"},
    "fail_payment": {"invoice", "amount"},
    "credit_note": {"invoice", "amount", "lines", "to"},
    "refund": {"invoice", "amount"},
    "void": {"invoice", "amount"},
    "write_off": {"invoice", "amount"},
    "preview": {"what"},
}  # fmt: skip
LATER = {"grant": "grants", "grace_days": "draft invoices"}
RULES = "rules"
SCENARIO_KEYS = {
    "name", "currency", "timezone", "country", "tax", "run", "until", "grace_days", "rounding",
    "meters", "plans", "coupons", "customers", "timeline", "expect",
}  # fmt: skip
PRICE_KEYS = SETTINGS | {
    "code", "name", "model", "billing", "quantity", "meter", "minimum_amount", "proration", "tax",
    "currency",
}  # fmt: skip
PLAN_KEYS = {
    "interval", "trial_days", "trial_usage", "cycles", "family", "prices", "name", "currency",
    "tax_category", "supply",
}  # fmt: skip
METER_KEYS = {"aggregation", "property", "filter", "carry", "rounding", "name", "unit"}
COUPON_KEYS = {"percent_off", "amount_off", "duration", "periods", "plans", "prices", "name"}
CUSTOMER_KEYS = {
    "country", "business", "vat_number", "net_terms_days", "balance", "consolidate", "tax", "name",
    "email", "language",
}  # fmt: skip


@dataclass(slots=True)
class Scenario:
    """One story. ``error`` is set where it cannot be played."""

    name: str
    content: Node
    error: ScenarioError | None = None


def read_scenarios(path: Path) -> list[Scenario]:
    """The scenarios of a file. Raises :class:`ScenarioError` where the file cannot be read."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ScenarioError(f"{path} is not valid YAML: {error.problem}", line) from error
    stories = content if isinstance(content, list) else [content]
    return [_scenario(story, position) for position, story in enumerate(stories, 1)]


def _scenario(story: Any, position: int) -> Scenario:
    if not isinstance(story, Node):
        raise ScenarioError(f"Scenario {position} is not a mapping.")
    scenario = Scenario(str(story.get("name", f"Scenario {position}")), story)
    try:
        _check(story)
    except ScenarioError as error:
        scenario.error = error
    return scenario


def _check(story: Node) -> None:
    known(story, SCENARIO_KEYS, "scenario")
    for section, keys in (
        ("meters", METER_KEYS),
        ("plans", PLAN_KEYS),
        ("coupons", COUPON_KEYS),
        ("customers", CUSTOMER_KEYS),
    ):
        entries = mapping(story, section)
        for name, entry in entries.items():
            if entry is None:
                entries[name] = entry = Node()
            if not isinstance(entry, Node):
                raise ScenarioError(f"{section}: “{name}” is not a mapping.", entries.line)
            known(entry, keys, section)
    for plan in mapping(story, "plans").values():
        for price in plan.get("prices", []):
            known(price, PRICE_KEYS, "price")
    if story.get("grace_days"):
        later = LATER["grace_days"]
        raise ScenarioError(f"Kvitt does not have {later} yet.", story.line, "not_supported")
    if story.get("run", "events") not in ("events", "daily"):
        raise ScenarioError("run is events or daily.", story.line)
    if story.get("run") == "daily" and "until" not in story:
        raise ScenarioError("run: daily needs until.", story.line)
    last = None
    for step in story.get("timeline") or []:
        if not isinstance(step, Node):
            raise ScenarioError("A step is not a mapping.", story.line)
        day = as_date(step, "on")
        if last is not None and day < last:
            raise ScenarioError(f"The step of {day} stands after one of {last}.", step.line)
        last = day
        check_step(step)


def check_step(step: Node) -> None:
    verb = step.get("do")
    if verb in LATER:
        raise ScenarioError(f"Kvitt does not have {LATER[verb]} yet.", step.line, "not_supported")
    if verb not in VERBS:
        raise ScenarioError(f"“{verb}” is not a verb.", step.line, "unknown_verb")
    known(step, STEP_KEYS | VERBS[verb], f"step “{verb}”")
    if verb == "preview" and isinstance(step.get("what"), Node):
        check_step(step["what"])


def known(node: Any, keys: Iterable[str], where: str) -> None:
    if not isinstance(node, Node):
        raise ScenarioError(f"A {where} is not a mapping.")
    for key in node:
        if key not in keys:
            raise ScenarioError(f"A {where} has no key “{key}”.", node.line, "unknown_key")


def mapping(node: Node, key: str) -> Node:
    value = node.get(key)
    if value is None:
        return Node()
    if not isinstance(value, Node):
        raise ScenarioError(f"{key} is not a mapping.", node.line)
    return value


def as_date(node: Node, key: str, default: date | None = None) -> date:
    """A YAML date or an ISO string."""
    value = node.get(key, default)
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise ScenarioError(f"{key}: “{value}” is not a date.", node.line) from error


def as_money(node: Node, key: str, default: str | None = None) -> Decimal:
    """An exact amount or rate, written as a string or an integer."""
    value = node.get(key, default)
    if isinstance(value, Decimal | bool) or value is None:
        raise ScenarioError(
            f'{key}: write money and rates as strings, such as "9.90", not {value}.', node.line
        )
    return as_decimal(node, key, default)


def as_decimal(node: Node, key: str, default: Any = None) -> Decimal:
    value = node.get(key, default)
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ScenarioError(f"{key}: “{value}” is not a number.", node.line) from error
    if not number.is_finite():
        raise ScenarioError(f"{key}: “{value}” is not a number.", node.line)
    return number


def as_tax(node: Node, key: str = "tax") -> list[dict[str, Any]] | None:
    """``none``, one rate or a list of rates, as rows keep them; empty where nothing is said."""
    value = node.get(key)
    if value is None:
        return None
    if value == "none":
        return []
    rates: Sequence[Any] = value if isinstance(value, list) else [value]
    read = []
    for rate in rates:
        known(rate, {"rate", "inclusive", "category", "name"}, "tax")
        read.append(
            {
                "category": rate.get("category", "S"),
                "rate": str(as_money(rate, "rate")),
                "inclusive": bool(rate.get("inclusive", False)),
                "name": rate.get("name", ""),
            }
        )
    return read


def plain(value: Any) -> Any:
    """The same data as plain Python, for comparing and for rows' JSON."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
