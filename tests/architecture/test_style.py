"""What docs/style.md has done away with does not come back into what customers read."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from tests.architecture.test_translations import CATALOGS

ENGLISH = (
    r"\bneed not\b",
    r"\bby itself\b",
    r"\bgo(es)? on\b",
    r"\bjust now\b",
    r"\bat once\b",
    r"\banew\b",
    r"\bmade out to\b",
    r"\bleave (a|another|your) card\b",
    r"\bbank days?\b",
    r"\bmail(s|ed)?\b",
    r"(?<!There )\bis no (?!longer\b)",
    r"\bWrite (a|an|the) ",
    r"\btake [^.]*\binvoices\b",
    r"\bkept as your balance\b",
    r"\blink to order\b",
    r"\[\]",
    "!",
)
SWEDISH = (
    r"\bav sig själv",
    r"\bav oss själva\b",
    r"\bgenast\b",
    r"\bfattas\b",
    r"\bhär (ovanför|nedanför)\b",
    r"\blämna(r|t)? (ett|ett annat|ditt) kort\b",
    r"\buppehåll",
    r"\ber[ta]?\b",
    r"\bhandling(en)?\b",
    r"\bsenast (%\(day\)s|%\(due_on\)s|\d)",
    r"\bi taget\b",
    r"(^|\. )Förföll\b",
    r"\bdrar (dina? |ditt )?(kommande )?(fakturor|abonnemang)",
    r"\bBetalt från\b",
    r"\blåt det vara\.",
    # What the glossary has one word for.
    r"(?<!%\()\bpolicy",
    r"\bsen(a|are)? skuld",
    r"\båterkallad",
    r"\bhemlighet",
    r"\breservkod",
    r"\bsläppt\b",
    "!",
)


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-5])
def test_no_text_says_what_the_style_has_another_word_for(path: Path) -> None:
    found = [
        (word, said)
        for message in read_po(path.open("rb"))
        if message.id
        for words, said in ((ENGLISH, _english_of(message)), (SWEDISH, str(message.string)))
        for word in words
        if re.search(word, str(said), re.IGNORECASE if words is SWEDISH else 0)
    ]
    assert found == []


def _english_of(message: Message) -> str:
    """What stands in English; the sentences of the log and the API stay as programs know them."""
    return "" if message.context == "said" else str(message.id)
