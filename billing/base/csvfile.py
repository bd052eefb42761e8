"""Reading CSV files that people made: every fault is named by row, column and reason."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from billing.engine.errors import BillingError

DATE_MIN, DATE_MAX = date(1900, 1, 1), date(2200, 1, 1)
_DATE_PARTS = {"YYYY": r"(?P<year>[0-9]{4})", "MM": r"(?P<month>[0-9]{2})"} | {
    "DD": r"(?P<day>[0-9]{2})"
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong with a file. ``row`` is counted as a spreadsheet does: the header is row 1.

    Row 0 means the whole file, an empty column the whole row.
    """

    row: int
    column: str
    reason: str

    def told(self, file: str) -> str:
        """``file:row:column: reason``, for people and their editors."""
        place = [file, *([str(self.row)] if self.row else []), *filter(None, [self.column])]
        return f"{':'.join(place)}: {self.reason}"

    def as_json(self) -> dict[str, Any]:
        return {"row": self.row, "column": self.column, "reason": self.reason}


class Unreadable(BillingError):
    """Raised when a file cannot be read as the table that it should be; nothing of it is used."""

    code = "unreadable_file"

    def __init__(self, file: str, *problems: Problem) -> None:
        super().__init__("\n".join(problem.told(file) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Row:
    """One row by column. Text is trimmed, and never taken for a formula or a number."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows, and beside them the problems of rows that could not be taken apart."""

    columns: Sequence[str]
    rows: Sequence[Row]
    problems: Sequence[Problem]


def read_table(path: Path, *, delimiter: str = ",") -> Table:
    """Read a CSV file in UTF-8, with or without a byte order mark and with any line ends.

    Raises :class:`Unreadable` where the file is missing, in another encoding, without a header or
    where its quotes do not close.
    """
    records = _records(path, delimiter)
    if not records or not any(records[0][1]):
        raise Unreadable(
            path.name, Problem(0, "", "The file is empty; the first row names columns.")
        )
    columns = records[0][1]
    for column in columns:
        if column and columns.count(column) > 1:
            reason = "Two columns have this name; rename one of them."
            raise Unreadable(path.name, Problem(1, column, reason))
    rows, problems = [], []
    for number, cells in records[1:]:
        if len(cells) != len(columns):
            reason = f"The row has {len(cells)} columns, the header {len(columns)}."
            problems.append(Problem(number, "", reason))
        elif any("\0" in cell for cell in cells):
            problems.append(Problem(number, "", "The row holds a NUL character; remove it."))
        else:
            rows.append(Row(number, dict(zip(columns, cells, strict=True))))
    return Table(columns, rows, problems)


def _records(path: Path, delimiter: str) -> list[tuple[int, list[str]]]:
    """The records that are not blank, each with its number and its cells trimmed."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), delimiter=delimiter, strict=True)
    records: list[tuple[int, list[str]]] = []
    number = 0
    try:
        for number, record in enumerate(reader, start=1):
            if any(cell.strip() for cell in record):
                records.append((number, [cell.strip() for cell in record]))
    except csv.Error as error:
        reason = f"The row cannot be taken apart ({error}); look for a quote that does not close."
        raise Unreadable(path.name, Problem(number + 1, "", reason)) from error
    return records


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(path.name, Problem(0, "", f"{error.strerror}: {path}")) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        reason = "This is not UTF-8; save the file as “CSV UTF-8” and try again."
        raise Unreadable(path.name, Problem(row, "", reason)) from error


def parse_date(text: str, pattern: str = "YYYY-MM-DD") -> date:
    """A day as the pattern writes it. Raises ValueError with a sentence for anything else."""
    match = re.fullmatch(date_expression(pattern), text)
    if match is None:
        raise ValueError(f"“{text[:40]}” is not a date. Write it as {pattern}.")
    parts = {name: int(digits) for name, digits in match.groupdict().items()}
    try:
        day = date(**parts)
    except ValueError:
        raise ValueError(f"“{text}” is not a day of the calendar.") from None
    if not DATE_MIN <= day < DATE_MAX:
        raise ValueError(f"“{text}” is too far from today to be right.")
    return day


def date_expression(pattern: str) -> str:
    """A regular expression for dates in a pattern of YYYY, MM and DD. Raises ValueError."""
    expression = re.escape(pattern)
    for part, digits in _DATE_PARTS.items():
        if expression.count(part) != 1:
            raise ValueError(f"“{pattern}” must hold YYYY, MM and DD once each.")
        expression = expression.replace(part, digits)
    return expression


def day_after(day: date) -> date:
    """The first day after one that counts: how an inclusive end becomes a half-open one."""
    return day + timedelta(days=1)
