"""What may be done about a reason for which something stands still."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Remedy:
    """What may be done, and the address of the page on which it is done."""

    what: str
    url: str
