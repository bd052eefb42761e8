"""Bringing a file of dated tax rates into the rate table: all of it, or nothing.

**Which rate becomes its category's default.** A standard rate always; two at once are an error of
the file. Any other rate only where no other one of its country and category holds on any of its
days: Sweden's 6 % and 12 % are both "reduced", which goods get which is national law, and a
reduced rate is never guessed. What an operator has marked stays marked when a file is loaded again.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from django.db import transaction
from django_countries import countries

from billing.base.csvfile import Problem, Row, Unreadable, day_after, parse_date, read_table
from billing.engine.money import EXPONENTS
from billing.tax.models import TaxRate

DEFAULT_FILE = Path(__file__).parent / "data" / "vat_rates.csv"
COLUMNS = (
    "country",
    "category",
    "rate_percent",
    "valid_from",
    "valid_to",
    "currency",
    "source",
    "confidence",
    "note",
)
CATEGORIES = ("standard", "reduced", "super_reduced", "parking", "food")
STANDARD = "standard"
_TEXT_MAX = 300
_DECIMALS_MAX = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """A rate as a file or the table has it, on [valid_from, valid_until); empty ends are open."""

    country: str
    category: str
    percent: Decimal
    valid_from: date | None
    valid_until: date | None
    source: str = ""
    note: str = ""
    is_default: bool = False
    row: int = 0

    @property
    def key(self) -> "Key":
        """What makes an entry the same one when a file is loaded again."""
        return self.country, self.category, self.percent, self.valid_from

    def overlaps(self, other: "Entry") -> bool:
        return (self.country, self.category) == (other.country, other.category) and (
            (self.valid_from or date.min) < (other.valid_until or date.max)
            and (other.valid_from or date.min) < (self.valid_until or date.max)
        )

    def __str__(self) -> str:
        since = f" from {self.valid_from}" if self.valid_from else ""
        until = f" until {self.valid_until}" if self.valid_until else ""
        return f"{self.country} {self.category} {self.percent.normalize():f} %{since}{until}"


Key = tuple[str, str, Decimal, date | None]


@dataclass(slots=True)
class Loaded:
    """What loading a file did: a sentence for each row added or changed, or its problems."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    # The countries and categories of the rates that are not what they were.
    moved: set[tuple[str, str]] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def load_rates(path: Path, *, is_dry_run: bool = False) -> Loaded:
    """Check every row of a file, then bring the table up to it. One bad row and nothing is changed.

    Rates of the table that the file does not name stay. Raises :class:`Unreadable` for what is no
    such file at all.
    """
    table = read_table(path)
    if tuple(table.columns) != COLUMNS:
        reason = f"The header must be {','.join(COLUMNS)}."
        raise Unreadable(path.name, Problem(1, "", reason))
    problems = list(table.problems)
    entries = [entry for row in table.rows if (entry := _entry(row, problems))]
    problems += _clashes(entries)
    if problems:
        return Loaded(problems=sorted(problems))
    with transaction.atomic():
        loaded = _bring_up_to(entries)
        if is_dry_run or loaded.problems:
            transaction.set_rollback(True)
    return loaded


def _entry(row: Row, problems: list[Problem]) -> Entry | None:
    """The row's entry; where a cell is wrong, every wrong cell becomes a problem instead."""
    cells, found = row.cells, len(problems)

    def check(column: str, reason: str | None) -> None:
        if reason:
            problems.append(Problem(row.number, column, reason))

    check("country", _wrong_country(cells["country"]))
    if cells["category"] not in CATEGORIES:
        check("category", f"“{cells['category']}” is none of {', '.join(CATEGORIES)}.")
    check("rate_percent", _wrong_percent(cells["rate_percent"]))
    if cells["currency"] and cells["currency"] not in EXPONENTS:
        check("currency", f"“{cells['currency']}” is not a currency of ISO 4217.")
    for column in ("source", "note"):
        if len(cells[column]) > _TEXT_MAX - 30:
            check(column, f"The text is longer than {_TEXT_MAX - 30} characters.")
    days: dict[str, date | None] = {"valid_from": None, "valid_to": None}
    for column in days:
        try:
            days[column] = parse_date(cells[column]) if cells[column] else None
        except ValueError as error:
            check(column, str(error))
    first, last = days["valid_from"], days["valid_to"]
    if first and last and last < first:
        check("valid_to", f"{last} is before valid_from, {first}.")
    if len(problems) > found:
        return None
    confidence = f"Confidence: {cells['confidence']}." if cells["confidence"] else ""
    return Entry(
        country=cells["country"],
        category=cells["category"],
        percent=Decimal(cells["rate_percent"]),
        valid_from=first,
        valid_until=day_after(last) if last else None,
        source=cells["source"],
        note=" ".join(filter(None, [cells["note"], confidence])),
        row=row.number,
    )


def _wrong_country(code: str) -> str | None:
    if code == "EL":
        return "Greece is GR here; EL is the prefix of its VAT numbers."
    if code not in dict(countries):
        return f"“{code}” is not a country of ISO 3166, such as SE."
    return None


def _wrong_percent(text: str) -> str | None:
    number = re.fullmatch(r"[0-9]+(?:\.([0-9]+))?", text)
    if number is None or Decimal(text) > 100:
        return f"“{text}” is not a number from 0 to 100, such as 25 or 25.5."
    if len(number[1] or "") > _DECIMALS_MAX:
        return f"“{text}” has more than {_DECIMALS_MAX} decimals."
    return None


def _clashes(entries: Sequence[Entry]) -> Iterable[Problem]:
    """Rows that say the same twice, and two standard rates of one country at a time."""
    for index, entry in enumerate(entries):
        for other in entries[:index]:
            if not entry.overlaps(other):
                continue
            if entry.percent == other.percent:
                yield Problem(entry.row, "", f"The same rate stands in row {other.row}.")
            elif entry.category == STANDARD:
                reason = f"It overlaps the standard rate in row {other.row}; end that one first."
                yield Problem(entry.row, "valid_from", reason)


def _are_rivals(entry: Entry, other: Entry) -> bool:
    return entry.key != other.key and entry.overlaps(other)


def _bring_up_to(entries: Sequence[Entry]) -> Loaded:
    """Add and change rows of the table; those that the file does not name stay."""
    loaded = Loaded()
    rates = {_of_rate(rate).key: rate for rate in TaxRate.objects.select_for_update()}
    before = {key: _of_rate(rate) for key, rate in rates.items()}
    after = before | {entry.key: entry for entry in entries}
    wanted = [_with_default(entry, before, after) for entry in entries]
    after |= {entry.key: entry for entry in wanted}
    loaded.problems = sorted(_clashes_with_table(after.values()))
    if loaded.problems:
        return loaded
    changes = {
        entry.key: changed
        for entry in wanted
        if entry.key in before and (changed := _changes(before[entry.key], entry))
    }
    # All that change give way first: the table allows one default at a time at every moment.
    ids = [rates[key].pk for key in changes]
    TaxRate.objects.filter(pk__in=ids).update(is_default=False)
    for key, changed in changes.items():
        for name in changed:
            setattr(rates[key], name, getattr(after[key], name))
        rates[key].save(update_fields=[*changed, "is_default"])
        loaded.changed.append(f"{before[key]}: {', '.join(changed.values())}")
    new = [entry for entry in wanted if entry.key not in before]
    TaxRate.objects.bulk_create(_rate(entry) for entry in new)
    loaded.added = [str(entry) for entry in new]
    loaded.moved = {key[:2] for key in (*changes, *(entry.key for entry in new))}
    loaded.unchanged = len(wanted) - len(new) - len(changes)
    return loaded


def _with_default(entry: Entry, before: dict[Key, Entry], after: dict[Key, Entry]) -> Entry:
    """The entry, default or not, with an operator's word on it kept.

    A row that had rivals in the table already was marked, or not, by a person. One that had none
    and gets its first was only picked for being alone, so it is picked no longer.
    """
    known = before.get(entry.key)
    is_alone = not any(_are_rivals(entry, other) for other in after.values())
    is_default = is_alone or entry.category == STANDARD
    if known is not None:
        had_rivals = any(_are_rivals(known, other) for other in before.values())
        is_default = known.is_default and (is_default or had_rivals)
    return replace(entry, is_default=is_default)


def _clashes_with_table(entries: Iterable[Entry]) -> Iterable[Problem]:
    """Rows of the file that would be default beside another default that the table has."""
    defaults = [entry for entry in entries if entry.is_default]
    for entry in defaults:
        for other in defaults:
            if entry.row > other.row and _are_rivals(entry, other):
                reason = f"The rate table already has {other} as default; end that one first."
                yield Problem(entry.row, "valid_from", reason)


def _changes(before: Entry, after: Entry) -> dict[str, str]:
    names = ("valid_until", "is_default", "source", "note")
    return {
        name: f"{name} {getattr(before, name) or 'none'} → {getattr(after, name) or 'none'}"
        for name in names
        if getattr(before, name) != getattr(after, name)
    }


def _of_rate(rate: TaxRate) -> Entry:
    return Entry(
        country=str(rate.country),
        category=rate.category,
        percent=rate.percent,
        valid_from=rate.valid_from,
        valid_until=rate.valid_until,
        source=rate.source,
        note=rate.note,
        is_default=rate.is_default,
    )


def _rate(entry: Entry) -> TaxRate:
    return TaxRate(
        country=entry.country,
        category=entry.category,
        percent=entry.percent,
        valid_from=entry.valid_from,
        valid_until=entry.valid_until,
        is_default=entry.is_default,
        source=entry.source,
        note=entry.note,
    )
