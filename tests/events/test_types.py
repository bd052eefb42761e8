"""The list of event types and the code that records them say the same."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing.events.types import DISABLED, INTERNAL, PUBLIC, TESTED, matches

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("billing", "customers", "catalog", "dunning", "portal")
TYPE = re.compile(r"[a-z_]+\.[a-z_]+")
RECORDERS = ("billing.events.recorder", "billing.events.models")
# What looks like a type in a module that records, and is none: columns of files to import, and
# ways from one object to another.
OTHERS = re.compile(
    r"[a-z_]+\.public_id|(customer|subscription|plan|seller)\.(id|code|amount|quantity|product|interval|name|currency"
    r"|tax_category|revenue_account|family|billed_until|start|tenure_months|ended_on|buyer_reference)"
)


def recorded() -> Iterator[tuple[str, str]]:
    """Every type of an event that a module names which writes events, and the module."""
    for part in PRODUCT:
        for path in (ROOT / part).rglob("*.py"):
            named = {"admin.py", "admin_site.py", "apps.py", "types.py", "waiting.py"}
            if "migrations" in path.parts or path.name in named:
                continue
            text = path.read_text()
            tree = ast.parse(text)
            imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            # Documents' events are copied in as rows, and some are told of through a neighbour.
            is_roundabout = "EventRow" in text or re.search(r"(tell|record_of_\w+)\(\s*\"", text)
            if not imported.intersection(RECORDERS) and not is_roundabout:
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    if TYPE.fullmatch(node.value) and not OTHERS.fullmatch(node.value):
                        yield node.value, path.relative_to(ROOT).as_posix()


def test_every_type_that_is_recorded_is_in_the_list() -> None:
    unknown = {found for found in recorded() if found[0] not in PUBLIC | INTERNAL}
    assert unknown == set()


def test_every_type_in_the_list_is_recorded() -> None:
    named = {type for type, _ in recorded()} | {TESTED, DISABLED}
    assert (PUBLIC | INTERNAL).keys() - named == set()


def test_no_type_is_both() -> None:
    assert PUBLIC.keys() & INTERNAL.keys() == set()


@pytest.mark.parametrize("type", PUBLIC)
def test_each_is_named_and_explained_as_the_house_does(type: str) -> None:
    assert TYPE.fullmatch(type)
    assert PUBLIC[type].endswith(".")


@pytest.mark.parametrize(
    ("patterns", "type", "expected"),
    [
        (["*"], "invoice.paid", True),
        (["invoice.*"], "invoice.paid", True),
        (["invoice.paid"], "invoice.paid", True),
        (["invoice.paid"], "invoice.voided", False),
        (["payment.*"], "payment_method.added", False),
        (["payment.*", "invoice.voided"], "invoice.voided", True),
    ],
)
def test_patterns_match_types(patterns: list[str], type: str, expected: bool) -> None:
    assert matches(patterns, type) is expected
