"""What a passkey is called that nobody has named."""

import re

from django.template import Library
from django.utils.translation import pgettext

register = Library()

# Kept in English, whoever adds it; pages say it in their own language.
UNNAMED = "Passkey"
_UNNAMED = re.compile(rf"{UNNAMED}( \d+)?")


@register.filter
def name_of_passkey(name: object) -> str:
    """A passkey's name as the page says it; one that somebody gave stays as it is."""
    found = _UNNAMED.fullmatch(str(name))
    return f"{pgettext('desk', UNNAMED)}{found[1] or ''}" if found else str(name)
