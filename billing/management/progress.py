"""A progress bar on stderr, so that stdout stays for results."""

import sys
from typing import TextIO

BAR_WIDTH = 30


class Progress:
    """Counts up to ``total``; draws on a terminal, and says nothing where there is none.

    ``total`` may be an estimate: a count beyond it is shown as it is, and the bar stays full.
    """

    def __init__(self, label: str, total: int, stream: TextIO | None = None):
        self.label, self.total, self.done = label, total, 0
        self.stream = stream or sys.stderr
        self.is_shown = self.stream.isatty() and total > 0

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        self.done += count
        self._draw()

    def __enter__(self) -> "Progress":
        self._draw()
        return self

    def __exit__(self, *raised: object) -> None:
        if self.is_shown:
            self.stream.write("\n")
            self.stream.flush()

    def _draw(self) -> None:
        if not self.is_shown:
            return
        full = min(BAR_WIDTH, BAR_WIDTH * self.done // self.total)
        bar = "█" * full + "░" * (BAR_WIDTH - full)
        self.stream.write(f"\r{self.label:<20} {bar} {self.done:,}/{self.total:,}\033[K")
        self.stream.flush()
