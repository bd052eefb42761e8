"""What the documents name is there: files, names in them, tests, folders."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Written as `path.py:name`, `path.py:Class.name` or `path.py::test_name`.
NAMED = re.compile(r"`([\w/]+\.py)::?([\w.]+)`")
FILE = re.compile(r"`((?:billing|catalog|customers|dunning|portal|tests|docs)/[\w/]+(?:\.\w+)?)`")


def names_in(path: Path) -> set[str]:
    """What a module defines or sets at its top, and what its classes do, as ``Class.name``."""
    return _names(ast.parse(path.read_text()).body, "")


def _names(body: list[ast.stmt], prefix: str) -> set[str]:
    found: set[str] = set()
    for node in body:
        match node:
            case ast.ClassDef(name=name, body=inner):
                found |= {prefix + name} | _names(inner, f"{prefix}{name}.")
            case ast.FunctionDef(name=name):
                found.add(prefix + name)
            case ast.Assign(targets=targets):
                found |= {prefix + each.id for each in targets if isinstance(each, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(prefix + name)
    return found


def missing(text: str) -> set[str]:
    """What a text names that is not there."""
    lost = {name for name in FILE.findall(text) if not (ROOT / name).exists()}
    for file, name in NAMED.findall(text):
        path = ROOT / file
        if not path.exists() or name not in names_in(path):
            lost.add(f"{file}:{name}")
    return lost


@pytest.mark.parametrize(("page", "least"), [("adding.md", 50), ("walks.md", 50)])
def test_every_file_and_name_of_a_page_is_there(page: str, least: int) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert len(NAMED.findall(text)) >= least
    assert missing(text) == set()


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("`dunning/steps.py:StepKind`", set()),
        ("`dunning/steps.py:StepKind.is_limit`", set()),
        ("`dunning/steps.py:StepSort`", {"dunning/steps.py:StepSort"}),
        ("`dunning/walk.py:StepKind`", {"dunning/walk.py:StepKind"}),
        ("`dunning/walk.py`", {"dunning/walk.py"}),
        (
            "`tests/mail/test_words.py::test_of_nothing`",
            {"tests/mail/test_words.py:test_of_nothing"},
        ),
    ],
)
def test_what_is_not_there_is_found(text: str, lost: set[str]) -> None:
    assert missing(text) == lost
