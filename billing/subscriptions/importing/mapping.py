"""The mapping file: which column of a customer base is what (docs/importing.md shows every key).

It is read as YAML in which every scalar is text, so that ``No: print`` is about the word No,
``NO`` is Norway and 29.90 is an exact number.
"""

import difflib
import re
from collections.abc import Collection, Sequence
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from django.core.exceptions import ValidationError

from billing.base.csvfile import Problem, Table, Unreadable, date_expression
from billing.engine.errors import BillingError
from billing.tax.rates import json_of, treatment_of
from customers.models import Seller

SELLER_KEYS = (
    *("name", "legal_name", "is_live", "country", "seat", "currency", "time_zone", "language"),
    *("organisation_number", "vat_number", "has_f_tax", "email", "phone", "website", "bankgiro"),
    *("plusgiro", "iban", "bic", "accent_color", "rounding", "tax", "address_line1"),
    *("address_line2", "postal_code", "city"),
)
# Fields of a customer by the name of the column in the model; `id` is its external id.
CUSTOMER_KEYS = (
    *("name", "email", "is_business", "country", "language", "vat_number", "organisation_number"),
    *(
        "business_evidence",
        "buyer_reference",
        "net_terms_days",
        "collection",
        "delivery",
        *("invoice_to", "invoice_cc", "reminder_to", "reminder_cc"),
        "is_consolidated",
        "address_line1",
    ),
    *("address_line2", "postal_code", "city"),
)
_FIELDS: dict[str, Sequence[str]] = {
    "customer": ("id", *CUSTOMER_KEYS),
    "plan": ("code", "name", "product", "tax_category", "revenue_account", "interval", "family"),
    "subscription": (
        *("id", "start", "tenure_months", "billed_until", "amount", "quantity"),
        *("ended", "ended_on", "buyer_reference"),
    ),
}
_SETTINGS: dict[str, Sequence[str]] = {
    "file": ("delimiter", "decimal", "dates"),
    "seller": SELLER_KEYS,
    "customer": ("metadata",),
    "plan": ("price", "prices", "is_tax_inclusive"),
    "subscription": ("billing_day", "metadata"),
}
_REQUIRED = ("customer.id", "plan.code", "plan.product", "plan.interval")
_IN_BRACES = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Field:
    """Where a value comes from: a column, a template of columns, or the mapping itself."""

    key: str
    template: str
    columns: tuple[str, ...] = ()
    values: AnyMapping[str, str] | None = None
    default: str = ""

    @property
    def place(self) -> str:
        """What a problem with the value names as its column."""
        return " + ".join(self.columns) or self.key

    def read(self, cells: AnyMapping[str, str]) -> str:
        """The value in a row, empty where there is none. Raises ValueError for an unknown one."""
        text = _IN_BRACES.sub(lambda match: cells[match[1]], self.template)
        if not any(cells[column] for column in self.columns) and self.columns:
            text = ""
        if self.values is not None and text in self.values:
            return self.values[text]
        if self.values is not None and text:
            known = ", ".join(self.values)
            raise ValueError(f"“{text}” is none of the values that {self.key} maps: {known}.")
        return text or self.default


@dataclass(slots=True)
class Mapping:
    """A checked mapping. ``seller`` is not saved; ``fields`` are by key such as customer.name."""

    name: str
    seller: Seller
    fields: dict[str, Field]
    delimiter: str = ","
    decimal: str = "."
    dates: str = "YYYY-MM-DD"
    price_code: str = "fee"
    list_prices: dict[str, Decimal] = field(default_factory=dict)
    is_tax_inclusive: bool = False
    keeps_billing_day: bool = False
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)

    def check_columns(self, file: str, table: Table) -> None:
        """Raise :class:`Unreadable` where the file lacks columns that the mapping names."""
        named = {column: f.key for f in self.fields.values() for column in f.columns}
        for section, columns in self.metadata.items():
            named |= dict.fromkeys(columns.values(), f"{section}.metadata")
        problems = [
            Problem(1, column, f"The file has no such column; {key} of the mapping names it.")
            for column, key in named.items()
            if column not in table.columns
        ]
        if problems and len(table.columns) == 1:
            hint = "The header is one column; is file.delimiter of the mapping right?"
            problems.append(Problem(1, "", hint))
        if problems:
            raise Unreadable(file, *problems)


def read_mapping(path: Path) -> Mapping:
    """Read and check a mapping file. Raises :class:`Unreadable` with every wrong key."""
    try:
        parsed = yaml.load(path.read_text("utf-8-sig"), Loader=_TextLoader)  # noqa: S506 -- safe.
    except OSError as error:
        raise Unreadable(path.name, Problem(0, "", f"{error.strerror}: {path}")) from error
    except UnicodeDecodeError as error:
        raise Unreadable(path.name, Problem(0, "", "This is not UTF-8.")) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = f"This is not YAML: {getattr(error, 'problem', None) or error}."
        raise Unreadable(path.name, Problem(mark.line + 1 if mark else 0, "", reason)) from error
    reader = _Reader(parsed)
    mapping = reader.mapping(path.name)
    if mapping is None or reader.problems:
        raise Unreadable(path.name, *reader.problems)
    return mapping


class _TextLoader(yaml.BaseLoader):
    """Makes nothing but texts, lists and mappings, and refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"the key “{key.value}” stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Reader:
    """Turns parsed YAML into a mapping, and keeps on reading where something is wrong."""

    def __init__(self, parsed: Any):
        self.problems: list[Problem] = []
        self.sections: dict[str, dict[str, Any]] = {}
        known = (*_SETTINGS,)
        for section, content in self._dict("", parsed).items():
            if section not in known:
                self._unknown(section, known)
            else:
                self.sections[section] = self._dict(section, content)
        for section, keys in _SETTINGS.items():
            allowed = (*keys, *_FIELDS.get(section, ()))
            for key in self.sections.get(section, {}):
                if key not in allowed:
                    self._unknown(f"{section}.{key}", [f"{section}.{name}" for name in allowed])

    def mapping(self, name: str) -> Mapping | None:
        """The mapping, or nothing where it has no seller to be made of. Problems are kept."""
        seller = self._seller()
        delimiters = {",": ",", ";": ";", "|": "|", "tab": "\t"}
        settings: dict[str, Any] = {
            "fields": self._fields(),
            "delimiter": delimiters[self._choice("file.delimiter", delimiters, ",")],
            "decimal": self._choice("file.decimal", (".", ","), "."),
            "dates": self._dates(),
            "price_code": self._text("plan.price", "fee"),
            "list_prices": self._list_prices(),
            "is_tax_inclusive": self._boolean("plan.is_tax_inclusive"),
            "keeps_billing_day": self._billing_day() == "start",
            "metadata": {name: self._metadata(name) for name in ("customer", "subscription")},
        }
        return Mapping(name, seller, **settings) if seller else None

    def _dates(self) -> str:
        dates = self._text("file.dates", "YYYY-MM-DD")
        try:
            date_expression(dates)
        except ValueError as error:
            self._wrong("file.dates", str(error))
        return dates

    def _billing_day(self) -> str:
        days = ("billed_until", "start")
        return self._choice("subscription.billing_day", days, "billed_until")

    def _seller(self) -> Seller | None:
        given = {k: v for k, v in self.sections.get("seller", {}).items() if k in SELLER_KEYS}
        for key in ("name", "country", "currency", "time_zone"):
            if not given.get(key):
                self._wrong(f"seller.{key}", "This is missing.")
        values: dict[str, Any] = {
            key: self._text(f"seller.{key}") for key in given if key not in ("tax", "is_live")
        }
        values["is_live"] = self._boolean("seller.is_live")
        values["has_f_tax"] = self._boolean("seller.has_f_tax")
        values["tax"] = self._tax(given.get("tax"))
        if self.problems:
            return None
        seller = Seller(**values)
        try:
            seller.full_clean(exclude=["public_id"], validate_unique=False)
        except ValidationError as error:
            for key, reasons in error.message_dict.items():
                self._wrong(f"seller.{key}", " ".join(reasons))
        return seller

    def _tax(self, stated: Any) -> list[dict[str, Any]] | None:
        """Rates as they are stored; none where the rate table decides."""
        if stated is None or stated in ("", "null", "~"):
            return None
        try:
            if isinstance(stated, list):
                booleans = {"true": True, "false": False}
                stated = [
                    {**rate, "inclusive": booleans.get(rate.get("inclusive", "false"))}
                    if isinstance(rate, dict)
                    else rate
                    for rate in stated
                ]
            return json_of(treatment_of(stated))
        except BillingError as error:
            self._wrong("seller.tax", error.message)
            return None

    def _fields(self) -> dict[str, Field]:
        fields = {}
        for section, names in _FIELDS.items():
            for name in names:
                source = self.sections.get(section, {}).get(name)
                if source is not None and (made := self._field(f"{section}.{name}", source)):
                    fields[made.key] = made
        for key in _REQUIRED:
            if self._get(key) is None:
                self._wrong(key, "This is missing.")
        starts = [key for key in ("start", "tenure_months") if f"subscription.{key}" in fields]
        if len(starts) != 1:
            self._wrong("subscription", "Say either start or tenure_months.")
        if "subscription.ended" in fields and "subscription.ended_on" in fields:
            self._wrong("subscription", "Say ended or ended_on, not both.")
        if "subscription.amount" not in fields and self._get("plan.prices") is None:
            self._wrong("subscription.amount", "This is missing, and so is plan.prices.")
        return fields

    def _field(self, key: str, source: Any) -> Field | None:
        if isinstance(source, str):
            source = {"column": source}
        source = self._dict(key, source)
        known = ("column", "template", "value", "values", "default")
        for name in source:
            if name not in known:
                self._unknown(f"{key}.{name}", [f"{key}.{known_name}" for known_name in known])
        if len([name for name in ("column", "template", "value") if name in source]) != 1:
            self._wrong(key, "Say a column, or one of column, template and value.")
            return None
        values = self._dict(f"{key}.values", source["values"]) if "values" in source else None
        texts = [*source.values()] if values is None else [*source.values(), *values.values()]
        if any(not isinstance(text, str) for text in texts if text is not values):
            self._wrong(key, "A column, template, value and default are texts.")
            return None
        columns: tuple[str, ...] = ()
        if "column" in source:
            columns, template = (source["column"],), "{" + source["column"] + "}"
        elif "template" in source:
            template = source["template"]
            columns = tuple(dict.fromkeys(_IN_BRACES.findall(template)))
        else:
            template = source["value"]
        return Field(key, template, columns, values, source.get("default", ""))

    def _metadata(self, section: str) -> dict[str, str]:
        """The names under which columns are kept: a list of columns, or {name: column}."""
        given = self._get(f"{section}.metadata")
        if isinstance(given, list):
            given = {column: column for column in given if isinstance(column, str)}
        return self._dict(f"{section}.metadata", {} if given is None else given)

    def _list_prices(self) -> dict[str, Decimal]:
        given = self._get("plan.prices")
        prices = {}
        for code, text in self._dict("plan.prices", {} if given is None else given).items():
            if isinstance(text, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,10})?", text):
                prices[code] = Decimal(text)
            else:
                self._wrong(f"plan.prices.{code}", f"“{text}” is not an amount such as 29.90.")
        return prices

    def _get(self, key: str) -> Any:
        section, _, name = key.partition(".")
        return self.sections.get(section, {}).get(name)

    def _text(self, key: str, default: str = "") -> str:
        text = self._get(key)
        if text is not None and not isinstance(text, str):
            self._wrong(key, "This must be a text.")
        return text if isinstance(text, str) else default

    def _boolean(self, key: str) -> bool:
        return self._choice(key, ("true", "false"), "false") == "true"

    def _choice(self, key: str, choices: Collection[str], default: str) -> str:
        text = self._text(key, default)
        if text in choices:
            return text
        self._wrong(key, f"“{text}” is none of: {' '.join(choices)}.")
        return default

    def _dict(self, key: str, content: Any) -> dict[str, Any]:
        if isinstance(content, dict) and all(isinstance(name, str) for name in content):
            return content
        self._wrong(key, "Here must be keys with values.")
        return {}

    def _unknown(self, key: str, known: Sequence[str]) -> None:
        near = difflib.get_close_matches(key, known, n=1, cutoff=0)
        self._wrong(key, f"There is no such key; did you mean {near[0]}?")

    def _wrong(self, key: str, reason: str) -> None:
        self.problems.append(Problem(0, key, reason))
