"""The gateway, opened for one transaction at a time by whoever serves a request."""

import contextlib
from collections.abc import Iterator

from .gateway import Gateway
from .hooks import Hooks
from .store import Store


class Till:
    """``public_url`` is where browsers find the hosted pages, without a slash at its end."""

    def __init__(self, store: Store, public_url: str, hooks: Hooks | None) -> None:
        self._store, self._public_url, self._hooks = store, public_url, hooks

    @contextlib.contextmanager
    def open(self) -> Iterator[Gateway]:
        """The gateway in a transaction: what is done is kept at the end, or nothing if it raises.

        What has happened is sent on only once it is kept.
        """
        with self._store.transaction() as db:
            gateway = Gateway(db, self._public_url, has_hooks=self._hooks is not None)
            yield gateway
        if self._hooks and gateway.has_recorded:
            self._hooks.wake()
