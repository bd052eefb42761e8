"""Pages as PDF, laid out in a process of their own that may die without harm to this one.

Each process that prints starts one renderer (``renderer.py``) with its first page and keeps it:
starting takes over a second, a page a tenth of that. It is replaced after some hundred pages, so
that what leaks does not grow, and whenever it has died.
"""

import atexit
import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from time import monotonic
from typing import IO, Any, Final

from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import render_to_string

from billing.engine.errors import BillingError
from billing.invoicing.renderer import CPU_SECONDS, LENGTH, ROOT

logger = logging.getLogger(__name__)

PAGES_MAX: Final = 500
# A page is held to processor time; in so many times that, also one that waits for a processor ends.
WALL_TIMES: Final = 4
# Loading what lays pages out is no time of the first page's, and takes some two.
START_CPU_SECONDS: Final = 5
# Nothing secret comes along: the renderer gets no more of the environment than its libraries read.
_ENVIRONMENT: Final = (
    "PATH HOME TMPDIR LANG LC_ALL XDG_CACHE_HOME LD_LIBRARY_PATH DYLD_LIBRARY_PATH "
    "DYLD_FALLBACK_LIBRARY_PATH FONTCONFIG_FILE FONTCONFIG_PATH WEASYPRINT_DLL_DIRECTORIES"
).split()


class RenderingFailed(BillingError):
    """Raised when a document cannot be laid out; what was issued stays valid and as it is.

    Codes: "template_broken", "page_too_large" (memory, depth or time), "renderer_lost" and
    "rendering_failed" for what nobody foresaw.
    """

    code = "rendering_failed"


@dataclass(slots=True)
class Printed:
    """A page as PDF, and the most memory that its renderer ever had, in bytes."""

    pdf: bytes
    peak_bytes: int


def render_page(template: str, words: dict[str, Any]) -> bytes:
    """Fill a template of ours in and print it.

    Raises :class:`RenderingFailed`; "template_broken" names the template.
    """
    return print_html(fill_in(template, words))


def fill_in(template: str, words: dict[str, Any]) -> str:
    """The template's HTML. Raises :class:`RenderingFailed` ("template_broken")."""
    try:
        return render_to_string(template, words)
    except (TemplateDoesNotExist, TemplateSyntaxError) as error:
        raise RenderingFailed(
            f"The template {template} is broken: {error}. Repair or restore it and print again; "
            "the document itself is not affected.",
            code="template_broken",
        ) from error


def print_html(html: str) -> bytes:
    """Lay out a page of ours; any address in it but a font's or a logo's is refused and logged.

    One page at a time for each process. Raises :class:`RenderingFailed`.
    """
    return print_measured(html).pdf


def print_measured(html: str) -> Printed:
    """As :func:`print_html`, with what it took."""
    with _printing:
        return _renderer.print(html.encode("utf-8", "replace"))


class Renderer:
    """The other end of a renderer's pipes; not for two threads at a time."""

    def __init__(self, *, cpu_seconds: int = CPU_SECONDS, pages_max: int = PAGES_MAX) -> None:
        self.cpu_seconds, self.pages_max = cpu_seconds, pages_max
        self.process: subprocess.Popen[bytes] | None = None
        self.pages = 0

    def print(self, html: bytes) -> Printed:
        if self.process is not None and (
            self.pages >= self.pages_max or self.process.poll() is not None
        ):
            self.stop()
        process = self.process or self._start()
        self.pages += 1
        try:
            answer, pdf = self._ask(process, html)
        except (OSError, EOFError) as error:
            raise self._lost(error) from error
        except BaseException:
            # Interrupted half-way, the pipe would hand the next page this page's answer.
            self.stop()
            raise
        _tell(answer["logged"])
        if answer["error"]:
            # What ran out of memory has lost pieces of its caches.
            self.stop()
            raise _refusal(answer["error"])
        return Printed(pdf, answer["peak_bytes"])

    def stop(self) -> int | None:
        """End the renderer, whatever it does; returns how it ended."""
        process, self.process, self.pages = self.process, None, 0
        if process is None:
            return None
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        return process.wait()

    def abandon(self) -> None:
        """Let go of a parent's renderer after a fork: it is not ours to ask or to end."""
        process, self.process, self.pages = self.process, None, 0
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    # The file object owns the descriptor: closed beneath it, it would close again
                    # what another has got under that number since.
                    with contextlib.suppress(OSError):
                        pipe.close()
            process.returncode = 0

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "billing.invoicing.renderer", str(self.cpu_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=ROOT,
            # The order of sets shows in the bytes of a PDF.
            env={**environment, "PYTHONHASHSEED": "0"},
            # Ctrl-C in a terminal is for the process that prints, which then ends this one.
            start_new_session=True,
        )
        return self.process

    def _ask(self, process: subprocess.Popen[bytes], html: bytes) -> tuple[dict[str, Any], bytes]:
        assert process.stdin
        assert process.stdout
        is_new = self.pages == 1
        seconds = self.cpu_seconds + (START_CPU_SECONDS if is_new else 0)
        ends_at = monotonic() + WALL_TIMES * seconds
        _write(process.stdin, LENGTH.pack(len(html)) + html, ends_at)
        (length,) = LENGTH.unpack(_read(process.stdout, LENGTH.size, ends_at))
        answer = json.loads(_read(process.stdout, length, ends_at))
        return answer, _read(process.stdout, answer["pdf_bytes"], ends_at)

    def _lost(self, error: Exception) -> RenderingFailed:
        """Why there is no answer: the system ended the renderer, or nothing more came of it."""
        process = self.process
        if isinstance(error, TimeoutError):
            self.stop()
            return _refusal("time")
        assert process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        ended = self.stop()
        if ended == -signal.SIGXCPU:
            return _refusal("time")
        logger.error("The renderer was lost with exit status %s.", ended)
        return RenderingFailed(
            f"The process that prints was lost (exit status {ended}). Print the document once "
            "more; if it happens again, look at the memory that is free and at the log.",
            code="renderer_lost",
        )


def _tell(logged: list[list[str]]) -> None:
    """Write what the renderer had to say: of the same kind of thing once, with how often."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for level, line in logged:
        kinds.setdefault((level, line.partition(":")[0][:40]), []).append(line)
    for (level, _), lines in kinds.items():
        more = f" (and {len(lines) - 1} more of the kind)" if len(lines) > 1 else ""
        logger.log(logging.getLevelNamesMapping()[level], "%s%s", lines[0], more)


def _refusal(error: str) -> RenderingFailed:
    beyond = {
        "memory": "more memory than printing may take",
        "depth": "more nesting than can be laid out",
        "time": "more time than printing may take",
    }
    if error in beyond:
        return RenderingFailed(
            f"This document takes {beyond[error]} and was not printed. It stays valid; send its "
            "lines as a file instead, or bill in smaller documents from now on.",
            code="page_too_large",
        )
    return RenderingFailed(
        f"The document was not printed: {error}. It stays valid; report this with its number."
    )


def _write(pipe: IO[bytes], content: bytes, ends_at: float) -> None:
    left = memoryview(content)
    os.set_blocking(pipe.fileno(), False)
    while left:
        _await(None, pipe, ends_at)
        left = left[os.write(pipe.fileno(), left) :]


def _read(pipe: IO[bytes], size: int, ends_at: float) -> bytes:
    content = bytearray()
    while len(content) < size:
        _await(pipe, None, ends_at)
        piece = os.read(pipe.fileno(), min(size - len(content), 1 << 20))
        if not piece:
            raise EOFError
        content += piece
    return bytes(content)


def _await(readable: IO[bytes] | None, writable: IO[bytes] | None, ends_at: float) -> None:
    """Wait for one of the pipes; raises TimeoutError."""
    # Not select(2), which cannot watch a descriptor beyond 1023.
    poll = select.poll()
    for pipe, event in ((readable, select.POLLIN), (writable, select.POLLOUT)):
        if pipe is not None:
            poll.register(pipe, event)
    if not poll.poll(max(0.0, ends_at - monotonic()) * 1000):
        raise TimeoutError


_printing = threading.Lock()
_renderer = Renderer()


def _after_fork() -> None:
    global _printing
    _printing = threading.Lock()
    _renderer.abandon()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_renderer.stop)
