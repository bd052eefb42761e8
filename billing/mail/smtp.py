"""Django's SMTP backend, which also knows when nobody can say whether a mail was taken.

A server that replies a byte at a time is left once the time for a reply is over.
"""

import smtplib
import time
from collections.abc import Iterable
from typing import Any

from django.core.mail.backends import smtp

from billing.mail.transport import TIMEOUT_SECONDS
from billing.outbound.answers import Heard
from billing.outbound.gate import Kind, pass_out

REPLY_BYTES_MAX = 64 * 1024
END_OF_DATA = b"\r\n.\r\n"
# By address, the server's code and words.
type Refusals = dict[str, tuple[int, bytes]]


class HandoverUnclear(Exception):
    """Raised when the server had the whole mail and did not answer: it may be delivered, or not."""


class _NotingHandover:
    """What a connection of the standard library is mixed with."""

    file: Any
    sock: Any
    has_handed_over = False
    refused: Refusals = {}

    def send(self, s: Any) -> None:
        super().send(s)  # type: ignore[misc]
        # Only the body of a mail ends so. Without its end the server must not deliver it.
        self.has_handed_over = isinstance(s, bytes) and s.endswith(END_OF_DATA)

    def sendmail(self, *args: Any, **options: Any) -> Refusals:
        """Keep whom the server refused while it took the mail for the others."""
        self.refused = {}
        self.refused = super().sendmail(*args, **options)  # type: ignore[misc]
        return self.refused

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.heard = Heard(self.sock, 0, 0)
            self.file = self.heard.makefile("rb")
        # The socket's own time would begin anew with each byte of the reply.
        until = time.monotonic() + (self.sock.gettimeout() or TIMEOUT_SECONDS)
        self.heard.listen(until, REPLY_BYTES_MAX)
        try:
            reply: tuple[int, bytes] = super().getreply()  # type: ignore[misc]
        except OSError as error:
            if self.has_handed_over:
                raise HandoverUnclear(f"{type(error).__name__}: {error}") from error
            raise
        self.has_handed_over = False
        return reply


class _Connection(_NotingHandover, smtplib.SMTP):
    pass


class _SecureConnection(_NotingHandover, smtplib.SMTP_SSL):
    pass


class EmailBackend(smtp.EmailBackend):
    """Raises :class:`HandoverUnclear` where sending once more might make a mail twice.

    Whoever sends by it, opening it raises :class:`~billing.outbound.gate.Held` where no mail may
    leave.
    """

    def open(self) -> bool | None:
        if self.connection is None:
            pass_out(Kind.MAIL)
        return super().open()

    def refused_among(self, addresses: Iterable[str]) -> Refusals:
        """Who of the last mail's addressees was refused though others got it.

        By address as it is written in ``addresses``, and not in the form that servers are told.
        """
        refused: Refusals = getattr(self.connection, "refused", {})
        known = {self.prep_address(address): address for address in addresses} if refused else {}
        return {known.get(told, told): why for told, why in refused.items()}

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SecureConnection if self.use_ssl else _Connection
