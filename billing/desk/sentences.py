"""What the log, the API and the engine say in English, said in the language of the page.

What was done, and what was refused, is said once: in English, with its figures and names in it, so
that a log has one language whoever works, and programs read what they have read before. The desk
knows such a sentence by its shape: the catalog has it under the context "said", with places for
what differs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from django.utils.translation import get_language, pgettext, to_locale

CONTEXT = "said"
CATALOGS = Path(__file__).parent / "locale"
_PLACE = re.compile(r"%\((\w+)\)s")
# The code of a refusal, which stands before it where it is kept as a reason.
_CODE = re.compile(r"[a-z]+(?:_[a-z]+)+: ")
# The kind of an error, where that stands before it.
_KIND = re.compile(r"[A-Z][A-Za-z]+: ")
_END_OF_SENTENCE = re.compile(r"(?<=[.]) ")


@dataclass(frozen=True)
class _Shape:
    """A sentence with places, how it begins and ends, all of it, and its translation."""

    sentence: str
    begins: str
    ends: str
    whole: re.Pattern[str]
    translation: str


def in_page_language(text: str) -> str:
    """A text of one sentence or several; what the catalog does not know stays as it is."""
    return _translated(text, to_locale(get_language() or "en"))


@lru_cache(maxsize=4096)
def _translated(text: str, locale: str) -> str:
    shapes = _shapes(locale)
    if not shapes:
        return text
    if code := _CODE.match(text):
        return f"{code[0]}{_translated(text[code.end() :], locale)}"
    if (known := _all_known(text, shapes, locale)) is not None:
        return known
    if kind := _KIND.match(text):
        return f"{kind[0]}{_translated(text[kind.end() :], locale)}"
    for first, others in _split(text):
        if (known := _known(first, shapes, locale)) is not None:
            return f"{known} {_translated(others, locale)}"
    return text


def _all_known(text: str, shapes: list[_Shape], locale: str) -> str | None:
    """A text all of whose sentences are known: as many as can be, or one place takes in several."""
    for first, others in _split(text):
        known = _known(first, shapes, locale)
        if known is not None and (rest := _all_known(others, shapes, locale)) is not None:
            return f"{known} {rest}"
    return _known(text, shapes, locale)


def _split(text: str) -> Iterator[tuple[str, str]]:
    """What may be the first sentence of several, with the others."""
    ends = _END_OF_SENTENCE.finditer(text)
    return ((text[: end.start()], text[end.end() :]) for end in ends)


@cache
def _shapes(locale: str) -> list[_Shape]:
    """The sentences that are known in a language, those first that say most by themselves."""
    compiled = CATALOGS / locale / "LC_MESSAGES" / "django.mo"
    if not compiled.exists():
        return []
    with compiled.open("rb") as file:
        found = [*_shapes_in(read_mo(file))]
    return sorted(found, key=lambda shape: len(_PLACE.sub("", shape.sentence)), reverse=True)


def _shapes_in(catalog: Catalog) -> Iterator[_Shape]:
    for message in catalog:
        # Babel reads the contexts of compiled files as bytes.
        context: Any = message.context
        if context != CONTEXT.encode() or not isinstance(message.id, str):
            continue
        # What stands between places, and in between the places' names.
        parts = _PLACE.split(message.id)
        pattern = "".join(
            f"(?P<{part}>.*?)" if position % 2 else re.escape(part)
            for position, part in enumerate(parts)
        )
        whole = re.compile(pattern, re.DOTALL)
        yield _Shape(message.id, parts[0], parts[-1], whole, str(message.string))


def _known(text: str, shapes: list[_Shape], locale: str) -> str | None:
    for shape in shapes:
        if not (text.startswith(shape.begins) and text.endswith(shape.ends)):
            continue
        if found := shape.whole.fullmatch(text):
            places = found.groupdict().items()
            return shape.translation % {name: _of_place(value, locale) for name, value in places}
    # Some refusals put together what pages say as well.
    said = pgettext("desk", text)
    return said if said != text and text.endswith(".") else None


def _of_place(value: str, locale: str) -> str:
    """What stands in a place: a sentence of its own, a word of the desk, or a name or figure."""
    translated = _translated(value, locale)
    return _word(value) if translated == value and value else translated


def _word(value: str) -> str:
    """A word of the desk; a state, which is said as the database has it, by its label on pages."""
    if value.islower():
        label = value.replace("_", " ").capitalize()
        if (shown := pgettext("desk", label)) != label:
            return f"{shown[0].lower()}{shown[1:]}"
    return pgettext("desk", value)
