"""How the house is laid out, where the import linter cannot see it."""

import ast
import re
import tomllib
from pathlib import Path
from pydoc import locate

import pytest
from django.utils.module_loading import import_string

from billing.events.types import PUBLIC
from billing.jobs import hints

ROOT = Path(__file__).resolve().parents[2]
APPS = ("catalog", "customers", "dunning", "portal")
OF_THE_INSTALLATION = {"__init__", "apps", "checks", "settings", "urls", "wiring", "wsgi"}
LINES_MAX, LINES_OF_FUNCTION_MAX = 600, 70


def product_files() -> list[Path]:
    return [
        path
        for folder in ("billing", *APPS)
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def test_only_what_belongs_to_the_whole_installation_is_a_file_of_billing() -> None:
    assert {path.stem for path in (ROOT / "billing").glob("*.py")} == OF_THE_INSTALLATION


def test_every_package_has_its_place_among_the_layers() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    layers = next(
        each["layers"] for each in tool["importlinter"]["contracts"] if each["type"] == "layers"
    )
    placed = {name for layer in layers for name in re.split(r"[ |:]+", layer)}
    packages = {
        f"billing.{path.name}"
        for path in (ROOT / "billing").iterdir()
        if (path / "__init__.py").exists() and path.name != "migrations"
    }
    files = {f"billing.{name}" for name in OF_THE_INSTALLATION - {"__init__"}}
    assert placed == packages | files | set(APPS)


def test_no_file_is_longer_than_one_can_keep_in_mind() -> None:
    long = {
        path.relative_to(ROOT).as_posix()
        for path in product_files()
        if path.read_text().count("\n") > LINES_MAX
    }
    assert long == set()


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{path.relative_to(ROOT).as_posix()}:{node.name}"
        for path in product_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LINES_OF_FUNCTION_MAX
    }
    assert long == set()


@pytest.mark.parametrize("name", [hints.TICK, hints.ADVANCE_TEST_CLOCKS, hints.MAIL_LINKS])
def test_a_hint_names_a_task_that_is_there(name: str) -> None:
    assert callable(import_string(name))


def test_every_name_of_ours_in_the_settings_is_there() -> None:
    source = (ROOT / "billing/settings.py").read_text()
    names = re.findall(r'"((?:billing|portal|customers|catalog|dunning)\.[\w.]+)"', source)
    assert len(names) > 30
    assert [name for name in names if locate(name) is None] == []


def test_every_file_and_name_of_ours_in_the_docs_is_there() -> None:
    docs = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    text = "\n".join(path.read_text() for path in docs)
    files = {path.as_posix() for path in (*product_files(), *(ROOT / "tests").rglob("*.py"))}
    files |= {path.as_posix() for path in ROOT.glob("*.py")}
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    assert len(named) > 60
    assert {name for name in named if not any(each.endswith(f"/{name}") for each in files)} == set()
    dotted = set(re.findall(r"`((?:billing|portal|customers|catalog|dunning)\.[\w.]+)`", text))
    assert {name for name in dotted - PUBLIC.keys() if locate(name) is None} == set()
