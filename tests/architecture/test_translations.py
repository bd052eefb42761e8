import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
import unfold
from babel.messages.catalog import Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.contrib import admin
from django.db.models import fields

from billing.api.scopes import Scope
from billing.base.guard_words import GUARD_WORDS
from billing.desk.panels import Panel
from billing.engine.declines import Decline
from billing.front_page.menu import MENU
from billing.front_page.stops import SEEN
from billing.front_page.waiting import kinds_of_work

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("", "billing/desk/", "billing/mail/", "portal/")
CATALOGS = sorted(
    path for place in PLACES for path in ROOT.glob(f"{place}locale/*/LC_MESSAGES/django.po")
)

# What the desk says in its code and its templates. Its labels are put behind their translations by
# `billing/desk/labels.py`, and tests/admin/test_labels.py looks at them.
DESK = (
    "billing/settings.py",
    "billing/api/*.py",
    "billing/base/typed.py",
    "billing/checkout/admin.py",
    "billing/desk/*.py",
    "billing/events/admin.py",
    "billing/front_page/*.py",
    "billing/invoicing/*.py",
    "billing/jobs/*.py",
    "billing/ledger/admin.py",
    "billing/mail/admin.py",
    "billing/mail/models.py",
    "billing/outbound/*.py",
    "billing/merging/*.py",
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
DESK_PAGES = ("account/**/*.*", "admin/**/*.html", "mfa/**/*.*", "unfold/**/*.html")
# A place on the desk that a text names, other than in quotation marks.
PLACE = re.compile(r"\bunder [A-Z]")
WORDS_OF_MAIL = (
    "billing/mail/composing.py",
    "billing/mail/words/*.py",
    "dunning/steps.py",
)


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_compiled_translations_are_those_of_the_source(path: Path) -> None:
    """If not: ``.venv/bin/pybabel compile -D django -d <its locale folder> -l sv``."""
    source = read_po(path.open("rb"))
    said = {_entry(m) for m in source if m.id and m.string and not m.fuzzy}
    compiled = read_mo(path.with_suffix(".mo").open("rb"))
    assert {_entry(m) for m in compiled if m.id} == said


def test_a_word_is_translated_in_one_catalog_alone() -> None:
    """Of two translations the one that is read first would be shown, whichever was edited."""
    found = Counter(
        (message.context, str(message.id))
        for path in CATALOGS
        for message in read_po(path.open("rb"))
        if message.id
    )
    assert [entry for entry, times in found.items() if times > 1] == []


def _entry(message: Message) -> tuple[object, ...]:
    """A message's context, words and translations, of which there are two where it counts.

    Babel reads the contexts of compiled files as bytes.
    """
    context = message.context
    context = context.decode() if isinstance(context, bytes) else context
    ids, strings = (
        (text,) if isinstance(text, str) else tuple(text or ())
        for text in (message.id, message.string)
    )
    return context, ids, strings


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
    known = words_known(place, context)
    used = words_used(context, code, pages)
    assert len(used) > 10
    assert used - known == set()
    assert known - used == set()


@pytest.mark.django_db
def test_every_word_of_the_desk_is_translated() -> None:
    """What stands in vain in its catalog is found with its labels, by tests/admin."""
    known = words_known("", "desk") | words_known("billing/desk/", "desk")
    assert words_of_desk() - known == set()


def test_where_a_text_sends_its_reader_there_is_such_a_place_in_both_languages() -> None:
    """Compared without the end of the Swedish word: “bland säljarna” is under Säljare."""
    menu = {title: [name for name, *_ in entries] for title, entries in MENU}
    swedish = {m.id: str(m.string) for m in _entries("desk") if isinstance(m.id, str)}
    places = [*menu, *(name for names in menu.values() for name in names), "Tax"]
    sending = [m for m in (*_entries("desk"), *_entries("said")) if PLACE.search(str(m.id))]
    assert len(sending) > 5
    for message in sending:
        said = str(message.id)
        named = [place for place in places if re.search(rf"\b(under|, ) ?{place}\b", said)]
        assert named, said
        for place in named:
            assert swedish[place][:-1].casefold() in str(message.string).casefold(), said
        for title, name in re.findall(r"\bunder ([A-Z]\w+), ([A-Z][^.]+)\.", said):
            assert name in menu[title], said


def _entries(context: str) -> list[Message]:
    return [
        message
        for path in CATALOGS
        for message in read_po(path.open("rb"))
        if message.context == context
    ]


def test_words_of_unfold_are_those_that_it_has() -> None:
    """It has no Swedish of its own; what it words otherwise one day would be English again.

    So has Django for what it calls an empty choice.
    """
    folder = Path(unfold.__path__[0])
    source = "".join(
        path.read_text() for kind in ("html", "py") for path in folder.rglob(f"*.{kind}")
    )
    source += str(fields.BLANK_CHOICE_LABEL)
    source = re.sub(r"\{\{ (\w+) \}\}", r"%(\1)s", source)
    assert [
        word for word in words_known("billing/desk/", None) if word and word not in source
    ] == []


def words_of_desk() -> set[str]:
    """What the desk says: in code and templates, and in what it translates where it is shown."""
    used = words_used("desk", DESK, DESK_PAGES) | words_of_fields() | words_of_panels()
    used |= {text for work in kinds_of_work() for text in (work.title, work.note)}
    used |= {decline.label for decline in Decline}
    return used | {*SEEN.values(), *GUARD_WORDS.values(), *Scope.labels}


def words_of_fields() -> set[str]:
    """The labels and hints that pages to sign in hand to their template of a field."""
    page = "".join(path.read_text() for path in _pages(("account/**/*.html", "mfa/**/*.html")))
    included = re.findall(r"\{% include \"account/field.html\" (.*?) %\}", page)
    return {text for with_ in included for text in re.findall(r' (?:label|hint)="([^"]+)"', with_)}


def words_of_panels() -> set[str]:
    """The titles, headers and empty states of the tables beneath the desk's forms."""
    panels = [panel for page in admin.site._registry.values() for panel in _panels_of(page)]
    assert len(panels) > 30
    said = {text for each in panels for text in (each.title, each.when_empty, *each.columns)}
    return said - {""}  # One that is left out when it is empty.


def _panels_of(page: object) -> Sequence[Panel]:
    return getattr(page, "panels", ())


def words_known(place: str, context: str | None) -> set[str]:
    """What the Swedish catalog of a place translates in a context; of two forms the singular."""
    catalog = read_po((ROOT / place / "locale/sv/LC_MESSAGES/django.po").open("rb"))
    return {
        m.id if isinstance(m.id, str) else m.id[0]
        for m in catalog
        if m.context == context
        and (m.string if isinstance(m.string, str) else all(m.string or [""]))
    }


def words_used(context: str, code: tuple[str, ...], pages: tuple[str, ...]) -> set[str]:
    """What code and templates say in a context, by the words of their source."""
    source = "".join(path.read_text() for name in code for path in ROOT.glob(name))
    page = "".join(path.read_text() for path in _pages(pages))
    called = rf'pgettext(?:_lazy)?\(\s*"{context}",((?:\s*"[^"]*")+)'
    used = {
        "".join(re.findall(r'"([^"]*)"', arguments)) for arguments in re.findall(called, source)
    }
    said = rf"""\{{% translate (["'])(.+?)\1 context ["']{context}["'](?: as \w+)? %\}}"""
    used |= {text for _, text in re.findall(said, page)}
    begun = rf"""\{{% blocktranslate [^%]*context ["']{context}["'] %\}}"""
    blocks = re.findall(begun + r"(.*?)\{% (?:plural|endblocktranslate) %\}", page, re.S)
    return used | {
        " ".join(re.sub(r"\{\{ (\w+) \}\}", r"%(\1)s", block).split()) for block in blocks
    }


def _pages(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        yield from ROOT.glob(f"templates/{name}")
