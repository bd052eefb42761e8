import json
from collections.abc import Callable
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from billing.tax.loading import COLUMNS, DEFAULT_FILE, load_rates
from billing.tax.models import TaxRate

pytestmark = pytest.mark.django_db
HEADER = ",".join(COLUMNS)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a rate file of rows without their last three columns (source, confidence, note)."""

    def write(*rows: str, header: str = HEADER, name: str = "rates.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *(f"{row},,," for row in rows)]) + "\n")
        return path

    return write


def problems(path: Path) -> list[tuple[int, str, str]]:
    found = load_rates(path).problems
    assert not TaxRate.objects.exists()
    return [(problem.row, problem.column, problem.reason) for problem in found]


def defaults(country: str, category: str) -> list[str]:
    rates = TaxRate.objects.filter(country=country, category=category, is_default=True)
    return [f"{rate.percent.normalize():f}" for rate in rates.order_by("percent")]


class TestGoodFiles:
    def test_the_file_that_comes_with_kvitt_loads_and_a_second_time_changes_nothing(self) -> None:
        first = load_rates(DEFAULT_FILE)
        assert (len(first.added), first.changed, first.unchanged) == (119, [], 0)
        second = load_rates(DEFAULT_FILE)
        assert (second.added, second.changed, second.unchanged) == ([], [], 119)

    def test_the_last_day_of_the_file_is_the_day_before_valid_until(self, write: Write) -> None:
        load_rates(write("SE,food,6,2026-04-01,2027-12-31,SEK"))
        rate = TaxRate.objects.get()
        assert (rate.valid_from, rate.valid_until) == (date(2026, 4, 1), date(2028, 1, 1))

    def test_every_fact_keeps_its_source(self) -> None:
        load_rates(DEFAULT_FILE)
        rate = TaxRate.objects.get(country="SE", category="food", percent=6)
        assert rate.source == "Swedish government bill prop. 2025/26:55 (as passed)"
        assert rate.note == "temporary cut Confidence: high."

    def test_a_rate_alone_in_its_category_is_default_and_of_several_none(
        self, write: Write
    ) -> None:
        load_rates(
            write(
                "DE,reduced,7,,,EUR",
                "SE,reduced,6,,,SEK",
                "SE,reduced,12,2020-01-01,,SEK",
                "RO,reduced,9,,2025-07-31,RON",
                "RO,reduced,11,2025-08-01,,RON",
            )
        )
        assert defaults("DE", "reduced") == ["7"]
        assert defaults("SE", "reduced") == []
        assert defaults("RO", "reduced") == ["9", "11"]


class TestLoadingAgain:
    def test_a_rate_that_ends_makes_room_for_the_next(self, write: Write) -> None:
        load_rates(write("SE,standard,25,,,SEK"))
        loaded = load_rates(
            write("SE,standard,25,,2027-12-31,SEK", "SE,standard,24,2028-01-01,,SEK")
        )
        assert loaded.changed == ["SE standard 25 %: valid_until none → 2028-01-01"]
        assert loaded.added == ["SE standard 24 % from 2028-01-01"]
        assert defaults("SE", "standard") == ["24", "25"]

    def test_the_reduced_rate_that_somebody_marked_stays_marked(self, write: Write) -> None:
        path = write("SE,reduced,6,,,SEK", "SE,reduced,12,,,SEK")
        load_rates(path)
        TaxRate.objects.filter(percent=6).update(is_default=True)
        assert load_rates(path).changed == []
        assert defaults("SE", "reduced") == ["6"]

    def test_a_reduced_rate_that_was_picked_for_being_alone_is_picked_no_longer(
        self, write: Write
    ) -> None:
        load_rates(write("DE,reduced,7,,,EUR"))
        loaded = load_rates(write("DE,reduced,7,,,EUR", "DE,reduced,5,2028-01-01,,EUR"))
        assert loaded.changed == ["DE reduced 7 %: is_default True → none"]
        assert defaults("DE", "reduced") == []

    def test_a_rate_that_an_operator_added_stays_and_is_not_competed_with(
        self, write: Write
    ) -> None:
        TaxRate.objects.create(country="DE", category="reduced", percent=5)
        load_rates(write("DE,reduced,7,,,EUR"))
        assert defaults("DE", "reduced") == ["5"]

    def test_a_standard_rate_beside_one_of_the_table_is_refused(self, write: Write) -> None:
        TaxRate.objects.create(country="SE", category="standard", percent=30)
        [problem] = load_rates(write("SE,standard,25,,,SEK")).problems
        assert problem.told("rates.csv") == (
            "rates.csv:2:valid_from: The rate table already has SE standard 30 % as default; "
            "end that one first."
        )
        assert defaults("SE", "standard") == ["30"]


class TestBadRows:
    def test_a_text_that_the_table_cannot_hold_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "rates.csv"
        path.write_text(f"{HEADER}\nSE,standard,25,,,SEK,{'x' * 300},,\n")
        assert problems(path) == [(2, "source", "The text is longer than 270 characters.")]

    @pytest.mark.parametrize(
        ("row", "column", "reason"),
        [
            ("XX,standard,25,,,SEK", "country", "“XX” is not a country of ISO 3166"),
            ("EL,standard,24,,,EUR", "country", "Greece is GR here"),
            ("SE,normal,25,,,SEK", "category", "“normal” is none of standard, reduced"),
            ("SE,standard,25%,,,SEK", "rate_percent", "“25%” is not a number from 0 to 100"),
            ("SE,standard,,,,SEK", "rate_percent", "“” is not a number"),
            ("SE,standard,-1,,,SEK", "rate_percent", "“-1” is not a number from 0"),
            ("SE,standard,100.5,,,SEK", "rate_percent", "“100.5” is not a number from 0 to 100"),
            ("SE,standard,1e1,,,SEK", "rate_percent", "“1e1” is not a number"),
            ("SE,standard,25.12345,,,SEK", "rate_percent", "more than 4 decimals"),
            (
                "SE,standard,25,1/4/2026,,SEK",
                "valid_from",
                "“1/4/2026” is not a date. Write it as Y",
            ),
            ("SE,standard,25,2026-02-30,,SEK", "valid_from", "is not a day of the calendar"),
            ("SE,standard,25,,9999-12-31,SEK", "valid_to", "too far from today"),
            ("SE,standard,25,2026-04-01,2026-03-31,SEK", "valid_to", "before valid_from"),
            ("SE,standard,25,,,KR", "currency", "“KR” is not a currency"),
            ("SE,standard,25,,,SEK,,,", "", "The row has 12 columns, the header 9"),
            ("SE,standard,25,,", "", "The row has 8 columns, the header 9"),
        ],
    )
    def test_is_told_by_row_column_and_reason_and_nothing_is_loaded(
        self, write: Write, row: str, column: str, reason: str
    ) -> None:
        [found] = problems(write("NO,standard,25,,,NOK", row))
        assert found[:2] == (3, column)
        assert reason in found[2]

    def test_every_fault_of_every_row_is_told_at_once(self, write: Write) -> None:
        found = problems(write("XX,standard,200,,,SEK", "SE,standard,25,,x,SEK"))
        assert [place[:2] for place in found] == [
            (2, "country"),
            (2, "rate_percent"),
            (3, "valid_to"),
        ]

    def test_two_standard_rates_at_a_time_are_told(self, write: Write) -> None:
        rows = ("SE,standard,25,,2027-01-01,SEK", "SE,standard,24,2027-01-01,,SEK")
        reason = "It overlaps the standard rate in row 2; end that one first."
        assert problems(write(*rows)) == [(3, "valid_from", reason)]

    def test_the_same_rate_twice_is_told(self, write: Write) -> None:
        rows = ("SE,reduced,6,,,SEK", "SE,reduced,6.0,2026-01-01,,SEK")
        assert problems(write(*rows)) == [(3, "", "The same rate stands in row 2.")]


class TestTheCommand:
    def run(self, *args: str) -> str:
        out = StringIO()
        call_command("load_vat_rates", *args, stdout=out)
        return out.getvalue()

    def test_loads_what_comes_with_kvitt_by_default_and_says_so(self) -> None:
        told = self.run()
        assert "added  SE food 6 % from 2026-04-01 until 2028-01-01\n" in told
        assert told.endswith("119 added, 0 changed, 0 unchanged.\n")
        assert self.run() == "0 added, 0 changed, 119 unchanged.\n"

    def test_a_dry_run_tells_the_same_and_writes_nothing(self) -> None:
        assert "119 added" in self.run("--dry-run")
        assert not TaxRate.objects.exists()

    def test_json_is_all_there_is_on_stdout(self, write: Write) -> None:
        answer = json.loads(self.run("--json", str(write("SE,standard,25,,,SEK"))))
        assert answer == {
            "added": ["SE standard 25 %"],
            "changed": [],
            "unchanged": 0,
            "errors": [],
        }

    def test_bad_rows_end_it_with_status_1(self, write: Write) -> None:
        path = write("SE,standard,x,,,SEK")
        out = StringIO()
        with pytest.raises(CommandError) as caught:
            call_command("load_vat_rates", "--json", str(path), stdout=out)
        assert caught.value.returncode == 1
        assert str(caught.value).startswith("rates.csv:2:rate_percent: “x” is not a number")
        assert json.loads(out.getvalue())["errors"][0]["row"] == 2

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (None, r"missing.csv: No such file or directory"),
            (b"", "missing.csv: The file is empty"),
            (b"land,moms\nSE,25\n", "missing.csv:1: The header must be country,category"),
            (HEADER.encode() + b"\n\xe5", "missing.csv:2: This is not UTF"),
            (HEADER.encode() + b'\nSE,"x', r"missing.csv:\d: The row cannot be taken"),
            (b"a,a\n", "missing.csv:1:a: Two columns have this name"),
        ],
    )
    def test_a_file_that_is_none_ends_it_with_status_2(
        self, tmp_path: Path, content: bytes | None, reason: str
    ) -> None:
        path = tmp_path / "missing.csv"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CommandError, match=reason) as caught:
            call_command("load_vat_rates", str(path))
        assert caught.value.returncode == 2
        assert not TaxRate.objects.exists()
