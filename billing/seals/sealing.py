"""Digests of what never changes, taken by the tick in the order in which it was written.

Documents are chained by seller and series, where numbers come in the order of commits. All else
goes by id, and an id may be committed after a higher one: so a table's highest id is noted, and
sealed when every transaction of that moment is over. Nothing here touches the hot path of billing.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.apps import apps
from django.db import connection, transaction
from pghistory.models import Event as HistoryEvent

from billing.base import clock
from billing.seals.models import Horizon, Seal

ROWS_MAX: Final = 1000
SEALS_MAX: Final = 50

Columns = dict[str, list[str]]


@dataclass(frozen=True)
class Part:
    """A table whose rows belong to the sealed row: ``t`` is that one, ``p`` the part's."""

    model: str
    where: str
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chain:
    """Rows of a model above a key, in the key's order; with what hangs on them."""

    name: str
    model: str
    key: str = "id"
    leaving_out: tuple[str, ...] = ()
    where: str = "TRUE"
    parts: tuple[Part, ...] = ()
    goes_by_commit: bool = False
    values: tuple[Any, ...] = field(default=())


def chains() -> Iterator[Chain]:
    """Every chain that there is now: a series begins with its first document."""
    yield Chain(
        "transfers",
        "ledger.Transfer",
        leaving_out=("recorded_at",),
        parts=(
            Part(
                "payments.Payment",
                "t.document = 'payment' AND p.id = t.document_id",
                ("public_id", "gateway", "gateway_id", "received_on", "amount_minor"),
            ),
        ),
    )
    yield Chain(
        "events",
        "events.Event",
        leaving_out=("is_fanned_out", "sequence", "position", "recorded_at"),
    )
    yield Chain("usage", "usage.UsageRecord", leaving_out=("recorded_at",))
    yield Chain("balance entries", "invoicing.BalanceEntry", leaving_out=("recorded_at",))
    for model in apps.get_models():
        if issubclass(model, HistoryEvent) and model._meta.managed:
            yield Chain(f"history of {model._meta.db_table}", model._meta.label, key="pgh_id")
    yield from _series()


def _series() -> Iterator[Chain]:
    series = apps.get_model("invoicing", "NumberSeries").objects
    for seller, kind in series.order_by("seller_id", "kind").values_list("seller_id", "kind"):
        yield Chain(
            f"documents {seller} {kind}",
            "invoicing.Invoice",
            key="sequence",
            leaving_out=(
                "status",
                "paid_minor",
                "credited_minor",
                "from_balance_minor",
                "rounded_off_minor",
                "closed_on",
                "reason",
                "recorded_at",
            ),
            where="t.seller_id = %s AND t.kind = %s",
            values=(seller, kind),
            parts=(
                Part("invoicing.InvoiceLine", "p.invoice_id = t.id"),
                Part("invoicing.InvoiceTax", "p.invoice_id = t.id"),
                Part("invoicing.Letterhead", "p.id = t.letterhead_id"),
            ),
            goes_by_commit=True,
        )


def seal_all(*, is_settled: bool = False) -> int:
    """Seal what has come since; returns the rows sealed.

    ``is_settled`` says that nobody else writes, so that nothing is waited for.
    """
    sealed = 0
    for chain in chains():
        for _ in range(SEALS_MAX):
            rows = _seal_next(chain, is_settled=is_settled)
            sealed += rows
            if rows < ROWS_MAX:
                break
    return sealed


def broken_seals() -> Iterator[str]:
    """A sentence for each seal that its rows, or the chain, do not fit."""
    known = {chain.name: chain for chain in chains()}
    seals: dict[str, list[Seal]] = {}
    for seal in Seal.objects.order_by("chain", "position"):
        seals.setdefault(seal.chain, []).append(seal)
    for name, of_chain in seals.items():
        chain = known.get(name)
        if chain is None:
            yield f"Of {name}, which was sealed, nothing is there."
            continue
        before = Seal(position=0, until=0, mark="")
        for seal in of_chain:
            if seal.position != before.position + 1 or seal.after != before.until:
                yield f"{name}: between {before.until} and {seal.after} a seal is missing."
            elif seal.mark != _mark(before.mark, seal.digest):
                yield f"{name}: seal {seal.position} does not follow the one before it."
            rows, digest = _digest(chain, seal.after, seal.until, seal.columns)
            if (rows, digest) != (seal.rows, seal.digest):
                yield (
                    f"{name}, {chain.key} {seal.after + 1} to {seal.until}: {rows} rows are not "
                    f"the {seal.rows} that were sealed on {seal.sealed_at:%Y-%m-%d}."
                )
            before = seal


@transaction.atomic
def _seal_next(chain: Chain, *, is_settled: bool) -> int:
    last = Seal.objects.filter(chain=chain.name).order_by("-position").first()
    before = last or Seal(position=0, until=0, mark="")
    until = _until(chain, before.until, is_settled=is_settled)
    if until <= before.until:
        return 0
    columns = {label: _columns(label, leaving, only) for label, leaving, only in _tables(chain)}
    rows, digest = _digest(chain, before.until, until, columns)
    if not rows:
        return 0
    Seal.objects.create(
        chain=chain.name,
        position=before.position + 1,
        after=before.until,
        until=until,
        rows=rows,
        columns=columns,
        digest=digest,
        mark=_mark(before.mark, digest),
        sealed_at=clock.now(),
    )
    return rows


def _until(chain: Chain, after: int, *, is_settled: bool) -> int:
    """The key up to which can be sealed now."""
    table = apps.get_model(chain.model)._meta.db_table
    limit = None if chain.goes_by_commit or is_settled else _horizon(chain, table)
    bound = "" if limit is None else f"AND t.{chain.key} <= {int(limit)}"
    newest = f"""
        SELECT max(key) FROM (
            SELECT t.{chain.key} AS key FROM {table} t
            WHERE {chain.where} AND t.{chain.key} > %s {bound}
            ORDER BY t.{chain.key} LIMIT {ROWS_MAX}) keys
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(newest, [*chain.values, after])
        (until,) = cursor.fetchone()
    return until or 0


def _horizon(chain: Chain, table: str) -> int:
    """The highest key of a moment whose transactions are all over; a new moment is noted then."""
    noted = Horizon.objects.filter(chain=chain.name).first()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"  # noqa: S608
            " pg_snapshot_xmax(pg_current_snapshot())::text::bigint,"
            f" (SELECT coalesce(max({chain.key}), 0) FROM {table})"
        )
        oldest, next_one, until = cursor.fetchone()
    if noted and oldest < noted.transaction_id:
        return 0
    if noted is None or until != noted.until:
        Horizon.objects.update_or_create(
            chain=chain.name, defaults={"until": until, "transaction_id": next_one}
        )
    return noted.until if noted else 0


def _digest(chain: Chain, after: int, until: int, columns: Columns) -> tuple[int, str]:
    table = apps.get_model(chain.model)._meta.db_table
    whole = [_row("t", columns.get(chain.model, []))]
    for part in chain.parts:
        if part.model not in columns:
            continue  # It came later than the seal.
        part_table = apps.get_model(part.model)._meta.db_table
        row = _row("p", columns[part.model])
        rows = f"SELECT string_agg({row}, ' ' ORDER BY p.id) FROM {part_table} p"  # noqa: S608
        whole.append(f"({rows} WHERE {part.where})")
    statement = f"""
        SELECT count(*), encode(sha256(convert_to(
            coalesce(string_agg(concat_ws(E'\\n', {", ".join(whole)}), E'\\n'
                ORDER BY t.{chain.key}), ''), 'UTF8')), 'hex')
        FROM {table} t WHERE {chain.where} AND t.{chain.key} > %s AND t.{chain.key} <= %s
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [*chain.values, after, until])
        rows, digest = cursor.fetchone()
    return rows, digest


def _row(alias: str, columns: list[str]) -> str:
    return "ROW(" + ", ".join(f'{alias}."{column}"' for column in columns) + ")::text"


def _tables(chain: Chain) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    yield chain.model, chain.leaving_out, ()
    for part in chain.parts:
        yield part.model, ("recorded_at",), part.only


def _columns(label: str, leaving_out: tuple[str, ...], only: tuple[str, ...]) -> list[str]:
    columns = [column.column for column in apps.get_model(label)._meta.concrete_fields]
    return [name for name in columns if name not in leaving_out and (not only or name in only)]


def _mark(before: str, digest: str) -> str:
    return hashlib.sha256(f"{before} {digest}".encode()).hexdigest()
