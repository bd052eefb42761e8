"""What must not stand in a log: the tokens of links, which let their bearer in."""

import logging
import re
from typing import Final

# The addresses of customers/links.py, of which requests that were refused are logged.
_LINKS: Final = re.compile(r"(/(?:portal/(?:enter|s)|pay/[a-z]+)/)[A-Za-z0-9_-]{8,}")


class HideTokens(logging.Filter):
    """Leaves of a link what it is for, and not to whom it belongs."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        hidden = _LINKS.sub(r"\1…", said)
        if hidden != said:
            record.msg, record.args = hidden, ()
        return True
