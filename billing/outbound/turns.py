"""A turn of work that calls out: when it is over, and which accounts are left alone until the next.

A gateway that hangs costs its limit of seconds with each call. So whoever works through many rows
asks :func:`time_is_up` after each, which tells of progress as well; and an account that has not
answered in time, or not clearly, three times in a turn is asked no more in it. Outside of a turn,
as in a request that somebody waits for, nothing is counted.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

STRIKES_MAX = 3
SLOW_SECONDS = 5


class Turn:
    """How the accounts that are called fare; ``unclear`` calls count as strikes against one."""

    def __init__(self) -> None:
        self.strikes: Counter[str] = Counter()

    def note(self, account: str, *, is_clear: bool, seconds: float) -> None:
        if not is_clear or seconds >= SLOW_SECONDS:
            self.strikes[account] += 1
        else:
            del self.strikes[account]

    def leaves(self, account: str) -> bool:
        return self.strikes[account] >= STRIKES_MAX


_turn: ContextVar[Turn | None] = ContextVar("turn", default=None)
_is_up: ContextVar[Callable[[], bool]] = ContextVar("is_up", default=lambda: False)


@contextmanager
def one_turn() -> Iterator[Turn]:
    """What is called in the block is called in one turn, or in that which it stands in."""
    if turn := _turn.get():
        yield turn
        return
    token = _turn.set(turn := Turn())
    try:
        yield turn
    finally:
        _turn.reset(token)


@contextmanager
def until(is_up: Callable[[], bool]) -> Iterator[None]:
    """What is in the block goes on until ``is_up``; asking that may tell how far it has come."""
    token = _is_up.set(is_up)
    try:
        yield
    finally:
        _is_up.reset(token)


def time_is_up() -> bool:
    """Whether the work in hand should end after the step that is done."""
    return _is_up.get()()


def is_left(account: str) -> bool:
    """Whether an account is asked no more in this turn."""
    turn = _turn.get()
    return turn is not None and turn.leaves(account)


def left_alone() -> list[str]:
    """The accounts that are asked no more in this turn: what they are needed for is not begun."""
    turn = _turn.get()
    return [] if turn is None else [each for each in turn.strikes if turn.leaves(each)]


@contextmanager
def call(account: str) -> Iterator[None]:
    """A call to an account: what it raises, or a slow answer, is a strike against it."""
    began, is_clear = time.monotonic(), False
    try:
        yield
        is_clear = True
    finally:
        if turn := _turn.get():
            turn.note(account, is_clear=is_clear, seconds=time.monotonic() - began)
