"""Which lines stand on one document."""

from collections import defaultdict
from collections.abc import Iterable

from billing.engine.lines import Line
from billing.invoicing.models import OneOffItem
from billing.subscriptions.agreements import Contract

# What one document is of: currency, subscription where each has its own, and the buyer's reference.
type Group = tuple[str, int | None, str]


def by_document(
    lines: Iterable[Line], usual: str, *, is_consolidated: bool
) -> dict[Group, list[Line]]:
    """A customer's lines by the document that they stand on, but for those that have to wait.

    ``usual`` is the reference of what names none.
    """
    groups: dict[Group, list[Line]] = defaultdict(list)
    for line in lines:
        owner = None if is_consolidated else line.context.subscription_id
        reference = _buyer_reference(line.context) or usual
        groups[line.context.currency, owner, reference].append(line)
    if len(groups) > 1:
        _move_reductions(groups)
    found = {group: _with_something_to_reduce(lines) for group, lines in groups.items()}
    return {group: lines for group, lines in found.items() if lines}


def _move_reductions(groups: dict[Group, list[Line]]) -> None:
    """Move what would wait for something to reduce, and names no reference, to where there is."""
    for group, lines in groups.items():
        waiting = [line for line in lines if _waits_alone(line)]
        if not waiting or sum(line.amount_minor for line in lines) >= 0:
            continue
        least_minor = -sum(line.amount_minor for line in waiting)
        for other, found in groups.items():
            is_like = other != group and other[:2] == group[:2]
            if is_like and sum(line.amount_minor for line in found) >= least_minor:
                lines[:] = [line for line in lines if not _waits_alone(line)]
                found += waiting
                break


def _waits_alone(line: Line) -> bool:
    """Whether it takes off and names no reference."""
    return _takes_off(line) and not _buyer_reference(line.context)


def _takes_off(line: Line) -> bool:
    """Whether it is a one-off item below zero."""
    return line.amount_minor <= 0 and not line.item and not line.corrects


def _buyer_reference(source: Contract | OneOffItem) -> str:
    """The reference that a line's document must bear; empty for the customer's own."""
    own = source.buyer_reference
    if own or isinstance(source, Contract) or source.subscription is None:
        return own
    return source.subscription.buyer_reference


def _with_something_to_reduce(lines: list[Line]) -> list[Line]:
    """The lines without one-off items below zero where nothing is there for them to reduce.

    Those wait for a larger document: by themselves they would be a credit note that corrects no
    invoice, and each must refer to one (2006/112/EC art. 219).
    """
    if sum(line.amount_minor for line in lines) >= 0:
        return lines
    return [line for line in lines if not _takes_off(line)]
