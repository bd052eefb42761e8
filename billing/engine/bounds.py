"""The bounds of what a person or a shop may type, the same at every door."""

import re
from datetime import date
from typing import Final

# No agreement of today is about days outside these, and arithmetic has room on both sides.
FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(2200, 12, 31)
# Control characters but tab and line ends, and halves of characters that came without the other.
NO_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Of an amount of money in one field, below zero as well.
MINOR_MAX: Final = 10**15
# Of units in an agreement and usage in a record: far above any real one.
QUANTITY_MAX: Final = 10**12
QUANTITY_DECIMALS_MAX: Final = 10
# Of units that customers order of one thing by themselves, at the checkout and on their own pages.
UNITS_ORDERED_MAX: Final = 9999
# Of a shop's own notes: how many, and the characters of a name and of a text.
METADATA_KEYS: Final = 50
METADATA_KEY: Final = 40
METADATA_VALUE: Final = 500
TRIAL_DAYS_MAX: Final = 3650
# Years or days of one period: what is longer is a term, and ends by itself.
INTERVALS_MAX: Final = 1000
