"""Database triggers that several apps use."""

from collections.abc import Mapping, Sequence
from typing import Any

import pgtrigger


class FrozenOnce(pgtrigger.ReadOnly):
    """No edits of the fields once a row is in a state; ``pgtrigger.ReadOnly`` knows no state."""

    def __init__(self, *, once: pgtrigger.Q, **options: Any):
        self.once = once
        super().__init__(**options)

    def get_condition(self, model: Any) -> Any:
        return super().get_condition(model) & self.once


class ReferencesExist(pgtrigger.Trigger):
    """Each row that a statement adds refers to rows that are there, asked once a statement.

    For a model's foreign keys with ``db_constraint=False``. A constraint asks once a row and column
    and writes a lock into the row referred to, which comes to half of all that the database does
    for a bill. What this leaves to others: that the key is not edited, and that the row referred
    to is not deleted, each guarded by a trigger of its own.

    Rows that ``promised`` fields refer to may come later in the transaction.
    """

    when = pgtrigger.After
    operation = pgtrigger.Insert
    level = pgtrigger.Statement
    referencing = pgtrigger.Referencing(new="added")
    declare = [("keys", "bigint[]")]

    def __init__(self, *, promised: Sequence[str] = (), **options: Any):
        self.promised = promised
        super().__init__(**options)

    def get_func(self, model: Any) -> str:
        checks = [
            self._promise(field) if field.name in self.promised else self._check(field)
            for field in unconstrained_keys(model)
        ]
        return "\n".join([*checks, "RETURN NULL;"])

    def _promise(self, field: Any) -> str:
        return f"""
            INSERT INTO events_promise (target, ids, guard)
                SELECT '{field.remote_field.model._meta.db_table}',
                    array_agg(DISTINCT {field.column}), '{self.name}'
                FROM added HAVING count(*) > 0;
        """  # noqa: S608

    def _check(self, field: Any) -> str:
        # One walk along the index for all keys in order, and to count is enough.
        column, table = field.column, field.remote_field.model._meta.db_table
        return f"""
            SELECT array_agg(DISTINCT {column}) INTO keys FROM added WHERE {column} IS NOT NULL;
            IF cardinality(keys) > (SELECT count(*) FROM {table} WHERE id = ANY (keys)) THEN
                RAISE EXCEPTION '{column} %: there is no such row in {table}',
                    (SELECT min(named.id) FROM unnest(keys) AS named (id)
                     WHERE NOT EXISTS (SELECT FROM {table} target WHERE target.id = named.id))
                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{self.name}';
            END IF;
        """  # noqa: S608


class NotDatedAhead(pgtrigger.Trigger):
    """No row of a live seller is of a day that is still to come for the database.

    ``day`` is the column. A machine's clock may be wrong by days, and what was issued is never
    taken back; a minute is what clocks may differ by. Asked of each row, or once a statement whose
    rows are ``added``.
    """

    when = pgtrigger.After

    def __init__(self, *, day: str, **options: Any):
        self.day = day
        super().__init__(**options)

    def get_func(self, model: Any) -> str:
        is_ahead = f"""
            s.is_live AND r.{self.day} > ((clock_timestamp() + interval '1 minute')
                AT TIME ZONE s.time_zone)::date
        """
        rows = "added" if self.level == pgtrigger.Statement else "(SELECT NEW.*)"
        return f"""
            IF EXISTS (SELECT FROM {rows} r JOIN customers_seller s ON s.id = r.seller_id
                       WHERE {is_ahead}) THEN
                RAISE EXCEPTION '{self.day} of a live seller is still to come'
                    USING ERRCODE = 'check_violation', CONSTRAINT = '{self.name}';
            END IF;
            RETURN NULL;
        """  # noqa: S608


def unconstrained_keys(model: Any) -> list[Any]:
    """The foreign keys of a model that no constraint of the database checks."""
    return [
        field
        for field in model._meta.concrete_fields
        if field.remote_field and not field.db_constraint
    ]


def follows(name: str, field: str, lifecycle: Mapping[str, frozenset[str]]) -> pgtrigger.FSM:
    """The trigger that keeps a column to its lifecycle, whoever writes it."""
    steps = [(old, new) for old, news in lifecycle.items() for new in sorted(news)]
    return pgtrigger.FSM(name=name, field=field, transitions=steps)
