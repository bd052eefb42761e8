"""Sentences that operators read: none is bare English, and those that the engine says are known."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
CATALOG = ROOT / "billing/desk/locale/sv/LC_MESSAGES/django.po"

PAGES = (
    *("billing/*/admin.py", "billing/*/page_actions.py", "billing/desk/*.py"),
    *("billing/invoicing/credit_form.py", "billing/invoicing/foreseen.py"),
    *("billing/invoicing/remedies.py", "catalog/admin.py", "customers/admin.py"),
    *("billing/merging/foreseen.py", "customers/logos.py", "dunning/admin.py"),
)
# What these raise may be shown at the desk, where it is known by its shape.
REFUSING = (
    *("billing/api/keys.py", "billing/base/sealing.py", "billing/base/stateful.py"),
    *("billing/checkout/offers.py", "billing/desk/*.py", "billing/engine/bill.py"),
    "billing/engine/corrections.py",
    *("billing/engine/ceilings.py", "billing/engine/money.py", "billing/engine/periods.py"),
    *("billing/engine/pricing.py", "billing/events/types.py", "billing/invoicing/*.py"),
    *("billing/jobs/actions.py", "billing/jobs/heart.py", "billing/mail/*.py"),
    *("billing/merging/*.py", "billing/outbound/*.py"),
    *("billing/payments/*.py", "billing/payments/gateways/*.py"),
    *("billing/subscriptions/*.py", "billing/tax/rates.py"),
    *("billing/verification/reconciling.py", "billing/webhooks/*.py", "customers/actions.py"),
    *("customers/calendar.py", "customers/details.py", "customers/going_live.py"),
    *("customers/models.py", "customers/numbers.py", "customers/persons.py"),
    *("dunning/*.py", "billing/tax/models.py"),
)
REFUSALS = {
    *("AddressRefused", "ClockAhead", "ClockWentBack", "CurrencyMismatch", "GatewayLeft"),
    *("GatewayUnavailable", "GatewayUnclear", "Held", "InvalidAgreement", "InvalidAmount"),
    *("InvalidPrice", "InvalidTax", "NoTaxRate", "Refused", "RenderingFailed"),
    *("UnknownCurrency", "ValidationError", "_wrong"),
}
# What modules keep of what happened, which the desk shows one day: by columns and names of it, by
# what is called with it (and where it stands there), and by what answers with it.
KEEPING = (
    *("billing/checkout/*.py", "billing/events/recorder.py", "billing/invoicing/balances.py"),
    *("billing/jobs/*.py", "billing/mail/*.py", "billing/mail/words/*.py", "billing/merging/*.py"),
    *("billing/outbound/*.py", "billing/payments/*.py", "billing/payments/gateways/http.py"),
    *("billing/schedule/*.py", "billing/webhooks/*.py", "dunning/*.py"),
)
KEPT = {
    *("attention", "blindness", "error", "failure", "last_error", "outcome", "reason"),
    *("said", "what", "why", "WHAT_TO_DO", "WHAT_WAITS", "WORKER_DIED"),
}
KEPT_BY = {
    **{"Astray": 0, "Halt": 0, "Unknown": 0, "Unneeded": 0, "fail": 0},
    **{"Entry": 4, "_flag": 1, "_hold": 2, "_park": 1, "_record": 1},
}
ANSWERING = {"contradiction", "_why"}
# The functions of page actions that say what was done, in words that the log keeps.
DEEDS = {"run", "said_of", "bill", "_issued", "_where_it_goes", "_flag"}
DOING = (*PAGES, "billing/payments/returns.py")
SHOWN = {"label", "help_text", "empty_label"}
SHOWN_OF_CLASSES = {"explanation", "search_help_text"}
# Those that show their last text, or their first.
SHOWING = {"ValidationError": 0, "add_error": 1, "message_user": 1}
MESSAGES = {"success", "info", "warning", "error"}


@pytest.mark.parametrize("pattern", PAGES)
def test_no_sentence_of_the_desk_is_bare_english(pattern: str) -> None:
    paths = [path for path in ROOT.glob(pattern) if path.name != "models.py"]
    assert paths
    bare = [
        f"{path.relative_to(ROOT)}:{text.lineno} {ast.unparse(text)}"
        for path in paths
        for text in _shown(ast.parse(path.read_text()))
        if _has_words(text)
    ]
    assert bare == []


def test_every_sentence_that_the_log_and_the_engine_say_is_translated() -> None:
    catalog = read_po(CATALOG.open("rb"))
    known = {_shape(str(m.id)) for m in catalog if m.context == "said" and m.string}
    used = {
        *(_shape(text) for path in _files(DOING) for text in _deeds(ast.parse(path.read_text()))),
        *(_shape(text) for path in _files(REFUSING) for text in _refusals(path)),
        *(_shape(text) for path in _files(KEEPING) for text in _kept(path)),
    }
    assert len(used) > 200
    assert used - known == set()
    assert known - used == set()


def _files(patterns: tuple[str, ...]) -> Iterator[Path]:
    return (path for pattern in patterns for path in ROOT.glob(pattern))


def _name(call: ast.Call) -> str:
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


def _shown(module: ast.Module) -> Iterator[ast.expr]:
    """What a module gives to be shown on a page, as it stands in its source."""
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                if (
                    isinstance(line, ast.Assign)
                    and {getattr(target, "id", "") for target in line.targets} & SHOWN_OF_CLASSES
                ):
                    yield line.value
        if not isinstance(node, ast.Call):
            continue
        yield from (each.value for each in node.keywords if each.arg in SHOWN)
        yield from _labels_of_choices(node)
        name, of = _name(node), getattr(getattr(node.func, "value", None), "id", "")
        at = 1 if of == "messages" and name in MESSAGES else SHOWING.get(name)
        if at is not None:
            yield from node.args[at : at + 1]


def _labels_of_choices(call: ast.Call) -> Iterator[ast.expr]:
    for given in call.keywords:
        if given.arg == "choices" and isinstance(given.value, ast.List):
            for each in given.value.elts:
                yield from each.elts[1:] if isinstance(each, ast.Tuple) else ()


def _has_words(text: ast.expr) -> bool:
    """Whether a text is bare, and says something but an address."""
    said = _text(text)
    return bool(said and re.search(r"[A-Za-z]", _shape(said)) and "://" not in said)


def _text(node: ast.AST) -> str:
    """A text as it stands in the source, with {} for what is put in; empty for all else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (str(getattr(part, "value", "")) for part in node.values)
        are_words = (isinstance(part, ast.Constant) for part in node.values)
        return "".join(
            part if is_word else "{}" for part, is_word in zip(parts, are_words, strict=True)
        )
    return ""


def _shape(sentence: str) -> str:
    """A sentence without the names of its places."""
    return re.sub(r"%\(\w+\)s", "{}", sentence)


def _deeds(module: ast.Module) -> Iterator[str]:
    """What its page actions say that they have done."""
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef) and function.name in DEEDS:
            yield from _said(function)


def _said(node: ast.AST) -> Iterator[str]:
    """The sentences within a function, but for refusals, what is translated, and docstrings."""
    for child in ast.iter_child_nodes(node):
        is_translated = isinstance(child, ast.Call) and "pgettext" in _name(child)
        is_refusal = isinstance(child, ast.Call) and _name(child) in REFUSALS
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if is_translated or is_refusal or is_docstring:
            continue
        # What follows in a place is a sentence of its own.
        text = _text(child).removesuffix(" {}")
        if text.endswith("."):
            yield text
        if not isinstance(child, ast.JoinedStr):
            yield from _said(child)


def _refusals(path: Path) -> Iterator[str]:
    """What a module refuses with, where the sentence stands in it."""
    module = ast.parse(path.read_text())
    constants = _constants(module)
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and _name(node) in REFUSALS and node.args:
            said = node.args[0]
            by_field = said.values if isinstance(said, ast.Dict) else [said]
            for each in by_field:
                if text := _text(each) or constants.get(getattr(each, "id", ""), ""):
                    yield text


def _constants(module: ast.Module) -> dict[str, str]:
    """The texts that have a name in a module."""
    return {
        target.id: "".join(map(_text, _parts(line.value)))
        for line in module.body
        if isinstance(line, ast.Assign)
        for target in line.targets
        if isinstance(target, ast.Name)
    }


def _kept(path: Path) -> Iterator[str]:
    """The sentences that a module has kept of what happened, where they stand in it."""
    module = ast.parse(path.read_text())
    constants = _constants(module)
    for said in _given(module):
        for part in _parts(said):
            text = _text(part) or constants.get(getattr(part, "id", ""), "")
            if re.search(r"[a-z] ", text):
                yield text.strip()


def _given(module: ast.Module) -> Iterator[ast.AST]:
    """What a module gives to be kept."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            yield from (each.value for each in node.keywords if each.arg in KEPT)
            at = KEPT_BY.get(_name(node))
            yield from node.args[at : at + 1] if at is not None else ()
        elif isinstance(node, ast.Dict):
            named = zip(node.keys, node.values, strict=True)
            yield from (value for key, value in named if getattr(key, "value", "") in KEPT)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                called = {getattr(each, "attr", "") or getattr(each, "id", "") for each in names}
                yield from [node.value] if called & KEPT else []
        elif isinstance(node, ast.FunctionDef) and node.name in ANSWERING:
            answers = (each.value for each in ast.walk(node) if isinstance(each, ast.Return))
            yield from (each for each in answers if each)


def _parts(node: ast.AST | None) -> Iterator[ast.AST]:
    """A text, or those of which one is chosen; what is called, translated or looked up is none."""
    is_whole = isinstance(node, ast.JoinedStr | ast.Constant | ast.Name)
    if node is None or is_whole:
        yield from [node] if node else []
    elif not isinstance(node, ast.Call | ast.Attribute | ast.Compare | ast.ListComp):
        for child in ast.iter_child_nodes(node):
            yield from _parts(child)
