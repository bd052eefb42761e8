"""Bringing a company's customers and subscriptions in from a CSV file: all of them, or none.

Every row is checked before anything is written, and all is written in one transaction: a run that
is killed leaves nothing behind and is simply started again. External ids tell what is there
already, so a second run changes nothing.

Days before ``billed_until`` were billed by the system that the customers come from. The grid of
periods gets a boundary on that day, so that the first bill here is for a whole period.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from django.db import transaction

from billing.base.csvfile import Problem, Unreadable, read_table
from billing.base.leases import wait_for_turn
from billing.subscriptions.importing import mapping as mapping_file
from billing.subscriptions.importing.entries import Imported
from billing.subscriptions.importing.reading import Reader
from billing.subscriptions.importing.writing import Writer
from customers.models import Seller


def import_subscriptions(
    path: Path,
    mapping: mapping_file.Mapping,
    *,
    as_of: date,
    actor: str,
    billed_until: date | None = None,
    skips_bad: bool = False,
    is_dry_run: bool = False,
    on_rows: Callable[[int, int], None] | None = None,
) -> Imported:
    """Import a file's rows by a mapping; ``as_of`` is the import day.

    ``billed_until`` (default the import day) holds for rows that do not state their own. Bad rows
    stop it with ``is_stopped`` and nothing is written, unless ``skips_bad`` leaves them out. A dry
    run does everything and takes it back. ``on_rows`` is told of rows written: (so many more, of).
    Raises :class:`Unreadable` for a file or mapping that cannot be used at all.
    """
    table = read_table(path, delimiter=mapping.delimiter)
    mapping.check_columns(path.name, table)
    reader = Reader(mapping, as_of, billed_until or as_of)
    read = [entry for row in table.rows if (entry := reader.entry(row))]
    problems = [*table.problems, *reader.problems]
    with transaction.atomic():
        # Two runs of one file must not both find that nothing is there yet.
        wait_for_turn("import_subscriptions")
        writer = Writer(mapping, _seller(mapping))
        entries = writer.without_clashes(read, problems)
        bad_rows = {problem.row for problem in problems}
        imported = Imported(problems=sorted(problems), skipped=len(bad_rows))
        if problems and not skips_bad:
            imported.skipped, imported.is_stopped = 0, True
        else:
            writer.write(entries, imported, on_rows or (lambda done, total: None))
            writer.record(path.name, imported, as_of, actor)
        if is_dry_run or imported.is_stopped:
            transaction.set_rollback(True)
    return imported


def _seller(mapping: mapping_file.Mapping) -> Seller:
    """The seller of the mapping's name and mode, made where there is none."""
    wanted = mapping.seller
    found = list(Seller.objects.filter(name=wanted.name, is_live=wanted.is_live))
    if not found:
        wanted.pk = None
        wanted.save(force_insert=True)
        return wanted
    if len(found) > 1:
        reason = f"There are {len(found)} sellers of this name; rename all but one."
        raise Unreadable(mapping.name, Problem(0, "seller.name", reason))
    if found[0].currency != wanted.currency:
        reason = f"The seller's currency is {found[0].currency}, not {wanted.currency}."
        raise Unreadable(mapping.name, Problem(0, "seller.currency", reason))
    return found[0]
