"""A real register of VAT numbers in a process of its own, for the tests of whoever asks VIES."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

READY = re.compile(r"VIES listens on (http://127\.0\.0\.1:[0-9]+)\n")
STOP_SECONDS = 10


@contextlib.contextmanager
def running_register(
    numbers: Mapping[str, str], faults: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The address of a register that knows these numbers, until the block is left."""
    command = [sys.executable, "-m", "billing.sandbox.vies", "--port", "0"]
    for number, name in numbers.items():
        command += ["--number", f"{number}={name}"]
    for number, kind in (faults or {}).items():
        command += ["--fault", f"{number}={kind}"]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        ready = READY.fullmatch(line)
        assert ready, f"The register said {line!r} and not that it listens."
        yield ready[1]
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
