"""Templates of the desk say nothing but what is translated."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.template.base import Lexer, TokenType

from tests.visible import texts_of

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
FOLDERS = ("account", "admin", "mfa", "unfold")
PAGES = sorted(
    path for folder in FOLDERS for path in TEMPLATES.glob(f"{folder}/**/*.*") if path.is_file()
)
# The same in every language; "wide" is a class that some pages to sign in fill in.
NAMES = {"Kvitt", "· Kvitt", "Ctrl K", "wide"}
# What an included template shows as it is handed in; a field of the pages to sign in translates it.
HANDED_IN = r"""(?<=\s)(?:children|message|text|title)=(["'])([^"']*[^\W\d_][^"']*)\1"""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_of_the_desk_says_nothing_untranslated(path: Path) -> None:
    assert [text for text in untranslated(path.read_text()) if text not in NAMES] == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>{{ name }} is late</p>", "is late"),
        ('<img alt="A logo">', "A logo"),
        ('<a title="Go {{ where }}">{% translate "Go" %}</a>', "Go"),
        ('{% if a %}{% translate "Yes" %}{% else %}No{% endif %}', "No"),
        ('{% include "button.html" with form="" children="Back" %}', "Back"),
    ],
)
def test_what_is_not_translated_is_found(source: str, text: str) -> None:
    assert untranslated(source) == [text]


def test_what_is_translated_and_what_nobody_reads_is_passed_over() -> None:
    source = (
        '{# Why #}<b aria-label="{% translate "Sum" %}" class="wide">'
        "{% blocktranslate %}Sum of {{ a }}{% plural %}Sums{% endblocktranslate %}</b>"
        '<span class="material-symbols-outlined">alarm</span><script>let a;</script>'
    )
    assert untranslated(source) == []


def untranslated(source: str) -> list[str]:
    """The texts of a template that stand outside of tags for translation."""
    return [*texts_of("".join(_own_html(source))), *_handed_in(source)]


def _own_html(source: str) -> Iterator[str]:
    """What a template says of itself: without its tags, and what they translate."""
    is_translated = False
    for token in Lexer(source).tokenize():
        name = token.contents.split()[:1]
        if token.token_type == TokenType.BLOCK and name in (["blocktranslate"], ["comment"]):
            is_translated = True
        elif token.token_type == TokenType.BLOCK and name in (
            ["endblocktranslate"],
            ["endcomment"],
        ):
            is_translated = False
        elif token.token_type == TokenType.TEXT and not is_translated:
            yield token.contents


def _handed_in(source: str) -> Iterator[str]:
    for token in Lexer(source).tokenize():
        if token.token_type == TokenType.BLOCK and token.contents.startswith("include "):
            yield from (text for _, text in re.findall(HANDED_IN, token.contents))
