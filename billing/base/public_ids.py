"""Prefixed public ids: what APIs, pages, events and searches name an object by."""

import secrets
from collections.abc import Iterator

from django.db import models


def new_public_id(prefix: str) -> str:
    """An unguessable id such as ``inv_3f9c…``: the prefix and 96 random bits in hexadecimal."""
    return f"{prefix}_{secrets.token_hex(12)}"


def new_public_ids(prefix: str, count: int) -> Iterator[str]:
    """So many of them: asking for their random bits at once is much cheaper."""
    digits = secrets.token_hex(12 * count)
    return (f"{prefix}_{digits[at : at + 24]}" for at in range(0, 24 * count, 24))


class PublicIdField(models.CharField):
    """A unique, never edited id with a prefix that tells what it names."""

    def __init__(self, prefix: str = "", *, unique: bool = True, **options):
        # Only the rows of a history, of which many tell of one object, are not unique.
        self.prefix = prefix
        options.update(max_length=40, editable=False, default=self._new)
        super().__init__(unique=unique, **options)

    def _new(self) -> str:
        return new_public_id(self.prefix)

    def db_type(self, connection):
        # Nobody searches by the beginning of an id; for a "varchar" Django would add an index.
        return f"character varying({self.max_length})"

    def deconstruct(self):
        name, path, args, options = super().deconstruct()
        for fixed in ("max_length", "editable", "default"):
            options.pop(fixed, None)
        if not options.pop("unique", False):
            options["unique"] = False
        return name, path, args, {**options, "prefix": self.prefix}
