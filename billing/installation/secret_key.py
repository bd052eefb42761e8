"""The secret key, made on first use, so that nothing must be set to try Kvitt."""

import contextlib
import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def secret_key(var_dir: Path) -> str:
    """The key kept in `var_dir`/secret_key, made once; "" where that folder cannot be written."""
    path = var_dir / "secret_key"
    with contextlib.suppress(OSError):
        if not path.exists():
            _make(path)
        return path.read_text()
    return ""


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(get_random_secret_key())
    # A link appears whole and never replaces: of processes that start at once, one key wins.
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(unfinished)
    unfinished.unlink()
