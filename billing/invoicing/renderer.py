"""The process that lays out pages: HTML in, PDF out, over a pipe, and nothing else.

Run as ``python -m billing.invoicing.renderer``. It knows neither Django nor the database, has no
network where the system allows it to give that up, and takes bounded memory, and bounded processor
time for each page: a monstrous page ends this process and no other. ``printing.py`` is the other
end of the pipe.

A page comes as eight bytes of length and the HTML in UTF-8. The answer is eight bytes of length
and a line of JSON, whose ``pdf_bytes`` follow.
"""

import contextlib
import gc
import json
import logging
import os
import re
import resource
import struct
import sys
from pathlib import Path
from typing import BinaryIO, Final

ROOT: Final = Path(__file__).resolve().parents[2]
CPU_SECONDS: Final = 30
# A thousand lines take half of it; what a page of 50,000 lines wants is beyond any such number.
MEMORY_BYTES: Final = 1536 * 1024 * 1024
COLLECTED_AFTER: Final = 100_000  # New objects; Python would look after 2,000.
FILE_BYTES: Final = 64 * 1024 * 1024
LENGTH: Final = struct.Struct(">Q")


def main() -> None:
    """Answer one page after the other until the other end is closed."""
    pages, answers = _own_pipe()
    cpu_seconds = int(sys.argv[1]) if len(sys.argv) > 1 else CPU_SECONDS
    _leave_network()
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    # Imported here, so that whoever asks for pages does not carry WeasyPrint as well.
    from billing.invoicing.press import press

    log = _Log()
    press()
    # What was loaded so far stays for good; the collector need not look through it for each page,
    # nor a hundred times through what a page of one sheet has made.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)
    while header := pages.read(LENGTH.size):
        html = pages.read(*LENGTH.unpack(header)).decode()
        _allow_cpu_seconds(cpu_seconds)
        pdf, error = b"", ""
        try:
            pdf = press().print(html)
        except MemoryError:
            error = "memory"
        except RecursionError:
            error = "depth"
        except Exception as unforeseen:
            error = f"{type(unforeseen).__name__}: {unforeseen}"[:500]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak_bytes = peak if sys.platform == "darwin" else peak * 1024
        answer = {
            "pdf_bytes": len(pdf),
            "error": error,
            "logged": log.take(),
            "peak_bytes": peak_bytes,
        }
        line = json.dumps(answer).encode()
        answers.write(LENGTH.pack(len(line)) + line + pdf)
        answers.flush()


# What WeasyPrint says of a letter that no font has.
_NO_GLYPH: Final = re.compile(r"\.notdef glyph rendered.*\((U\+[0-9A-F]+)\)$", re.DOTALL)


class _Log(logging.Handler):
    """Keeps warnings until the answer takes them along: this process has nobody to tell."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[list[str]] = []
        # The letters that no font has; each is told of once, not once for each page.
        self.missing: set[str] = set()
        self.told: set[str] = set()
        logging.getLogger().addHandler(self)
        for name in ("weasyprint", "weasyprint.progress", "fontTools"):
            library = logging.getLogger(name)
            library.handlers.clear()
            library.setLevel(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if missing := _NO_GLYPH.match(said):
            self.missing.add(missing[1])
        elif len(self.lines) < 20:
            self.lines.append([record.levelname, said[:500]])

    def take(self) -> list[list[str]]:
        taken, self.lines = self.lines, []
        if new := self.missing - self.told:
            self.told |= new
            listed = " ".join(sorted(new)[:100])
            said = (
                f"No font has the letters {listed}, so they are printed as squares (.notdef). "
                "docs/operations.md says which packages bring fonts."
            )
            taken.append(["WARNING", said])
        return taken


def _own_pipe() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for this module alone; a stray ``print`` goes to standard error."""
    pages, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return pages, answers


def _leave_network() -> None:
    """Move into a network namespace without any device, where the system allows it."""
    if hasattr(os, "unshare"):
        with contextlib.suppress(OSError):
            os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    # macOS knows some of these names and refuses to set them.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (most, hard))


def _allow_cpu_seconds(seconds: int) -> None:
    """Let the system end this process when the next page takes longer than that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds + 1)


if __name__ == "__main__":
    main()
