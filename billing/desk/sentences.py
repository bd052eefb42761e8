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
# The places that hold a state or a step, and those that hold sentences. What else is put in is a
# figure or somebody's name for something: a plan may be called as a word of the desk is.
_STATES = frozenset({"new", "old", "state", "status", "step"})
_SENTENCES = frozenset({"how", "listed", "reason", "what"})
# The code of a refusal, which stands before it where it is kept as a reason.
_CODE = re.compile(r"(?:[a-z]+(?:_[a-z]+)+: )+")
# The kind of an error, where that stands before it.
_KIND = re.compile(r"[A-Z][A-Za-z]+: ")
_END_OF_SENTENCE = re.compile(r"(?<=[.]) ")
# In a text of more no sentence is looked for that holds some of the others, but for all of it.
SENTENCES_MAX = 40


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
    return _Reading(locale).translated(text)


class _Reading:
    """A text that is being read. What may be one of its sentences, or several, is looked up once,
    however many ways there are to divide the rest.
    """

    def __init__(self, locale: str) -> None:
        self.shapes = _shapes(locale)
        self._sentences: dict[str, str | None] = {}
        self._wholes: dict[str, str | None] = {}

    def translated(self, text: str) -> str:
        if not self.shapes:
            return text
        if code := _CODE.match(text):
            return f"{code[0]}{self.translated(text[code.end() :])}"
        sentences = _END_OF_SENTENCE.split(text)
        if len(sentences) > SENTENCES_MAX:
            return self._one_by_one(text, sentences)
        if (known := self._all_known(text)) is not None:
            return known
        if kind := _KIND.match(text):
            return f"{kind[0]}{self.translated(text[kind.end() :])}"
        for first, others in _split(text):
            if (known := self._known(first)) is not None:
                return f"{known} {self.translated(others)}"
        return text

    def _one_by_one(self, text: str, sentences: list[str]) -> str:
        known = [self._known(each) for each in sentences]
        whole = self._known(text) if None in known else None
        return whole or " ".join(
            found or each for found, each in zip(known, sentences, strict=True)
        )

    def _all_known(self, text: str) -> str | None:
        """A text all of whose sentences are known: as many as can be, or one place takes in
        several.
        """
        if text not in self._wholes:
            self._wholes[text] = self._divided(text) or self._known(text)
        return self._wholes[text]

    def _divided(self, text: str) -> str | None:
        for first, others in _split(text):
            known = self._known(first)
            if known is not None and (rest := self._all_known(others)) is not None:
                return f"{known} {rest}"
        return None

    def _known(self, text: str) -> str | None:
        if text not in self._sentences:
            self._sentences[text] = self._looked_up(text)
        return self._sentences[text]

    def _looked_up(self, text: str) -> str | None:
        for shape in self.shapes:
            if not (text.startswith(shape.begins) and text.endswith(shape.ends)):
                continue
            if found := shape.whole.fullmatch(text):
                places = found.groupdict().items()
                return shape.translation % {
                    name: self._of_place(name, value) for name, value in places
                }
        # Some refusals put together what pages say as well.
        said = pgettext("desk", text)
        return said if said != text and text.endswith(".") else None

    def _of_place(self, name: str, value: str) -> str:
        if name in _STATES:
            return _state(value)
        return self.translated(value) if name in _SENTENCES else value


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


def _state(value: str) -> str:
    """A state, which is said as the database has it, by its label on pages."""
    label = value.replace("_", " ").capitalize()
    shown = pgettext("desk", label)
    return f"{shown[0].lower()}{shown[1:]}" if shown != label else pgettext("desk", value)
