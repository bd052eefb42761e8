import re
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from billing.api.scopes import Scope
from billing.base.guard_words import GUARD_WORDS

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("", "billing/desk/", "billing/mail/", "portal/")
CATALOGS = sorted(
    path for place in PLACES for path in ROOT.glob(f"{place}locale/*/LC_MESSAGES/django.po")
)

# What the desk says in its code and its templates.
DESK = (
    "billing/api/admin.py",
    "billing/base/typed.py",
    "billing/checkout/admin.py",
    "billing/desk/*.py",
    "billing/events/admin.py",
    "billing/front_page/*.py",
    "billing/invoicing/*.py",
    "billing/jobs/admin.py",
    "billing/ledger/admin.py",
    "billing/mail/admin.py",
    "billing/payments/*.py",
    "billing/staff/*.py",
    "billing/subscriptions/*.py",
    "billing/tax/*.py",
    "billing/usage/*.py",
    "billing/webhooks/*.py",
    "catalog/*.py",
    "customers/*.py",
    "dunning/*.py",
)
DESK_PAGES = ("admin/**/*.html", "unfold/**/*.html")
WORDS_OF_MAIL = (
    "billing/mail/composing.py",
    "billing/mail/words/*.py",
    "dunning/steps.py",
)


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_compiled_translations_are_those_of_the_source(path: Path) -> None:
    """If not: ``.venv/bin/pybabel compile -D django -d <its locale folder> -l sv``."""
    source = read_po(path.open("rb"))
    is_said = (m for m in source if m.id and m.string and not m.fuzzy)
    said = {(m.context, _fixed(m.id)): _fixed(m.string) for m in is_said}
    compiled = read_mo(path.with_suffix(".mo").open("rb"))
    # Babel reads the contexts of compiled files as bytes.
    found = {(_text(m.context), _fixed(m.id)): _fixed(m.string) for m in compiled if m.id}
    assert found == said


def _fixed(words: object) -> object:
    """One text, or those of one and of many, so that they can be compared."""
    return tuple(words) if isinstance(words, list | tuple) else words


def _text(context: object) -> object:
    return context.decode() if isinstance(context, bytes) else context


@pytest.mark.parametrize(
    ("place", "context", "code", "pages"),
    [
        (
            "",
            "document",
            (
                "billing/invoicing/documents.py",
                "billing/invoicing/voiding.py",
                "billing/payments/receipts.py",
            ),
            ("invoicing/document.html", "invoicing/invoice.html", "payments/receipt.html"),
        ),
        (
            "",
            "demo",
            ("billing/demo/*.py",),
            ("demo/base.html", "demo/demo.html", "demo/letter.html", "demo/mailbox.html"),
        ),
        ("billing/mail/", "mail", WORDS_OF_MAIL, ()),
        ("portal/", "portal", ("billing/base/typed.py", "portal/**/*.py"), ("portal/**/*.html",)),
        ("portal/", "pay", ("portal/**/*.py",), ("portal/**/*.html",)),
    ],
)
def test_every_word_is_translated(
    place: str, context: str, code: tuple[str, ...], pages: tuple[str, ...]
) -> None:
    known, used = words_known(place, context), words_used(context, code, pages)
    assert len(used) > 10
    assert used - known == set()
    assert known - used == set()


def test_every_word_of_the_desk_is_translated() -> None:
    known = words_known("", "desk") | words_known("billing/desk/", "desk")
    used = words_used("desk", DESK, DESK_PAGES) | {*GUARD_WORDS.values(), *Scope.labels}
    assert used - known == set()
    assert known - used == set()


def words_known(place: str, context: str) -> set[str]:
    """What the Swedish catalog of a place translates in a context; numbers as one word."""
    catalog = read_po((ROOT / place / "locale/sv/LC_MESSAGES/django.po").open("rb"))
    found = [m.id for m in catalog if m.context == context and m.string]
    return {each if isinstance(each, str) else "".join(each) for each in found}


def words_used(context: str, code: tuple[str, ...], pages: tuple[str, ...]) -> set[str]:
    """What code and templates say in a context, by the words of their source."""
    source = "".join(path.read_text() for name in code for path in ROOT.glob(name))
    page = "".join(path.read_text() for name in pages for path in ROOT.glob(f"templates/{name}"))
    called = rf'pgettext(?:_lazy)?\(\s*"{context}",((?:\s*"[^"]*",?)+)'
    used = {
        "".join(re.findall(r'"([^"]*)"', arguments)) for arguments in re.findall(called, source)
    }
    said = rf"""\{{% translate (["'])(.+?)\1 context ["']{context}["'](?: as \w+)? %\}}"""
    used |= {text for _, text in re.findall(said, page)}
    begun = rf"""\{{% blocktranslate [^%]*context ["']{context}["'] %\}}"""
    blocks = re.findall(begun + r"(.*?)\{% endblocktranslate %\}", page, re.S)
    return used | {
        " ".join(re.sub(r"\{\{ (\w+) \}\}", r"%(\1)s", block).split()) for block in blocks
    }
