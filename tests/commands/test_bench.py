import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command


def _bench(*arguments: str) -> dict[str, Any]:
    """The figures, from a process of its own: the bench leaves this one's database alone."""
    done = subprocess.run(
        [sys.executable, "manage.py", "bench", *arguments, "--json"],
        cwd=settings.BASE_DIR,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_renewals_are_measured_beside_the_limit_and_by_two_processes() -> None:
    figures = _bench("renewals", "-n", "10", "--workers", "2")
    # Thirteen a renewal; to each round of two come the batch's own, such as the number series.
    assert 13 < figures["rows_per_renewal"] <= 16
    assert figures["queries_per_batch"] <= 40
    for name in ("share", "renewals_per_s", "limit_per_s", "peak_mb", "two_workers_ratio"):
        assert figures[name] > 0


def test_other_bases_are_measured_beside_a_plain_one() -> None:
    figures = _bench("bases", "-n", "1")
    assert set(figures) == {"aged", "parked", "idle"}
    assert all(ratio > 0 for ratio in figures.values())


def test_printing_is_measured_beside_the_library_as_it_comes() -> None:
    figures = _bench("pdf", "-n", "5")
    assert set(figures) == {
        *("ratio", "pages_per_s", "default_per_s", "in_process_per_s"),
        "peak_mb",
    }
    assert all(value > 0 for value in figures.values())


def test_late_debts_are_stepped_in_a_constant_number_of_queries() -> None:
    figures = {count: _bench("dunning", "-n", str(count)) for count in (2, 40)}
    # To a run come the one look that finds nothing more, and the first opening of accounts.
    assert figures[40]["queries_per_batch"] <= figures[2]["queries_per_batch"] <= 40
    assert all(value > 0 for value in figures[40].values())


def test_a_large_base_is_imported_billed_and_looked_at() -> None:
    figures = _bench("million", "-n", "60")
    assert figures["documents"] >= 60
    assert figures.pop("too_slow") and figures.pop("too_slow_pages") >= 0
    assert all(value > 0 for value in figures.values())


def test_a_bench_of_nothing_is_refused() -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("bench", "renewals", n=0)


def test_the_api_is_measured_beside_bare_views() -> None:
    figures = _bench("api", "-n", "14")
    assert {name for name in figures if name.endswith("_per_s")} == {
        *("one_per_s", "list_per_s", "start_per_s"),
        *("bare_one_per_s", "bare_list_per_s", "bare_create_per_s"),
    }
    assert all(value > 0 for value in figures.values())
