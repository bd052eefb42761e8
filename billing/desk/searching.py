"""Searching the desk's lists: what is exactly that first, then who and what is called so.

Each field is asked by itself and of its own table, where an index answers, and the rows are found
by what came of it. One condition over several tables would walk through all of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F, Model, Q, QuerySet
from django.utils.text import smart_split

FOUND_MAX = 1_000
TERM_MAX = 200
# Fewer letters have no trigram of their own; the beginning of a word has, and a longer word beside.
LETTERS_MIN = 3
_EXACT = {"exact", "iexact"}


def search(queryset: QuerySet, term: str, fields: Iterable[str]) -> QuerySet:
    """Those of ``queryset`` that ``term`` names exactly, else those with each of its words.

    ``fields`` are written as Django's ``search_fields``. Words that stand together in one row, such
    as a name, are asked for together: there are few of those where each word has thousands. Of a
    table at most :data:`FOUND_MAX` rows are followed: who finds more has to say more.
    """
    term = term.replace("\0", "").strip()[:TERM_MAX]
    exact, loose = _by_table(queryset.model, fields)
    words = [word.strip("\"'") for word in smart_split(term)]
    found = _matching(queryset, exact, term) or _with_words(queryset, loose, words)
    if not found and len(words) > 1:
        for word in words:
            found &= _with_words(queryset, loose, [word]) or Q(pk__in=[])
    return queryset.filter(found or Q(pk__in=[]))


type _Fields = dict[str, list[tuple[str, str]]]


def _by_table(model: type[Model], fields: Iterable[str]) -> tuple[_Fields, _Fields]:
    """Fields by the path to their table, exact ones apart: ``{path: [(field, lookup)]}``."""
    exact: _Fields = defaultdict(list)
    loose: _Fields = defaultdict(list)
    for written in fields:
        *path, field, lookup = _split(model, written)
        (exact if lookup in _EXACT else loose)["__".join(path)].append((field, lookup))
    return exact, loose


def _split(model: type[Model], written: str) -> Iterator[str]:
    names = written.split("__")
    there: Any = model
    for position, name in enumerate(names):
        field = there._meta.get_field(name)
        yield name
        if not field.remote_field:
            yield names[position + 1] if names[position + 1 :] else "icontains"
            return
        there = field.related_model


def _table_of(queryset: QuerySet, path: str) -> QuerySet:
    if not path:
        return queryset.order_by()
    model: Any = queryset.model
    for name in path.split("__"):
        model = model._meta.get_field(name).related_model
    return model._base_manager.all()


def _matching(queryset: QuerySet, fields: _Fields, term: str) -> Q | None:
    """What names a row exactly; None where nothing does."""
    found = Q()
    for path, names in fields.items():
        for name, lookup in names:
            rows = _table_of(queryset, path)
            spellings = {term} if lookup == "exact" else {term, term.lower(), term.upper()}
            try:
                field = rows.model._meta.get_field(name)
                values = {field.get_prep_value(field.to_python(each)) for each in spellings}
                found |= _among(rows.filter(**{f"{name}__in": values}), path)
            except (ValueError, TypeError, ValidationError):
                continue  # Text is no number.
    return found or None


def _with_words(queryset: QuerySet, fields: _Fields, words: Sequence[str]) -> Q:
    """What hangs on, or is, a row of one table in which each of the words is."""
    are_short = all(len(word) < LETTERS_MIN for word in words)
    found = Q()
    for path, names in fields.items():
        rows = _table_of(queryset, path)
        for word in words:
            called = Q()
            for name, lookup in names:
                is_short = are_short and lookup == "icontains"
                called |= Q(**{f"{name}__{'istartswith' if is_short else lookup}": word})
            rows = rows.filter(called)
        found |= _newest_among(queryset.model, rows, path)
    return found


def _among(rows: QuerySet, path: str) -> Q:
    """The rows of a list that hang on some of another table, or are they; empty for none."""
    ids = list(rows.values_list("pk", flat=True)[:FOUND_MAX])
    return Q(**{f"{path}__in" if path else "pk__in": ids}) if ids else Q()


def _newest_among(model: type[Model], rows: QuerySet, path: str) -> Q:
    """The same, and of very many the newest, by an order that no index has.

    In the list's own PostgreSQL would walk the list from its end, in the hope of meeting them soon.
    """
    found = _among(rows, path)
    if not found or not path:
        return found
    newest = model._base_manager.filter(found).order_by((F("pk") + 0).desc())
    return Q(pk__in=list(newest.values_list("pk", flat=True)[:FOUND_MAX]))
