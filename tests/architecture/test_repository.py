import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing.checks import KNOWN_VARIABLES

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("billing", "customers", "catalog", "dunning", "portal")
# In pieces, so that this file does not contain what it looks for.
INDEX_HOSTS = (
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "pypi." + "python.org",
    "registry." + "npmjs.org",
    "registry." + "yarnpkg.com",
    "--extra-" + "index-url",
    "--index" + "-url",
    "--find" + "-links",
)
PLACES_OF_ONE_MACHINE = ("/work" + "/", "/root" + "/", "/opt" + "/pypi", "/opt" + "/wheels")
# A float is a measurement here, never money; each file says what it measures.
FLOATS_ALLOWED: dict[str, str] = {}


def committed_files() -> Iterator[tuple[str, str]]:
    """Path and text of every file that is or would be committed; binary files have no text."""
    listed = subprocess.run(
        [
            "git",
            "-c",
            "safe.directory=*",
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            content = (ROOT / name).read_bytes()
            if b"\0" not in content:
                yield name, content.decode(errors="replace")


def product_code() -> Iterator[tuple[str, str]]:
    for name, text in committed_files():
        if name.endswith(".py") and name.split("/")[0] in PRODUCT:
            yield name, text


@pytest.mark.parametrize("needle", INDEX_HOSTS + PLACES_OF_ONE_MACHINE)
def test_no_file_names_a_package_index_or_a_place_of_one_machine(needle: str) -> None:
    assert [name for name, text in committed_files() if needle in text] == []


def test_the_lock_pins_every_package_by_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", lock)
    assert len(entries) > 40
    assert [entry for entry in entries[1:] if "--hash=sha256:" not in entry] == []


def test_the_clock_is_read_in_one_place() -> None:
    reading = re.compile(r"\b(timezone|datetime)\.now\(|\bdate\.today\(|\butcnow\(|\blocaldate\(")
    found = [name for name, text in product_code() if reading.search(text)]
    assert [name for name in found if name != "billing/base/clock.py"] == []


def test_no_float_comes_near_money() -> None:
    using = re.compile(r"\bfloat\(|FloatField")
    found = {name for name, text in product_code() if using.search(text)}
    assert found - FLOATS_ALLOWED.keys() == set()


def test_every_setting_that_is_read_is_a_setting_that_is_known() -> None:
    named = re.compile(r"\bKVITT_[A-Z_]*[A-Z]")
    read = {match for _, text in product_code() for match in named.findall(text)}
    assert {name.removesuffix("_FILE") for name in read} == KNOWN_VARIABLES
