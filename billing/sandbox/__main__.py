"""``python -m billing.sandbox``: the gateway as a process, until it is told to end."""

import argparse
import os
import signal
import sqlite3
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from .hooks import Hooks
from .server import Server
from .store import Store
from .till import Till

STOP_POLL_SECONDS = 0.1


def main() -> int:
    """Listen until SIGTERM or Ctrl-C. The exit code is 1 where it cannot start, and 2 for usage."""
    asked = _arguments()
    try:
        store = Store(asked.database)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return _fail(f"Another sandbox has {asked.database} open; give each one its own.")
        return _fail(f"The database {asked.database} cannot be opened: {error}.")
    except sqlite3.DatabaseError as error:
        return _fail(f"{asked.database} is not a database of the sandbox's: {error}.")
    try:
        server = Server(asked.host, asked.port)
    except OSError as error:
        store.close()
        return _fail(f"Cannot listen on {asked.host}:{asked.port}: {error.strerror}.")
    _run(asked, store, server)
    return 0


def _run(asked: argparse.Namespace, store: Store, server: Server) -> None:
    url = f"http://{asked.host}:{server.server_port}"
    hooks = Hooks(store, asked.hook_url, asked.hook_secret) if asked.hook_url else None
    server.open(Till(store, asked.public_url.rstrip("/") or url, hooks), asked.key)
    told_to_end = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: told_to_end.set())
    threading.Thread(
        target=server.serve_forever, args=(STOP_POLL_SECONDS,), name="server", daemon=True
    ).start()
    if hooks:
        hooks.start()
    print(f"Sandbox listens on {url}", flush=True)
    told_to_end.wait()
    server.finish()
    if hooks:
        hooks.stop()
    store.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m billing.sandbox", description="A payment gateway that moves no money."
    )
    parser.add_argument("--port", type=int, default=8099, help="0 takes any that is free")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--public-url", default="", help="where browsers find it, if elsewhere")
    parser.add_argument("--database", type=Path, required=True, help="an SQLite file, made if none")
    parser.add_argument(
        "--key",
        default=os.environ.get("KVITT_SANDBOX_KEY", ""),
        help="what callers must know; better given as KVITT_SANDBOX_KEY, which no list shows",
    )
    parser.add_argument("--hook-url", default="", help="where events are sent")
    parser.add_argument(
        "--hook-secret",
        default=os.environ.get("KVITT_SANDBOX_HOOK_SECRET", ""),
        help="what they are signed with; better given as KVITT_SANDBOX_HOOK_SECRET",
    )
    asked = parser.parse_args()
    if not asked.key:
        parser.error("give --key, or set KVITT_SANDBOX_KEY")
    if not 0 <= asked.port <= 65535:
        parser.error("--port is a number from 0 to 65535")
    if asked.hook_url and not asked.hook_secret:
        parser.error("--hook-url needs --hook-secret, or KVITT_SANDBOX_HOOK_SECRET")
    for name, url in (("--hook-url", asked.hook_url), ("--public-url", asked.public_url)):
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            parser.error(f"{name} is an http or https address")
    return asked


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
