"""States are members of their model's enum: a name that is typed wrong fails, a text does not."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.test_house import product_files

ROOT = Path(__file__).resolve().parents[2]
STATES = {"status", "state", "access"}
# A model's own constraints and indexes stand beside its enum and are written into migrations.
DECLARING = {"models.py"}
# What is no state of a model of ours, or of one that the file may not import.
OF_OTHERS = {
    "billing/invoicing/owed.py": {"placed"},  # Of an order, which stands above invoices.
    "billing/sandbox/gateway.py": {"succeeded", "open"},  # It imports nothing of Kvitt.
}
# What a gateway has answered is in its own words, which `gateways/base.py` has.
ANSWERS = ("made.", "charge.", "told.")


def texts(source: str) -> list[str]:
    """The states that a module names by text, in lookups, moves, comparisons and assignments."""
    return [text for node in ast.walk(ast.parse(source)) for text in _texts(node)]


def _texts(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=func, args=args, keywords=keywords):
            for keyword in keywords:
                if _is_state(keyword.arg):
                    yield from _constants(keyword.value)
            if isinstance(func, ast.Attribute) and func.attr in ("move", "check_move"):
                yield from (text for each in args[:1] for text in _constants(each))
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            if any(_is_of_a_row(side) for side in sides):
                yield from (text for side in sides for text in _constants(side))
        case ast.Assign(targets=targets, value=value):
            if any(isinstance(each, ast.Attribute) and each.attr in STATES for each in targets):
                yield from _constants(value)


def _is_of_a_row(side: ast.expr) -> bool:
    is_state = isinstance(side, ast.Attribute) and side.attr in STATES
    return is_state and not ast.unparse(side).startswith(ANSWERS)


def _is_state(name: str | None) -> bool:
    parts = (name or "").removesuffix("__in").split("__")
    return parts[-1] in STATES


def _constants(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            yield from (text for each in elements for text in _constants(each))
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*_constants(body), *_constants(orelse))


def test_no_state_is_written_as_a_text() -> None:
    files = [path for path in product_files() if path.name not in DECLARING]
    found = {path.relative_to(ROOT).as_posix(): set(texts(path.read_text())) for path in files}
    wrong = {name: states - OF_OTHERS.get(name, set()) for name, states in found.items()}
    assert {name: states for name, states in wrong.items() if states} == {}


def test_what_is_left_out_has_a_reason() -> None:
    for name, states in OF_OTHERS.items():
        assert states <= set(texts((ROOT / name).read_text())), name


@pytest.mark.parametrize(
    "source",
    [
        "Payment.objects.filter(state='planned')",
        "Q(invoice__status__in=['open', 'void'])",
        "case.move('stopped', closed_on=day)",
        "if case.status == 'open': pass",
        "case.access = 'full' if paid else 'none'",
        "rows.update(state='dead', ended_at=now)",
    ],
)
def test_a_state_that_is_a_text_is_found(source: str) -> None:
    assert texts(source)


@pytest.mark.parametrize(
    "source",
    [
        "Payment.objects.filter(state=Payment.State.PLANNED)",
        "if event.type == 'invoice.paid': pass",
        "reply(nothing, status=204)",
        "if made.status == 'succeeded': pass",
        "row.save(using='default')",
    ],
)
def test_other_texts_are_none(source: str) -> None:
    assert texts(source) == []
