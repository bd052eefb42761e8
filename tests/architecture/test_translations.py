import re
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
CATALOGS = sorted(ROOT.glob("locale/*/LC_MESSAGES/django.po"))


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_compiled_translations_are_those_of_the_source(path: Path) -> None:
    """If not: ``.venv/bin/pybabel compile -D django -d locale -l sv``."""
    source = read_po(path.open("rb"))
    said = {m.id: m.string for m in source if m.id and m.string and not m.fuzzy}
    compiled = read_mo(path.with_suffix(".mo").open("rb"))
    assert {m.id: m.string for m in compiled if m.id} == said


def test_every_word_on_a_document_is_translated() -> None:
    catalog = read_po((ROOT / "locale/sv/LC_MESSAGES/django.po").open("rb"))
    known = {m.id for m in catalog if m.context == "document" and m.string}
    code = (ROOT / "billing/invoicing/documents.py").read_text()
    pages = [ROOT / f"templates/invoicing/{name}.html" for name in ("document", "invoice")]
    page = "".join(path.read_text() for path in pages)
    used = {
        "".join(re.findall(r'"([^"]*)"', arguments))
        for arguments in re.findall(r'pgettext\(\s*"document",((?:\s*"[^"]*",?)+)', code)
    }
    used |= set(re.findall(r'\{% translate "([^"]+)" context "document" %\}', page))
    blocks = re.findall(r"\{% blocktranslate.*?%\}(.*?)\{% endblocktranslate %\}", page, re.S)
    used |= {re.sub(r"\{\{ (\w+) \}\}", r"%(\1)s", block.strip()) for block in blocks}
    assert len(used) > 40
    assert used - known == set()
    assert known - used == set()
