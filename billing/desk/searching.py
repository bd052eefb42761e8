"""Searching the desk's lists: what is exactly that first, then amounts, then what is called so.

Each field is asked by itself and of its own table, where an index answers, and the rows are found
by what came of it. One condition over several tables would walk through all of them.

Fields are written as Django's ``search_fields``. One without a lookup is searched for each word,
without regard to capitals and accents. ``typed`` is all that people know a row by, which its model
has as the expression ``TYPED``, and ``told`` a long text, of which whole words are searched as the
vector ``TOLD``. ``newest`` is how a text begins that has no index: it is sought among the newest
rows alone. ``amount`` is for minor units beside a ``currency``, ``last_four`` for the figures of a
card.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.contrib.postgres.search import SearchQuery
from django.core.exceptions import ValidationError
from django.db.models import F, Func, Max, Model, Q, QuerySet, Value
from django.utils.text import smart_split

from billing.base.sql.plain import Plain
from billing.desk.amounts import amounts_in

FOUND_MAX = 1_000
NEWEST_MAX = 20_000
TERM_MAX = 200
# Fewer letters have no trigram of their own; the beginning of a word has, and a longer word beside.
LETTERS_MIN = 3
WORDS, TYPED, AMOUNT, LAST_FOUR = "words", "typed", "amount", "last_four"
TOLD, NEWEST = "told", "newest"
_EXACT = {"exact", "iexact"}
# As pages and receipts write a card: •••• 4242, **4242, x4242.
_FOUR = re.compile(r"[•·*.xX\s]*(\d{4})")


def search(queryset: QuerySet, term: str, fields: Iterable[str]) -> QuerySet:
    """Those of ``queryset`` that ``term`` names exactly, else those with each of its words.

    Words that stand together in one row, such as a name, are asked for together: there are few of
    those where each word has thousands. Of a table at most :data:`FOUND_MAX` rows are followed: who
    finds more has to say more.
    """
    term = term.replace("\0", "").strip()[:TERM_MAX]
    by_kind = _by_kind(queryset.model, fields)
    words = [word.strip("\"'") for word in smart_split(term)]
    found = _matching(queryset, by_kind["exact"], term) | _of_cards(queryset, by_kind, term)
    found = found or _of_amounts(queryset, by_kind[AMOUNT], term)
    found = found or _told(queryset, by_kind[TOLD], term)
    found = found or _beginning(queryset, by_kind[NEWEST], term)
    # Whose whole name it is stands before those who share its words.
    found = found or _with_words(queryset, by_kind[WORDS], [" ".join(words)])
    if not found and len(words) > 1:
        found = _with_words(queryset, by_kind[WORDS], words)
    if not found and len(words) > 1:
        for word in words:
            found &= _with_words(queryset, by_kind[WORDS], [word]) or Q(pk__in=[])
    return queryset.filter(found or Q(pk__in=[]))


# {path: [(field, lookup)]}
type _Fields = dict[str, list[tuple[str, str]]]


def _by_kind(model: type[Model], fields: Iterable[str]) -> dict[str, _Fields]:
    """Fields by how they are searched, and by the path to their table."""
    found: dict[str, _Fields] = defaultdict(lambda: defaultdict(list))
    for written in fields:
        *path, field, lookup = _split(model, written)
        has_own = lookup in {AMOUNT, LAST_FOUR, NEWEST, TOLD}
        kind = "exact" if lookup in _EXACT else lookup if has_own else WORDS
        found[kind]["__".join(path)].append((field, lookup))
    return found


def _split(model: type[Model], written: str) -> Iterator[str]:
    names = written.split("__")
    there: Any = model
    for position, name in enumerate(names):
        if name in {TYPED, TOLD}:
            yield from (name, name)
            return
        field = there._meta.get_field(name)
        yield name
        if not field.remote_field:
            yield names[position + 1] if names[position + 1 :] else WORDS
            return
        there = field.related_model


def _table_of(queryset: QuerySet, path: str) -> QuerySet:
    if not path:
        return queryset.order_by()
    model: Any = queryset.model
    for name in path.split("__"):
        model = model._meta.get_field(name).related_model
    return model._base_manager.all()


def _matching(queryset: QuerySet, fields: _Fields, term: str) -> Q:
    """What names a row exactly."""
    found = Q()
    for path, names in fields.items():
        for name, lookup in names:
            rows = _table_of(queryset, path)
            spellings = {term} if lookup == "exact" else {term, term.lower(), term.upper()}
            try:
                field = rows.model._meta.get_field(name)
                values = {field.get_prep_value(field.to_python(each)) for each in spellings}
                found |= _among(queryset.model, rows.filter(**{f"{name}__in": values}), path)
            except (ValueError, TypeError, ValidationError):
                continue  # Text is no number.
    return found


def _of_cards(queryset: QuerySet, by_kind: dict[str, _Fields], term: str) -> Q:
    """What hangs on a card that ends in the four figures."""
    found, typed = Q(), _FOUR.fullmatch(term)
    for path, names in by_kind[LAST_FOUR].items() if typed else ():
        for name, _ in names:
            cards = _table_of(queryset, path).filter(**{name: typed and typed[1]})
            found |= _newest_among(queryset.model, cards.order_by("-pk"), path)
    return found


def _of_amounts(queryset: QuerySet, fields: _Fields, term: str) -> Q:
    """The newest rows of the list's own table with an amount, in whatever currency."""
    found = Q()
    for minor, codes in amounts_in(term) if fields else ():
        for name, _ in fields[""]:
            rows = queryset.filter(**{name: minor, "currency__in": codes})
            found |= _among(queryset.model, rows.order_by("-pk"), "")
    return found


def _told(queryset: QuerySet, fields: _Fields, term: str) -> Q:
    """The newest rows of the list's own table whose text has all the words of the term."""
    if not fields:
        return Q()
    vector = queryset.model.TOLD
    rows = queryset.alias(told=vector).filter(told=SearchQuery(term, config=vector.config))
    return _among(queryset.model, rows.order_by("-pk"), "")


def _beginning(queryset: QuerySet, fields: _Fields, term: str) -> Q:
    """What hangs on, or is, one of the newest rows of a table with a text that begins so."""
    found = Q()
    for path, names in fields.items():
        rows = _table_of(queryset, path)
        last = rows.aggregate(last=Max("pk"))["last"] or 0
        for name, _ in names:
            begins = rows.filter(pk__gt=last - NEWEST_MAX, **{f"{name}__istartswith": term})
            found |= _newest_among(queryset.model, begins.order_by("-pk"), path)
    return found


def _with_words(queryset: QuerySet, fields: _Fields, words: Sequence[str]) -> Q:
    """What hangs on, or is, a row of one table in which each of the words is."""
    are_short = all(len(word) < LETTERS_MIN for word in words)
    found = Q()
    for path, names in fields.items():
        rows = _table_of(queryset, path)
        rows = rows.alias(**{f"plain_{name}": text for name, text in _texts(rows.model, names)})
        for word in words:
            called = Q()
            for name, lookup in names:
                if lookup not in {WORDS, TYPED}:
                    called |= Q(**{f"{name}__{lookup}": word})
                elif are_short and lookup == TYPED:
                    called |= Q(**{f"plain_{name}__contains": Plain(Value(f" {word}"))})
                else:
                    where = "startswith" if are_short else "contains"
                    called |= Q(**{f"plain_{name}__{where}": Plain(Value(word))})
            rows = rows.filter(called)
        found |= _newest_among(queryset.model, rows, path)
    return found


def _texts(model: type[Model], names: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Func]]:
    for name, lookup in names:
        if lookup in {WORDS, TYPED}:
            yield name, model.TYPED if lookup == TYPED else Plain(name)  # type: ignore[attr-defined]


def _among(model: type[Model], rows: QuerySet, path: str) -> Q:
    """The rows of a list that hang on some of another table, or are they; empty for none."""
    ids = list(rows.values_list("pk", flat=True)[:FOUND_MAX])
    if not ids:
        return Q()
    own = Q(**{f"{path}__in" if path else "pk__in": ids})
    if not path or model._meta.get_field(path.partition("__")[0]).many_to_one:
        return own
    # Of many rows that hang on one, each would show it once.
    return Q(pk__in=set(model._base_manager.filter(own).values_list("pk", flat=True)[:FOUND_MAX]))


def _newest_among(model: type[Model], rows: QuerySet, path: str) -> Q:
    """The same, and of very many the newest, by an order that no index has.

    In the list's own PostgreSQL would walk the list from its end, in the hope of meeting them soon.
    """
    found = _among(model, rows, path)
    if not found or not path:
        return found
    newest = model._base_manager.filter(found).order_by((F("pk") + 0).desc())
    return Q(pk__in=list(newest.values_list("pk", flat=True)[:FOUND_MAX]))
