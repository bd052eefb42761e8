"""What credit notes have brought to a balance is paid back by their invoices, in whatever order."""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from billing.engine.paying_back import parts_paid_back, shares_paid_back


class Balance:
    """Invoices that were paid as a whole, and notes on them whose money is on a balance."""

    def __init__(self, paid: list[int]) -> None:
        self.paid = dict(enumerate(paid))
        self.not_had = dict.fromkeys(self.paid, 0)
        self.brought: dict[int, int] = {}
        self.corrected: dict[int, list[int]] = {}

    def add_note(self, shares: dict[int, int]) -> dict[int, int]:
        """Credit so much of each invoice, as far as it is left of it; what was."""
        taken = {
            invoice: min(minor, self.paid[invoice] - self.not_had[invoice])
            for invoice, minor in shares.items()
        }
        taken = {invoice: minor for invoice, minor in taken.items() if minor}
        note = len(self.brought)
        self.brought[note] = sum(taken.values())
        self.corrected[note] = sorted(taken, reverse=True)
        for invoice, minor in taken.items():
            self.not_had[invoice] += minor
        return taken

    def pay_out(self, most: int) -> int:
        """Pay out so much, the newest note first; how much could be."""
        newest_first = dict(sorted(self.brought.items(), reverse=True))
        parts = parts_paid_back(newest_first, self.corrected, [self.not_had, self.paid])
        left = most
        for note, by_invoice in parts.items():
            for invoice, minor in by_invoice.items():
                part = min(left, minor)
                left -= part
                self.brought[note] -= part
                self.paid[invoice] -= part
                self.not_had[invoice] = max(0, self.not_had[invoice] - part)
        assert all(minor >= 0 for minor in (*self.brought.values(), *self.paid.values()))
        return most - left

    @property
    def balance(self) -> int:
        return sum(self.brought.values())


sums = st.integers(0, 300)
notes = st.dictionaries(st.integers(0, 2), sums, min_size=1)


@example(paid=[1234, 1234, 0], stories=[({1: 100}, 0), ({0: 1234, 1: 1234}, 0)])
@example(paid=[1234, 1234, 0], stories=[({0: 100}, 0), ({0: 1234, 1: 1234}, 0)])
@example(paid=[100, 100, 0], stories=[({0: 100, 1: 100}, 100), ({0: 100, 1: 100}, 0)])
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    paid=st.lists(sums, min_size=3, max_size=3),
    stories=st.lists(st.tuples(notes, sums), min_size=1, max_size=4),
)
def test_all_that_was_paid_and_credited_is_paid_back_whatever_was_paid_back_between(
    paid: list[int], stories: list[tuple[dict[int, int], int]]
) -> None:
    known = Balance(paid)
    credited = dict.fromkeys(known.paid, 0)
    for shares, paid_out in stories:
        for invoice, minor in known.add_note(shares).items():
            credited[invoice] += minor
        asked = min(paid_out, known.balance)
        assert known.pay_out(asked) == asked
    known.pay_out(known.balance)
    assert known.balance == 0
    # Each invoice has paid back what was credited of it, and no more.
    assert known.paid == {invoice: paid[invoice] - minor for invoice, minor in credited.items()}


def test_an_invoice_pays_its_own_part_before_another_notes() -> None:
    parts = parts_paid_back({2: 200}, {2: [8, 9]}, [{8: 100, 9: 100}, {8: 500, 9: 500}])
    assert parts == {2: {8: 100, 9: 100}}


def test_what_no_part_covers_is_paid_by_whatever_is_paid() -> None:
    parts = parts_paid_back({2: 200}, {2: [8, 9]}, [{8: 100, 9: 0}, {8: 150, 9: 20}])
    assert parts == {2: {8: 150, 9: 20}}


def test_an_older_note_is_paid_by_the_only_invoice_that_can() -> None:
    parts = parts_paid_back({2: 100, 1: 100}, {2: [8, 9], 1: [8]}, [{8: 100, 9: 100}])
    assert parts == {2: {9: 100}, 1: {8: 100}}


def test_each_invoice_pays_back_its_share_of_a_note_before_what_another_lacks() -> None:
    paid = {8: 500, 9: 500}
    assert shares_paid_back(300, {8: 100, 9: 200}, paid) == {8: 100, 9: 200}
    assert shares_paid_back(300, {9: 200, 8: 100}, {8: 500, 9: 50}) == {8: 250, 9: 50}
    assert shares_paid_back(300, {8: 400, 9: -10}, {8: 0, 9: 100}) == {9: 100}
    assert shares_paid_back(0, {8: 100}, paid) == {}
