"""Places where an app above joins in with one below, which must not know it.

Each app declares its hooks in its ``hooks.py``: a Protocol each, whose docstring says when it is
called and which locks are held. ``billing/wiring.py`` alone fills them, as the process starts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Hook[Callee: Callable[..., Any]]:
    """Those who join in at one place, in the order in which they are called."""

    def __init__(self) -> None:
        self._callees: tuple[Callee, ...] | None = None

    def fill(self, *callees: Callee) -> None:
        """Say who is called, once and for all. Raises RuntimeError where it was said before."""
        if self._callees is not None:
            raise RuntimeError("A hook is filled once, in billing/wiring.py.")
        self._callees = callees

    def __iter__(self) -> Iterator[Callee]:
        """Raises RuntimeError before the wiring is done: what joins in must not be left out."""
        if self._callees is None:
            raise RuntimeError("A hook was called before billing/wiring.py had filled it.")
        return iter(self._callees)

    @property
    def only(self) -> Callee:
        """The one who is called, of a hook that is for one."""
        [callee] = self
        return callee

    @contextmanager
    def replaced(self, *callees: Callee) -> Iterator[None]:
        """Have others called meanwhile: for tests."""
        before, self._callees = self._callees, callees
        try:
            yield
        finally:
            self._callees = before
