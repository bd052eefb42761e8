import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("billing", "catalog", "customers", "dunning", "portal")
OPERATIONS = (ROOT / "docs/operations.md").read_text()


def test_a_command_of_the_page_is_found_wherever_the_operator_stands() -> None:
    # systemd-run looks for a relative path in the folder of who calls it, not in the unit's.
    calls = re.findall(r"run_kvitt(?: +--\S+)* +([^-\s]\S*)", OPERATIONS.replace("\\\n", " "))
    assert calls
    assert [command for command in calls if not command.startswith("/")] == []


def test_no_command_of_the_page_needs_what_debian_does_not_install() -> None:
    assert "sudo " not in OPERATIONS


def test_all_code_is_compiled_ahead_for_a_user_who_may_not_write(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/compile.sh", tmp_path / "scripts")
    sources = [tmp_path / "manage.py", tmp_path / ".venv/lib/python/site-packages/library.py"]
    sources += [tmp_path / package / "inner/module.py" for package in PACKAGES]
    for source in sources:
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("x = 1\n")
    (tmp_path / ".venv/bin").mkdir()
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    subprocess.run(["sh", "scripts/compile.sh"], cwd=tmp_path, check=True)
    bare = [
        each for each in sources if not list(each.parent.glob(f"__pycache__/{each.stem}.*.pyc"))
    ]
    assert bare == []


@pytest.mark.parametrize("recipe", ["Makefile", "Dockerfile"])
def test_what_production_starts_from_is_compiled(recipe: str) -> None:
    assert "sh scripts/compile.sh" in (ROOT / recipe).read_text()


def test_the_page_shows_caddy_as_it_is_shipped() -> None:
    shipped = (ROOT / "deploy/Caddyfile").read_text()
    site = shipped[shipped.index("billing.example.com {") :]
    assert site in OPERATIONS


@pytest.mark.parametrize(
    ("length", "is_refused"),
    [("5999999", False), ("6000000", True), ("9999999", True), ("40000000", True), ("0", False)],
)
def test_caddy_says_what_is_too_large_before_it_reads(length: str, is_refused: bool) -> None:
    shipped = (ROOT / "deploy/Caddyfile").read_text()
    limit = re.search(r"header_regexp Content-Length (\S+)", shipped)
    assert limit
    assert bool(re.search(limit[1], length)) is is_refused
