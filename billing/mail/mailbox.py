"""A mail backend that writes each mail as a file, and reads them back: the demo's mailbox."""

import email.policy
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.mail import EmailMessage as DjangoMessage
from django.core.mail.backends.base import BaseEmailBackend

from billing.base import clock

NAME = re.compile(r"[0-9]{20}-[0-9a-f]{8}")
# So many headers are read for a search; the mailbox is for a demo.
LOOKED_AT_MAX = 2000


class EmailBackend(BaseEmailBackend):
    """Writes ``.eml`` files into a folder; each appears whole or not at all."""

    def __init__(self, *, folder: Path, **options: Any) -> None:
        super().__init__(**options)
        self.folder = Path(folder)

    def send_messages(self, email_messages: Sequence[DjangoMessage]) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            # Names sort by when they came.
            name = f"{clock.now():%Y%m%d%H%M%S%f}-{secrets.token_hex(4)}"
            unfinished = self.folder / f"{name}.{os.getpid()}"
            unfinished.write_bytes(message.message(policy=email.policy.SMTP).as_bytes())
            unfinished.rename(self.folder / f"{name}.eml")
        return len(email_messages)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in the box: its name there and what it is."""

    name: str
    message: EmailMessage

    def header(self, name: str) -> str:
        return str(self.message.get(name, ""))

    @property
    def addressees(self) -> str:
        return f"{self.header('To')}, {self.header('Cc')}"

    def body(self, kind: str) -> str:
        """The ``plain`` or ``html`` text; empty where there is none."""
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part else ""

    def attachments(self) -> list[EmailMessage]:
        return [
            part
            for part in self.message.walk()
            if isinstance(part, EmailMessage) and part.get_content_disposition() == "attachment"
        ]

    def pictures(self) -> Iterator[tuple[str, EmailMessage]]:
        """What the HTML shows: content id, and the part."""
        for part in self.message.walk():
            if part["Content-ID"] and isinstance(part, EmailMessage):
                yield str(part["Content-ID"]).strip("<>"), part


def newest(folder: Path, *, recipient: str = "", limit: int = 50) -> list[Mail]:
    """The newest mails, headers only; those whose addressees have the text in them, if given."""
    wanted = recipient.casefold()
    paths = sorted(folder.glob("*.eml"), reverse=True)
    found = (_headers(path) for path in islice(paths, LOOKED_AT_MAX) if NAME.fullmatch(path.stem))
    return list(islice((mail for mail in found if wanted in mail.addressees.casefold()), limit))


def read(folder: Path, name: str) -> Mail | None:
    """The whole mail of a name; None where there is none, or the name is none of ours."""
    path = folder / f"{name}.eml"
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    message = BytesParser(policy=email.policy.default).parsebytes(path.read_bytes())
    assert isinstance(message, EmailMessage)
    return Mail(name, message)


def _headers(path: Path) -> Mail:
    with path.open("rb") as file:
        message = BytesHeaderParser(policy=email.policy.default).parse(file)
    assert isinstance(message, EmailMessage)
    return Mail(path.stem, message)
