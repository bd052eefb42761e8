"""Rows of the file, checked cell by cell."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django_countries import countries

from billing.base.cards import card_refusal
from billing.base.csvfile import Problem, Row, parse_date
from billing.engine.bounds import QUANTITY_DECIMALS_MAX, QUANTITY_MAX
from billing.engine.errors import BillingError, Refused
from billing.engine.money import exact_minor
from billing.engine.periods import UNITS, Grid, anchored_on
from billing.subscriptions.importing import mapping as mapping_file
from billing.subscriptions.importing.entries import Entry, PlanTerms
from catalog.models import REVENUE_ACCOUNT
from customers.models import ADDRESSEES_MAX, LANGUAGES, REFERENCE_MAX, Customer
from customers.numbers import TIDIERS

TENURE_MONTHS_MAX = 1200
NET_TERMS_DAYS_MAX = 365
_INTERVAL = re.compile(rf"([1-9][0-9]{{0,2}}) ({'|'.join(UNITS)})s?")
_NUMBER = re.compile(r"-?[0-9]+(?:\.([0-9]+))?")


class Reader:
    """Turns rows into entries. What is wrong becomes a problem, at most one a cell."""

    def __init__(self, mapping: mapping_file.Mapping, as_of: date, billed_until: date):
        self.mapping, self.as_of, self.billed_until = mapping, as_of, billed_until
        self.fields, self.seller = mapping.fields, mapping.seller
        self.country = str(mapping.seller.country)
        self.customer_checks = self._customer_checks()
        self.problems: list[Problem] = []
        self.rows_by_id: dict[str, int] = {}
        # What the first row with a customer, plan or product said of it, and that row's number.
        self.described: dict[tuple[str, str], tuple[Any, int]] = {}

    def entry(self, row: Row) -> Entry | None:
        """The checked row; nothing where problems were found in it."""
        cell = _Cells(self, row)
        customer_id = cell("customer.id", self._id)
        external_id = cell("subscription.id", self._id) if self._has_own_ids else customer_id
        customer = {"name": customer_id, **self._customer(cell)}
        plan_code = cell("plan.code", self._text(80))
        plan = self._plan(cell, plan_code)
        amount = cell("subscription.amount", self._amount)
        if amount is None and "subscription.amount" not in cell.bad:
            cell.check("subscription.amount", self._has_list_price, plan_code)
        quantity = cell("subscription.quantity", self._quantity)
        dates = self._dates(cell, plan)
        reference = cell("subscription.buyer_reference", self._text(REFERENCE_MAX))
        if cell.bad or plan is None or dates is None:
            self._remember(external_id, row.number)
            return None
        if not self._is_new(cell, external_id, customer_id, customer, plan_code, plan):
            return None
        return Entry(
            row=row.number,
            external_id=external_id,
            customer_id=customer_id,
            customer={**customer, "metadata": self._metadata("customer", row)},
            plan_code=plan_code,
            plan=plan,
            amount=amount,
            quantity=Decimal(1) if quantity is None else quantity,
            buyer_reference=reference or "",
            metadata=self._metadata("subscription", row),
            **dates,
        )

    @property
    def _has_own_ids(self) -> bool:
        return "subscription.id" in self.fields

    def _customer(self, cell: "_Cells") -> dict[str, Any]:
        """The customer's fields that the row says something about, and what the seller's are."""
        said: dict[str, Any] = {"country": self.country, "language": self.seller.language}
        for name, check in self.customer_checks.items():
            value = cell(f"customer.{name}", check)
            if value is not None:
                said[name] = value
        for name in said.keys() & TIDIERS.keys():
            try:
                said[name] = TIDIERS[name](said[name], said["country"])
            except Refused as refused:
                cell.wrong(f"customer.{name}", refused.message)
        return said

    def _customer_checks(self) -> dict[str, Callable[[str], Any]]:
        """What a cell may hold, for each field of a customer that the mapping names."""
        special: dict[str, Callable[[str], Any]] = {
            "email": self._email,
            "is_business": self._boolean,
            "is_consolidated": self._boolean,
            "country": self._country,
            "language": lambda text: self._choice(text, dict(LANGUAGES)),
            "collection": lambda text: self._choice(text, Customer.Collection.values),
            "delivery": lambda text: self._choice(text, Customer.Delivery.values),
            "net_terms_days": lambda text: self._whole(text, NET_TERMS_DAYS_MAX),
            **dict.fromkeys(("invoice_to", "invoice_cc"), self._emails),
            **dict.fromkeys(("reminder_to", "reminder_cc"), self._emails),
        }
        checks = {}
        for name in mapping_file.CUSTOMER_KEYS:
            if f"customer.{name}" in self.fields:
                length = getattr(Customer._meta.get_field(name), "max_length", None)
                checks[name] = special.get(name) or self._text(length or 0)
        return checks

    def _plan(self, cell: "_Cells", code: str | None) -> PlanTerms | None:
        product = cell("plan.product", self._text(200))
        interval = cell("plan.interval", self._interval)
        terms = PlanTerms(
            name=cell("plan.name", self._text(200)) or code or "",
            product=product or "",
            tax_category=cell("plan.tax_category", self._text(20)) or "standard",
            revenue_account=cell("plan.revenue_account", self._text(20)) or REVENUE_ACCOUNT,
            family=cell("plan.family", self._text(80)) or "",
            interval_unit=interval[1] if interval else "",
            interval_count=interval[0] if interval else 0,
        )
        for key, value in (("code", code), ("product", product), ("interval", interval)):
            if value is None:
                cell.require(f"plan.{key}")
        return terms if code and product and interval else None

    def _dates(self, cell: "_Cells", plan: PlanTerms | None) -> dict[str, Any] | None:
        """Start, grid and end. Nothing where a cell they need is wrong."""
        stated = cell("subscription.billed_until", self._date)
        billed_until = stated or self.billed_until
        if "subscription.start" in self.fields:
            starts_on = cell("subscription.start", self._date)
            cell.require("subscription.start")
        else:
            months = cell("subscription.tenure_months", self._months)
            cell.require("subscription.tenure_months")
            by_month = Grid("month", 1, billed_until, billed_until.day)
            starts_on = None if months is None else by_month.boundary(-months)
        is_gone = cell("subscription.ended", self._boolean)
        ends_on = cell("subscription.ended_on", self._date)
        if cell.bad or starts_on is None or plan is None:
            return None
        anchor_on = due_on = max(starts_on, billed_until)
        if self.mapping.keeps_billing_day:
            anchor_on = starts_on
            if stated is None:
                grid = anchored_on(plan.interval_unit, plan.interval_count, starts_on)
                billed_until = due_on = grid.next_boundary(due_on)
        if is_gone:
            ends_on = max(starts_on, min(billed_until, self.as_of))
        elif ends_on is not None and ends_on < starts_on:
            cell.wrong("subscription.ended_on", f"{ends_on} is before the start, {starts_on}.")
            return None
        # One who left owing days that nobody billed is ended by the bill for them.
        is_ended = ends_on is not None and (
            bool(is_gone) or ends_on <= min(billed_until, self.as_of)
        )
        return {
            "starts_on": starts_on,
            "billed_until": billed_until,
            "anchor_on": anchor_on,
            "due_on": due_on if ends_on is None else min(due_on, ends_on),
            "ends_on": ends_on,
            "is_ended": is_ended,
        }

    def _is_new(
        self,
        cell: "_Cells",
        external_id: str,
        customer_id: str,
        customer: dict[str, Any],
        plan_code: str,
        plan: PlanTerms,
    ) -> bool:
        """Whether the row agrees with those before it, and is none of them once more."""
        known_row = self._remember(external_id, cell.row.number)
        if known_row is not None:
            key = "subscription.id" if self._has_own_ids else "customer.id"
            cell.wrong(key, f"“{external_id}” stands in row {known_row} already.")
            return False
        descriptions: tuple[tuple[str, str, Any], ...] = (
            ("customer.id", customer_id, customer),
            ("plan.code", plan_code, plan),
            ("plan.product", plan.product, (plan.tax_category, plan.revenue_account)),
        )
        for key, name, facts in descriptions:
            first, row = self.described.setdefault((key, name), (facts, cell.row.number))
            if first != facts:
                cell.wrong(key, f"“{name}” is described otherwise than in row {row}.")
        return not cell.bad

    def _remember(self, external_id: str | None, row: int) -> int | None:
        """The earlier row with this id; this row from now on where there is none."""
        if not external_id:
            return None
        first = self.rows_by_id.setdefault(external_id, row)
        return None if first == row else first

    def _metadata(self, section: str, row: Row) -> dict[str, str]:
        columns = self.mapping.metadata.get(section, {})
        found = {name: row.cells[column] for name, column in columns.items() if row.cells[column]}
        for name, text in found.items():
            if said := card_refusal(name, text):
                self.problems.append(Problem(row.number, columns[name], said))
        return found

    # What a cell may hold: each takes its text and raises ValueError with a sentence.

    def _id(self, text: str) -> str:
        return self._text(100)(text)

    def _text(self, length_max: int) -> Callable[[str], str]:
        def check(text: str) -> str:
            if len(text) > length_max:
                raise ValueError(f"“{text[:20]}…” is longer than {length_max} characters.")
            if said := card_refusal("", text):
                raise ValueError(said)
            return text

        return check

    def _email(self, text: str) -> str:
        try:
            validate_email(text)
        except ValidationError:
            raise ValueError(f"“{text}” is not an email address.") from None
        return text

    def _emails(self, text: str) -> list[str]:
        found = [self._email(each.strip()) for each in text.split(",") if each.strip()]
        if len(found) > ADDRESSEES_MAX:
            raise ValueError(f"These are more than {ADDRESSEES_MAX} addresses.")
        return found

    def _country(self, text: str) -> str:
        if text not in dict(countries):
            raise ValueError(f"“{text}” is not a country of ISO 3166, such as SE.")
        return text

    def _choice(self, text: str, choices: Sequence[str] | Mapping[str, str]) -> str:
        if text not in choices:
            raise ValueError(f"“{text}” is none of {', '.join(choices)}; map it with values.")
        return text

    def _boolean(self, text: str) -> bool:
        return self._choice(text, ("true", "false")) == "true"

    def _whole(self, text: str, maximum: int) -> int:
        if not re.fullmatch("[0-9]{1,6}", text) or int(text) > maximum:
            raise ValueError(f"“{text}” is not a whole number from 0 to {maximum}.")
        return int(text)

    def _months(self, text: str) -> int:
        return self._whole(text, TENURE_MONTHS_MAX)

    def _interval(self, text: str) -> tuple[int, str]:
        match = _INTERVAL.fullmatch(text)
        if match is None:
            raise ValueError(f"“{text}” is not an interval such as “1 month” or “3 months”.")
        return int(match[1]), match[2]

    def _date(self, text: str) -> date:
        return parse_date(text, self.mapping.dates)

    def _number(self, text: str) -> Decimal:
        """An exact number, written with the decimal sign that the mapping says and no other."""
        sign = self.mapping.decimal
        plain = text.replace(sign, ".") if sign == "." or "." not in text else ""
        if not _NUMBER.fullmatch(plain):
            raise ValueError(f"“{text}” is not a number such as 1234{sign}50.")
        number = Decimal(plain)
        if number < 0:
            raise ValueError(f"“{text}” is negative.")
        if number > QUANTITY_MAX:
            raise ValueError(f"“{text}” is too large to be right.")
        return number

    def _amount(self, text: str) -> Decimal:
        number = self._number(text)
        try:
            exact_minor(number, self.seller.currency)
        except BillingError as error:
            raise ValueError(error.message) from error
        return number

    def _quantity(self, text: str) -> Decimal:
        number = self._number(text)
        if not number:
            raise ValueError("The quantity is 0; leave the row out, or say that it ended.")
        if -int(number.as_tuple().exponent) > QUANTITY_DECIMALS_MAX:
            raise ValueError(f"“{text}” has more than {QUANTITY_DECIMALS_MAX} decimals.")
        return number

    def _has_list_price(self, plan_code: str | None) -> None:
        if plan_code and plan_code not in self.mapping.list_prices:
            raise ValueError(f"There is no amount, and plan.prices has none for “{plan_code}”.")


class _Cells:
    """The values of one row by the mapping's keys; a wrong one is noted and reads as nothing."""

    def __init__(self, reader: Reader, row: Row):
        self.reader, self.row = reader, row
        self.bad: set[str] = set()
        self.read: set[str] = set()
        self.problems: list[Problem] = []

    def __call__(self, key: str, check: Callable[[str], Any]) -> Any:
        """The checked value; nothing where the mapping or the row says nothing about it."""
        source = self.reader.fields.get(key)
        if source is None:
            return None
        try:
            text = source.read(self.row.cells)
            if not text:
                if key.endswith(".id"):
                    raise ValueError("This is blank; every row needs its id.")
                return None
            value = check(text)
        except ValueError as error:
            self.wrong(key, str(error))
            return None
        self.read.add(key)
        return value

    def check(self, key: str, check: Callable[[Any], None], value: Any) -> None:
        """Note what a check says of a value that is not one cell's alone."""
        try:
            check(value)
        except ValueError as error:
            self.wrong(key, str(error))

    def require(self, key: str) -> None:
        if key not in self.read and key not in self.bad:
            self.wrong(key, "This is blank.")

    def wrong(self, key: str, reason: str) -> None:
        self.bad.add(key)
        source = self.reader.fields.get(key)
        problem = Problem(self.row.number, source.place if source else key, reason)
        # A column may serve several keys, which then have the same to say of it.
        if problem not in self.problems:
            self.problems.append(problem)
            self.reader.problems.append(problem)
