"""Who joins in where: the wiring as it is, and as docs/design.md shows it."""

import inspect
import os
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import billing
import catalog
import customers
import dunning
import portal
from billing.base.hooks import Hook

ROOT = Path(__file__).resolve().parents[2]
DESIGN = ROOT / "docs/design.md"
BEGIN, END = "<!-- wiring -->\n", "<!-- /wiring -->\n"


def hooks() -> Iterator[tuple[str, Any, Hook]]:
    """The name of each hook with its app, its Protocol, and itself."""
    for package in (billing, catalog, customers, dunning, portal):
        walked = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        for name in sorted(each.name for each in walked if each.name.endswith(".hooks")):
            module = import_module(name)
            app = name.removesuffix(".hooks").removeprefix("billing.")
            for hook_name, annotation in inspect.get_annotations(module).items():
                if isinstance(hook := getattr(module, hook_name), Hook):
                    [protocol] = annotation.__args__
                    yield f"{app}: `{hook_name}`", protocol, hook


def table() -> str:
    rows = ["| hook | what joins in | in order |", "|---|---|---|"]
    for name, protocol, hook in hooks():
        said = " ".join((protocol.__doc__ or "").split())
        callees = (f"`{each.__module__.removeprefix('billing.')}.{each.__name__}`" for each in hook)
        rows.append(f"| {name} | {said} | {', '.join(callees)} |")
    return "\n".join(rows) + "\n"


def test_the_design_shows_every_hook_with_those_who_join_in() -> None:
    text = DESIGN.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    now = before + BEGIN + table() + END + after
    if os.environ.get("KVITT_WRITE_EXAMPLES"):
        DESIGN.write_text(now)
    assert now == text, "KVITT_WRITE_EXAMPLES=1 writes it anew"


def test_every_hook_is_filled_and_says_when_it_is_called_and_what_is_locked() -> None:
    found = list(hooks())
    assert len(found) >= 11
    for name, protocol, hook in found:
        assert list(hook), name
        assert "Called" in protocol.__doc__, name
        assert "lock" in protocol.__doc__, name


def test_only_the_wiring_fills_hooks() -> None:
    filling = {
        path.relative_to(ROOT).as_posix()
        for folder in ("billing", "catalog", "customers", "dunning", "portal")
        for path in (ROOT / folder).rglob("*.py")
        if ".fill(" in path.read_text()
    }
    assert filling == {"billing/wiring.py"}


def test_a_hook_is_filled_once_and_not_called_before() -> None:
    hook: Hook[Any] = Hook()
    with pytest.raises(RuntimeError, match="before"):
        list(hook)
    hook.fill(len)
    assert hook.only([1, 2]) == 2
    with pytest.raises(RuntimeError, match="once"):
        hook.fill(len)
    with hook.replaced(min, max):
        assert [call([3, 1]) for call in hook] == [1, 3]
    assert list(hook) == [len]
