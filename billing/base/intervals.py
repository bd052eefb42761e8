"""How often something is paid, in words."""

from django.utils.translation import pgettext


def interval_in_words(unit: str, count: int) -> str:
    """How often something is paid, in the active language: ``every 3 months``.

    ``unit`` is one of ``catalog.models.IntervalUnit``.
    """
    if count == 1:
        return {
            "day": pgettext("interval", "every day"),
            "week": pgettext("interval", "every week"),
            "month": pgettext("interval", "every month"),
            "year": pgettext("interval", "every year"),
        }[unit]
    if count == 2:
        return {
            "day": pgettext("interval", "every 2 days"),
            "week": pgettext("interval", "every 2 weeks"),
            "month": pgettext("interval", "every 2 months"),
            "year": pgettext("interval", "every 2 years"),
        }[unit]
    return {
        "day": pgettext("interval", "every %(count)s days"),
        "week": pgettext("interval", "every %(count)s weeks"),
        "month": pgettext("interval", "every %(count)s months"),
        "year": pgettext("interval", "every %(count)s years"),
    }[unit] % {"count": _count_in_words(count)}


def _count_in_words(count: int) -> str:
    """A count as an interval has it: figures, or an ordinal where the language wants one."""
    said = pgettext("interval", str(count))
    return said if said != str(count) else pgettext("interval", "%(count)s") % {"count": count}
