"""What an action comes to, shown before it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from django.http import QueryDict

# What of a form is no choice of the person who sends it.
NOT_CHOSEN = frozenset({"csrfmiddlewaretoken", "key", "seen"})


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a document: what it is for, why so much, and the amount as the page shows it."""

    what: str
    why: str
    amount: str


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A document that was made and not kept: when it comes, its lines, and what it comes to."""

    title: str
    on: date | None
    rows: Sequence[Row]
    total: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What an action comes to; ``outcome`` is that in one word, which the deed must come to too."""

    outcome: str
    documents: Sequence[Foreseen]

    def seen(self, sent: QueryDict) -> str:
        """What the button sends back: what was shown, and the choice that it was shown for."""
        return f"{self.outcome} {digest_of(sent)}"


class Reckoned(str):
    """What an action has done, in a sentence, with its outcome as its preview says it."""

    outcome: str

    def __new__(cls, done: str, *, outcome: str) -> "Reckoned":
        reckoned = super().__new__(cls, done)
        reckoned.outcome = outcome
        return reckoned


def digest_of(sent: QueryDict) -> str:
    """All that a person has chosen in a form, as one word."""
    chosen = sorted((name, values) for name, values in sent.lists() if name not in NOT_CHOSEN)
    return sha256(repr(chosen).encode()).hexdigest()[:16]


def outcome_shown(seen: str, sent: QueryDict) -> str:
    """The outcome that was shown for what is chosen; empty where nothing was, or another choice."""
    outcome, _, digest = seen.rpartition(" ")
    return outcome if digest == digest_of(sent) else ""
