"""What answers show: explicit serializers, compiled once into a list of readers.

DRF walks through each field of each object; here twenty objects cost about what reading their
attributes does. The fields also make the schema, so that the two cannot differ.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from datetime import UTC, date, datetime
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar

from django.db.models import Model, Prefetch, QuerySet, prefetch_related_objects
from rest_framework import serializers

from billing.api.errors import invalid
from billing.api.fields import Country, Exact, Metadata, exact

type Reader = Callable[[Any], Any]
DEPTH_MAX = 2


class Reference(serializers.Field):
    """The id of another object, or the object itself where ``expand`` asks for it.

    What ``is_rare`` is looked up where any row of a list has one, and not joined to all.
    """

    def __init__(self, target: str, *, is_rare: bool = False, **options: Any) -> None:
        # By name: two kinds of object may refer to each other.
        self.target = target
        self.is_rare = is_rare
        super().__init__(read_only=True, **options)

    @property
    def reading(self) -> type["Reading"]:
        return READINGS[self.target]


READINGS: dict[str, type["Reading"]] = {}
# By the prefix of a public id: what webhooks and the list of events show of an object.
SHOWN: dict[str, tuple[type["Reading"], type[Model]]] = {}


class Reading(serializers.Serializer[Any]):
    """What an answer shows of an object. ``read_<field>`` on the class reads a field its own way.

    Beside its references, ``also_loads`` are relations to join, and ``prefetches`` rows that hang
    on the object: a list costs the same number of queries whatever its length. ``scope`` is what a
    key needs to see such an object, also where another one refers to it.
    """

    scope: ClassVar[str | None] = None
    # Where events tell of such objects: the prefix of their public ids, and their model.
    shown_as: ClassVar[tuple[str, type[Model]] | None] = None

    also_loads: ClassVar[tuple[str, ...]] = ()
    prefetches: ClassVar[tuple[Prefetch | str, ...]] = ()

    _compiled: ClassVar[dict[frozenset[str], list[tuple[str, Reader]]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        READINGS[cls.__name__] = cls
        if shown := cls.__dict__.get("shown_as"):
            prefix, model = shown
            SHOWN[prefix] = (cls, model)
        cls._compiled = {}

    @classmethod
    def show(cls, instance: Any, expand: frozenset[str] = frozenset()) -> dict[str, Any]:
        """An object as the answer shows it."""
        readers = cls._compiled.get(expand)
        if readers is None:
            fields = cls().fields.items()
            readers = [(name, _reader(cls, name, field, expand)) for name, field in fields]
            cls._compiled[expand] = readers
        return {name: read(instance) for name, read in readers}

    @classmethod
    def reader(cls, expand: Iterable[str] = ()) -> Reader:
        wanted = frozenset(expand)
        return lambda instance: cls.show(instance, wanted)

    @classmethod
    @cache
    def references(cls) -> dict[str, Reference]:
        return {name: field for name, field in cls().fields.items() if isinstance(field, Reference)}

    @classmethod
    def expandable(cls, depth: int = DEPTH_MAX) -> list[str]:
        """Everything that ``expand`` may name, as ``reference`` or ``reference.reference``."""
        found = []
        for name, field in cls.references().items():
            found.append(name)
            if depth > 1:
                found += [f"{name}.{inner}" for inner in field.reading.expandable(depth - 1)]
        return found

    @classmethod
    def scopes_of(cls, expand: Iterable[str]) -> dict[str, str]:
        """The scope that each reference needs that is expanded, by the way to it."""
        found: dict[str, str] = {}
        wanted = frozenset(expand)
        for name, field in cls.references().items():
            below = _below(name, wanted)
            if name in wanted or below:
                assert field.reading.scope is not None
                found[name] = field.reading.scope
                deeper = field.reading.scopes_of(below)
                found |= {f"{name}.{path}": scope for path, scope in deeper.items()}
        return found

    @classmethod
    def loads(cls, expand: Iterable[str] = ()) -> list[str]:
        """The relations to join for what is shown: references, and those of what is expanded."""
        found = [*cls.also_loads, *cls._referred_to(is_rare=False)]
        for source, reading, below in cls._expanded(expand):
            found += [f"{source}__{path}" for path in reading.loads(below)]
        return found

    @classmethod
    def hangs_on(cls, expand: Iterable[str] = ()) -> list[Prefetch | str]:
        """What to prefetch, of the object and of what is expanded in it."""
        found = list(cls.prefetches)
        for source, reading, below in cls._expanded(expand):
            hanging = [*reading._referred_to(is_rare=True), *reading.hangs_on(below)]
            found += [_prefixed(source, each) for each in hanging]
        return found

    @classmethod
    def loaded(cls, rows: QuerySet[Any], expand: Iterable[str] = ()) -> QuerySet[Any]:
        """Rows with all that is shown of them but what is rare, in a constant number of queries."""
        paths, hanging = cls.loads(expand), cls.hangs_on(expand)
        rows = rows.select_related(*paths) if paths else rows
        return rows.prefetch_related(*hanging) if hanging else rows

    @classmethod
    def look_up_rare(cls, rows: Sequence[Any]) -> None:
        """Look up what is rare, in a query each, where any of the rows has it."""
        rare = cls._referred_to(is_rare=True)
        had = [name for name in rare if any(getattr(row, f"{name}_id") for row in rows)]
        prefetch_related_objects(rows, *had)

    @classmethod
    def prefetch(cls, name: str, rows: QuerySet[Any]) -> Prefetch:
        """Rows that hang on another object, as this shows them."""
        return Prefetch(name, cls.loaded(rows).prefetch_related(*cls._referred_to(is_rare=True)))

    @classmethod
    def _referred_to(cls, *, is_rare: bool) -> list[str]:
        fields = cls.references().items()
        return [_source(name, field) for name, field in fields if field.is_rare == is_rare]

    @classmethod
    def _expanded(
        cls, expand: Iterable[str]
    ) -> Iterator[tuple[str, type["Reading"], frozenset[str]]]:
        wanted = frozenset(expand)
        for name, field in cls.references().items():
            below = _below(name, wanted)
            if name in wanted or below:
                yield _source(name, field), field.reading, below

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return self.show(instance)


def expansion(reading: type[Reading], asked: str) -> frozenset[str]:
    """What ``expand=a,b.c`` asks for; refuses what cannot be expanded."""
    paths = frozenset(path.strip() for path in asked.split(",") if path.strip())
    allowed = set(reading.expandable())
    for path in sorted(paths - allowed):
        known = ", ".join(sorted(allowed)) or "nothing"
        raise invalid("expand", "not_expandable", f"“{path[:80]}” is none of: {known}.")
    return paths


def _source(name: str, field: Reference) -> str:
    return (field.source or name).replace(".", "__")


def _prefixed(source: str, hanging: Prefetch | str) -> Prefetch | str:
    if isinstance(hanging, str):
        return f"{source}__{hanging}"
    moved = copy(hanging)
    moved.add_prefix(source)
    return moved


def _below(name: str, paths: Iterable[str]) -> frozenset[str]:
    return frozenset(path[len(name) + 1 :] for path in paths if path.startswith(f"{name}."))


def _reader(cls: type[Reading], name: str, field: Any, expand: frozenset[str]) -> Reader:
    """How a field's value is read off an object and written in JSON."""
    own = getattr(cls, f"read_{name}", None)
    if own is not None:
        return own
    path = (field.source or name).split(".")
    if isinstance(field, Country) and len(path) == 1:
        return _country(path[0])
    value_of = _getter(path)
    write = _reference(name, field, expand) if isinstance(field, Reference) else _writer(field)
    if write is None:
        return value_of

    def read(instance: Any) -> Any:
        value = value_of(instance)
        return None if value is None else write(value)

    return read


def _country(name: str) -> Reader:
    """A country's code as the row has it: an object of each takes longer than all of the row."""

    def read(instance: Any) -> Any:
        code = vars(instance).get(name)
        return code if type(code) is str else str(getattr(instance, name))

    return read


def _getter(path: list[str]) -> Reader:
    if len(path) == 1:
        return attrgetter(path[0])

    def value_of(instance: Any) -> Any:
        for part in path:
            if instance is None:
                return None
            instance = getattr(instance, part)
        return instance

    return value_of


def _reference(name: str, field: Reference, expand: frozenset[str]) -> Reader:
    below = _below(name, expand)
    if name in expand or below:
        return field.reading.reader(below)
    return lambda target: target.public_id


def _writer(field: Any) -> Reader | None:
    """How a value is written; None where it is JSON's already."""
    if isinstance(field, serializers.ListSerializer):
        child: Any = field.child
        show = child.show
        return lambda rows: [show(row) for row in (rows.all() if hasattr(rows, "all") else rows)]
    if isinstance(field, Reading):
        return field.show
    for kind, write in WRITERS:
        if isinstance(field, kind):
            return write
    return None


def instant(value: datetime) -> str:
    """An instant in UTC, to the microsecond, with a Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


WRITERS: tuple[tuple[type, Reader], ...] = (
    (serializers.DateTimeField, instant),
    (serializers.DateField, date.isoformat),
    (serializers.DecimalField, exact),
    (Exact, exact),
    (Metadata, lambda value: {str(key): str(inner) for key, inner in value.items()}),
    (Country, str),
)
