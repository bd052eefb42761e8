"""Which invoices pay back what credit notes have brought to a balance."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from itertools import pairwise


def parts_paid_back[Note: Hashable, Invoice: Hashable](
    brought: Mapping[Note, int],
    corrected: Mapping[Note, Collection[Invoice]],
    limits: Iterable[Mapping[Invoice, int]],
) -> dict[Note, dict[Invoice, int]]:
    """What each invoice pays back of each note, in minor units: as much in all as can be.

    ``brought`` is how much of each note is to be paid back, ``corrected`` by which invoices it can
    be. Each of ``limits`` says how much every invoice pays back at most; a later one, which lets
    each pay no less than the one before, is for what that has left. The first notes come first, and
    give way to others only where another invoice can pay them.
    """
    parts: dict[Note, dict[Invoice, int]] = {note: {} for note in brought}
    for most in limits:
        spare = {
            invoice: most_minor - sum(each.get(invoice, 0) for each in parts.values())
            for invoice, most_minor in most.items()
        }
        for note, minor in brought.items():
            missing = minor - sum(parts[note].values())
            while missing > 0 and (moved := _pay(note, missing, corrected, spare, parts)):
                missing -= moved
    return {
        note: {invoice: minor for invoice, minor in by_invoice.items() if minor}
        for note, by_invoice in parts.items()
    }


def shares_paid_back[Invoice: Hashable](
    amount_minor: int, shares_minor: Mapping[Invoice, int], paid_minor: Mapping[Invoice, int]
) -> dict[Invoice, int]:
    """What each of some invoices pays back of one note, in minor units and in their order.

    Each pays its share first, as far as it is paid: what is left of one may be another note's.
    """
    own = {
        invoice: max(0, min(shares_minor.get(invoice, 0), minor))
        for invoice, minor in paid_minor.items()
    }
    parts = parts_paid_back({"": amount_minor}, {"": [*paid_minor]}, [own, paid_minor])[""]
    return {invoice: parts[invoice] for invoice in paid_minor if invoice in parts}


def _pay[Note: Hashable, Invoice: Hashable](
    note: Note,
    missing: int,
    corrected: Mapping[Note, Collection[Invoice]],
    spare: dict[Invoice, int],
    parts: dict[Note, dict[Invoice, int]],
) -> int:
    """Let one invoice more pay for a note, at once or in place of another that pays instead of it.

    Answers how much it pays, in minor units.
    """
    found = _way(note, corrected, spare, parts)
    if not found:
        return 0
    _, last = found[-1]
    # Who was paid by an invoice until now gives it up to the one before on the way.
    given_up = [(other, invoice) for (_, invoice), (other, _) in pairwise(found)]
    moved = min(missing, spare[last], *(parts[other][invoice] for other, invoice in given_up))
    for payee, invoice in found:
        parts[payee][invoice] = parts[payee].get(invoice, 0) + moved
    for other, invoice in given_up:
        parts[other][invoice] -= moved
    spare[last] -= moved
    return moved


def _way[Note: Hashable, Invoice: Hashable](
    note: Note,
    corrected: Mapping[Note, Collection[Invoice]],
    spare: Mapping[Invoice, int],
    parts: Mapping[Note, Mapping[Invoice, int]],
) -> list[tuple[Note, Invoice]]:
    """The shortest way to an invoice that has something to spare: who is to be paid by which.

    Of each but the first, the invoice before has paid some until now. Empty where there is none.
    """
    ways: dict[Note, list[tuple[Note, Invoice]]] = {note: []}
    waiting, tried = [note], set()
    for payee in waiting:
        for invoice in corrected.get(payee, ()):
            if invoice in tried:
                continue
            tried.add(invoice)
            way = [*ways[payee], (payee, invoice)]
            if spare.get(invoice, 0) > 0:
                return way
            for other, paid in parts.items():
                if other not in ways and paid.get(invoice, 0):
                    ways[other] = way
                    waiting.append(other)
    return []
