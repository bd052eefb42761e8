"""The bounds of what a person or a shop may type, the same at every door."""

from datetime import date
from typing import Final

# No agreement of today is about days outside these, and arithmetic has room on both sides.
FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(2200, 12, 31)
TRIAL_DAYS_MAX: Final = 3650
# Years or days of one period: what is longer is a term, and ends by itself.
INTERVALS_MAX: Final = 1000
