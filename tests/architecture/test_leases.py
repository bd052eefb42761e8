"""Claims and advisory locks are made in one place; the others say why they are not."""

import re
from pathlib import Path

from tests.architecture.test_house import product_files

ROOT = Path(__file__).resolve().parents[2]
HOME = "billing/base/leases.py"
# Claims that are made in the statement that finds what is due, or by a key of their own.
IN_THEIR_STATEMENT = {
    "billing/invoicing/batch.py",  # Two thousand customers by the index of what is due.
    "billing/api/idempotency.py",  # One round trip, before each POST.
    "customers/persons.py",  # A person may have any address: its key has 64 bits.
}
CLAIMS = re.compile(r"skip_locked|SKIP LOCKED|pg_(?:try_)?advisory_(?:xact_)?lock")


def test_claims_are_made_by_leases_alone() -> None:
    claiming = {
        path.relative_to(ROOT).as_posix()
        for path in product_files()
        if CLAIMS.search(path.read_text())
    }
    assert claiming == {HOME} | IN_THEIR_STATEMENT
