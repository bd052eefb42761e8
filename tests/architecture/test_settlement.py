"""What is paid, credited and closed of an invoice is written in one place."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("billing", "customers", "catalog", "dunning", "portal")
ALONE = "billing/invoicing/settlement.py"
SUMS = {"paid_minor", "credited_minor", "from_balance_minor", "rounded_off_minor"}
# Other rows have columns of these names: they count where an invoice is what has them.
STATE = {"status", "closed_on", "reason"}
INVOICE = re.compile(r"\b([Ii]nvoices?|documents?)\b")
WRITERS = {"update", "move", "bulk_update", "save", "create", "get_or_create", "update_or_create"}
SQL = re.compile(
    r"\bUPDATE\s+(ONLY\s+)?\"?invoicing_invoice\b"
    r"|\bSET\b[^;]*\b(paid_minor|from_balance_minor|rounded_off_minor)\s*=",
    re.IGNORECASE,
)


def writes(source: str) -> bool:
    """Whether a module writes what settlement alone may write."""
    return any(_writes(node) for node in ast.walk(ast.parse(source)))


def _writes(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=targets):
            return any(map(_is_settled, targets))
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return _is_settled(target)
        case ast.Call(func=ast.Name(id="setattr"), args=[whose, *_]):
            return bool(INVOICE.search(ast.unparse(whose)))
        case ast.Call(func=ast.Attribute(attr=attr, value=whose)) if attr in WRITERS:
            return _names_settled(node, attr, ast.unparse(whose))
        case ast.Constant(value=str(text)):
            return bool(SQL.search(text))
        case ast.JoinedStr(values=values):
            texts = (str(each.value) for each in values if isinstance(each, ast.Constant))
            return bool(SQL.search(" ".join(texts)))
    return False


def _is_settled(target: ast.expr) -> bool:
    """Whether an assignment is to one of the columns; what covers days has a sum of that name."""
    if isinstance(target, ast.Tuple | ast.List):
        return any(map(_is_settled, target.elts))
    if not isinstance(target, ast.Attribute):
        return False
    whose = ast.unparse(target.value)
    if target.attr in SUMS:
        return whose not in ("self", "coverage")
    return target.attr in STATE and bool(INVOICE.search(whose))


def _names_settled(call: ast.Call, verb: str, whose: str) -> bool:
    named = {keyword.arg for keyword in call.keywords}
    if verb in ("bulk_update", "save"):
        named |= {str(each.value) for each in ast.walk(call) if isinstance(each, ast.Constant)}
    if named & SUMS:
        return not whose.startswith("Coverage")
    is_of_invoice = bool(INVOICE.search(whose.split("(")[0]))
    if verb in ("move", "save") and whose.endswith("invoice"):
        return True
    return verb in ("update", "bulk_update") and is_of_invoice and bool(named & STATE)


def test_settlement_alone_writes_what_is_paid_credited_and_closed() -> None:
    writing = {
        path.relative_to(ROOT).as_posix()
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts and writes(path.read_text())
    }
    assert writing == {ALONE}


@pytest.mark.parametrize(
    "source",
    [
        "invoice.paid_minor += 5",
        "found.credited_minor = 5",
        "invoice.status, invoice.closed_on = 'paid', day",
        "case.invoice.reason = 'lost'",
        "invoice.move('void', closed_on=day)",
        "Invoice.objects.filter(pk=1).update(paid_minor=F('paid_minor') - part)",
        "Invoice.objects.filter(pk__in=lost).update(status='uncollectible')",
        "seller.documents.filter(pk=1).update(closed_on=None)",
        "invoice.save(update_fields=['rounded_off_minor'])",
        "Invoice.objects.bulk_update(some, ['from_balance_minor'])",
        "setattr(invoice, 'status', 'paid')",
        "cursor.execute('UPDATE invoicing_invoice i SET status = %s')",
        "cursor.execute(f'update {table} set paid_minor = 0')",
    ],
)
def test_a_module_that_writes_beside_it_is_found(source: str) -> None:
    assert writes(source)


@pytest.mark.parametrize(
    "source",
    [
        "coverage.credited_minor += 5",
        "Coverage.objects.bulk_update(covered, ['credited_minor'])",
        "case.status, case.closed_on = 'open', None",
        "Payment.objects.filter(pk=1).update(status='failed')",
        "left = invoice.paid_minor",
        "cursor.execute('UPDATE invoicing_coverage SET credited_minor = 0')",
        "allocations.filter(invoice=1).update(state='released')",
    ],
)
def test_a_module_that_writes_other_rows_or_reads_is_not(source: str) -> None:
    assert not writes(source)
