"""Bringing a company's customers and subscriptions in from a CSV file: all of them, or none.

Every row is checked before anything is written, and all is written in one transaction: a run that
is killed leaves nothing behind and is simply started again. External ids tell what is there
already, so a second run changes nothing.

Days before ``billed_until`` were billed by the system that the customers come from. The grid of
periods gets a boundary on that day, so that the first bill here is for a whole period.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection, transaction
from django.db.models import Model
from django_countries import countries

from billing.base.cards import card_refusal
from billing.base.csvfile import Problem, Row, Unreadable, parse_date, read_table
from billing.base.public_ids import new_public_ids
from billing.base.sql.bulk import copy_new
from billing.engine.bounds import QUANTITY_DECIMALS_MAX, QUANTITY_MAX
from billing.engine.errors import BillingError, Refused
from billing.engine.money import exact_minor
from billing.engine.periods import UNITS, Grid, anchored_on
from billing.events.recorder import record
from billing.subscriptions import mapping as mapping_file
from billing.subscriptions.models import BillingCycle, Subscription, SubscriptionItem
from catalog.models import REVENUE_ACCOUNT, Plan, Price, Product
from customers.models import LANGUAGES, Customer, Seller
from customers.numbers import TIDIERS

CHUNK_SIZE = 2_000
TENURE_MONTHS_MAX = 1200
NET_TERMS_DAYS_MAX = 365
_INTERVAL = re.compile(rf"([1-9][0-9]{{0,2}}) ({'|'.join(UNITS)})s?")
_NUMBER = re.compile(r"-?[0-9]+(?:\.([0-9]+))?")


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What the rows of one plan must agree on."""

    name: str
    product: str
    tax_category: str
    revenue_account: str
    family: str
    interval_unit: str
    interval_count: int


@dataclass(slots=True)
class Entry:
    """One checked row. Amounts are in major units, ``amount`` empty for the plan's list price.

    ``anchor_on`` is a boundary of the grid, ``due_on`` the first day that is billed here.
    """

    row: int
    external_id: str
    customer_id: str
    customer: dict[str, Any]
    plan_code: str
    plan: PlanTerms
    amount: Decimal | None
    quantity: Decimal
    starts_on: date
    billed_until: date
    anchor_on: date
    due_on: date
    ends_on: date | None
    is_ended: bool
    metadata: dict[str, str]


@dataclass(slots=True)
class Imported:
    """What a run has come to: rows made, rows left out as bad (``skipped``), rows known before."""

    customers: int = 0
    subscriptions: int = 0
    active: int = 0
    ended: int = 0
    skipped: int = 0
    already_there: int = 0
    problems: list[Problem] = field(default_factory=list)
    is_stopped: bool = False


def import_subscriptions(
    path: Path,
    mapping: mapping_file.Mapping,
    *,
    as_of: date,
    actor: str,
    billed_until: date | None = None,
    skips_bad: bool = False,
    is_dry_run: bool = False,
    on_rows: Callable[[int, int], None] | None = None,
) -> Imported:
    """Import a file's rows by a mapping; ``as_of`` is the import day.

    ``billed_until`` (default the import day) holds for rows that do not state their own. Bad rows
    stop it with ``is_stopped`` and nothing is written, unless ``skips_bad`` leaves them out. A dry
    run does everything and takes it back. ``on_rows`` is told of rows written: (so many more, of).
    Raises :class:`Unreadable` for a file or mapping that cannot be used at all.
    """
    table = read_table(path, delimiter=mapping.delimiter)
    mapping.check_columns(path.name, table)
    reader = Reader(mapping, as_of, billed_until or as_of)
    read = [entry for row in table.rows if (entry := reader.entry(row))]
    problems = [*table.problems, *reader.problems]
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Two runs of one file must not both find that nothing is there yet.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('import_subscriptions'))")
        writer = Writer(mapping, _seller(mapping))
        entries = writer.without_clashes(read, problems)
        bad_rows = {problem.row for problem in problems}
        imported = Imported(problems=sorted(problems), skipped=len(bad_rows))
        if problems and not skips_bad:
            imported.skipped, imported.is_stopped = 0, True
        else:
            writer.write(entries, imported, on_rows or (lambda done, total: None))
            writer.record(path.name, imported, as_of, actor)
        if is_dry_run or imported.is_stopped:
            transaction.set_rollback(True)
    return imported


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
            raise ValueError(f"“{text}” is no email address.") from None
        return text

    def _country(self, text: str) -> str:
        if text not in dict(countries):
            raise ValueError(f"“{text}” is no country of ISO 3166, such as SE.")
        return text

    def _choice(self, text: str, choices: Sequence[str] | Mapping[str, str]) -> str:
        if text not in choices:
            raise ValueError(f"“{text}” is none of {', '.join(choices)}; map it with values.")
        return text

    def _boolean(self, text: str) -> bool:
        return self._choice(text, ("true", "false")) == "true"

    def _whole(self, text: str, maximum: int) -> int:
        if not re.fullmatch("[0-9]{1,6}", text) or int(text) > maximum:
            raise ValueError(f"“{text}” is no whole number from 0 to {maximum}.")
        return int(text)

    def _months(self, text: str) -> int:
        return self._whole(text, TENURE_MONTHS_MAX)

    def _interval(self, text: str) -> tuple[int, str]:
        match = _INTERVAL.fullmatch(text)
        if match is None:
            raise ValueError(f"“{text}” is no interval such as “1 month” or “3 months”.")
        return int(match[1]), match[2]

    def _date(self, text: str) -> date:
        return parse_date(text, self.mapping.dates)

    def _number(self, text: str) -> Decimal:
        """An exact number, written with the decimal sign that the mapping says and no other."""
        sign = self.mapping.decimal
        plain = text.replace(sign, ".") if sign == "." or "." not in text else ""
        if not _NUMBER.fullmatch(plain):
            raise ValueError(f"“{text}” is no number such as 1234{sign}50.")
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


def _seller(mapping: mapping_file.Mapping) -> Seller:
    """The seller of the mapping's name and mode, made where there is none."""
    wanted = mapping.seller
    found = list(Seller.objects.filter(name=wanted.name, is_live=wanted.is_live))
    if not found:
        wanted.pk = None
        wanted.save(force_insert=True)
        return wanted
    if len(found) > 1:
        reason = f"There are {len(found)} sellers of this name; rename all but one."
        raise Unreadable(mapping.name, Problem(0, "seller.name", reason))
    if found[0].currency != wanted.currency:
        reason = f"The seller's currency is {found[0].currency}, not {wanted.currency}."
        raise Unreadable(mapping.name, Problem(0, "seller.currency", reason))
    return found[0]


class Writer:
    """Writes entries in bulk, inside the caller's transaction."""

    def __init__(self, mapping: mapping_file.Mapping, seller: Seller):
        self.mapping, self.seller = mapping, seller
        self.plans = {plan.code: plan for plan in seller.plans.all()}
        self.prices: dict[str, Price] = {
            price.plan.code: price
            for price in Price.objects.filter(
                plan__seller=seller,
                code=mapping.price_code,
                currency=seller.currency,
                is_active=True,
            ).select_related("plan")
        }
        # What a plan charges for usage is not in the file, and is had by whoever has the plan.
        self.metered: dict[str, list[Price]] = defaultdict(list)
        for price in (
            Price.objects.filter(plan__seller=seller, currency=seller.currency, is_active=True)
            .exclude(meter="")
            .select_related("plan")
        ):
            self.metered[price.plan.code].append(price)
        self.customers: dict[str, int] = {}

    def without_clashes(self, entries: Sequence[Entry], problems: list[Problem]) -> Sequence[Entry]:
        """The entries that fit the plans there are; what is wrong with the others is a problem."""
        place = self.mapping.fields["plan.code"].place
        fitting = []
        for entry in entries:
            reason = self._clash(entry)
            if reason:
                problems.append(Problem(entry.row, place, reason))
            else:
                fitting.append(entry)
        return fitting

    def _clash(self, entry: Entry) -> str | None:
        plan, price = self.plans.get(entry.plan_code), self.prices.get(entry.plan_code)
        if plan is not None:
            there = (plan.interval_unit, plan.interval_count)
            if there != (entry.plan.interval_unit, entry.plan.interval_count):
                return f"The plan there is billed every {there[1]} {there[0]}."
        if price is not None and price.model not in (Price.Model.FLAT, Price.Model.PER_UNIT):
            return f"The price {price.code} there is {price.model}; an agreed amount needs flat."
        if price is not None and price.meter:
            return (
                f"The price {price.code} there counts {price.meter}; name another in the mapping."
            )
        return None

    def write(
        self, entries: Sequence[Entry], imported: Imported, on_rows: Callable[[int, int], None]
    ) -> None:
        ids = [entry.external_id for entry in entries]
        known = set(
            self.seller.subscriptions.filter(external_id__in=ids).values_list(
                "external_id", flat=True
            )
        )
        new = [entry for entry in entries if entry.external_id not in known]
        imported.already_there = len(known)
        if not new:
            return
        self._write_catalog(new)
        customer_ids = {entry.customer_id for entry in new}
        there = self.seller.customers.filter(external_id__in=customer_ids)
        self.customers = {
            str(external): pk for external, pk in there.values_list("external_id", "pk")
        }
        for chunk in _chunks(new):
            imported.customers += self._write_customers(chunk)
        _analyze(Customer)
        for chunk in _chunks(new):
            self._write_subscriptions(chunk)
            on_rows(len(chunk), len(new))
        _analyze(Subscription, SubscriptionItem, BillingCycle)
        imported.subscriptions = len(new)
        imported.ended = sum(entry.is_ended for entry in new)
        imported.active = len(new) - imported.ended

    def record(self, file: str, imported: Imported, as_of: date, actor: str) -> None:
        """One event for the run; a run that found everything there is no event."""
        if imported.subscriptions:
            counts = ("customers", "subscriptions", "active", "ended", "skipped")
            record(
                "subscriptions.imported",
                seller=self.seller.public_id,
                subject=self.seller.public_id,
                occurred_on=as_of,
                actor=actor,
                data={"file": file} | {name: getattr(imported, name) for name in counts},
            )

    def _write_catalog(self, entries: Sequence[Entry]) -> None:
        """Products, plans and prices that the entries need and that are not there."""
        products = {product.name: product for product in self.seller.products.all()}
        amounts = _commonest_amounts(entries)
        for code, terms in {entry.plan_code: entry.plan for entry in entries}.items():
            if terms.product not in products:
                products[terms.product] = Product.objects.create(
                    seller=self.seller,
                    name=terms.product,
                    tax_category=terms.tax_category,
                    revenue_account=terms.revenue_account,
                )
            if code not in self.plans:
                self.plans[code] = Plan.objects.create(
                    seller=self.seller,
                    product=products[terms.product],
                    code=code,
                    name=terms.name,
                    family=terms.family,
                    interval_unit=terms.interval_unit,
                    interval_count=terms.interval_count,
                )
            if code not in self.prices:
                self.prices[code] = self._price(code, amounts)
        codes = {entry.plan_code for entry in entries}
        had = [price.pk for code in codes for price in (self.prices[code], *self.metered[code])]
        Price.objects.filter(pk__in=had, is_used=False).update(is_used=True)

    def _price(self, code: str, commonest: Mapping[str, Decimal]) -> Price:
        """The list price, for those who subscribe later: as stated, or what most rows pay."""
        amount = self.mapping.list_prices.get(code, commonest.get(code))
        has_quantity = "subscription.quantity" in self.mapping.fields
        assert amount is not None, "A row without an amount has a list price, or is bad."
        return Price.objects.create(
            plan=self.plans[code],
            code=self.mapping.price_code,
            currency=self.seller.currency,
            model=Price.Model.PER_UNIT if has_quantity else Price.Model.FLAT,
            amount=amount,
            is_tax_inclusive=self.mapping.is_tax_inclusive,
            is_used=True,
        )

    def _write_customers(self, chunk: Sequence[Entry]) -> int:
        new = {
            entry.customer_id: entry.customer
            for entry in chunk
            if entry.customer_id not in self.customers
        }
        public_ids = new_public_ids("cus", len(new))
        rows = [
            {"public_id": public_id, "external_id": external_id, **said}
            for public_id, (external_id, said) in zip(public_ids, new.items(), strict=True)
        ]
        ids = copy_new(Customer, {"seller": self.seller}, rows)
        self.customers.update(zip(new, ids, strict=True))
        return len(new)

    def _write_subscriptions(self, chunk: Sequence[Entry]) -> None:
        public_ids = new_public_ids("sub", len(chunk))
        same = {
            "seller": self.seller,
            "currency": self.seller.currency,
            "time_zone": self.seller.time_zone,
        }
        rows = [
            {"public_id": public_id, **self._subscription(entry)}
            for public_id, entry in zip(public_ids, chunk, strict=True)
        ]
        made = list(zip(chunk, copy_new(Subscription, same, rows), strict=True))
        cycles = ({"subscription_id": pk, **_cycle(entry)} for entry, pk in made)
        copy_new(BillingCycle, {}, cycles)
        items = ({"subscription_id": pk, **self._item(entry)} for entry, pk in made)
        copy_new(SubscriptionItem, {"key": self.mapping.price_code}, items)
        metered = (
            {"subscription_id": pk, "starts_on": entry.starts_on, **_metered(price)}
            for entry, pk in made
            for price in self.metered[entry.plan_code]
        )
        copy_new(SubscriptionItem, {}, metered)

    def _item(self, entry: Entry) -> dict[str, Any]:
        return {
            "price_id": self.prices[entry.plan_code].pk,
            "quantity": entry.quantity,
            "agreed_amount": entry.amount,
            "starts_on": entry.starts_on,
        }

    def _subscription(self, entry: Entry) -> dict[str, Any]:
        price = self.prices[entry.plan_code]
        is_usual = entry.quantity == price.quantity
        states, accesses = Subscription.Status, Subscription.Access
        return {
            "customer_id": self.customers[entry.customer_id],
            "external_id": entry.external_id,
            "plan_id": self.plans[entry.plan_code].pk,
            "status": states.ENDED if entry.is_ended else states.ACTIVE,
            "access": accesses.NONE if entry.is_ended else accesses.FULL,
            "starts_on": entry.starts_on,
            "paid_from": entry.starts_on,
            "ends_on": entry.ends_on,
            "cancels_on": entry.ends_on,
            "quantities": {} if is_usual else {price.code: str(entry.quantity)},
            "billed_until": entry.billed_until,
            "next_bill_on": None if entry.is_ended else entry.due_on,
            "window_on": entry.billed_until,
            "metadata": entry.metadata,
        }


def _cycle(entry: Entry) -> dict[str, Any]:
    return {
        "starts_on": entry.starts_on,
        "interval_unit": entry.plan.interval_unit,
        "interval_count": entry.plan.interval_count,
        "anchor_on": entry.anchor_on,
        "anchor_day": entry.anchor_on.day,
    }


def _metered(price: Price) -> dict[str, Any]:
    return {
        "price_id": price.pk,
        "key": price.code,
        "quantity": price.quantity,
        "position": price.position,
    }


def _analyze(*models: type[Model]) -> None:
    """Tell the planner of the new rows, which it would otherwise take for few.

    It then finds a subscription's customer by id, and not among all customers of the seller.
    """
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(entries), CHUNK_SIZE):
        yield entries[start : start + CHUNK_SIZE]


def _commonest_amounts(entries: Sequence[Entry]) -> dict[str, Decimal]:
    """The amount that most rows of each plan pay, the lowest of several."""
    counts: dict[str, Counter[Decimal]] = {}
    for entry in entries:
        if entry.amount is not None:
            counts.setdefault(entry.plan_code, Counter())[entry.amount] += 1
    return {
        code: min(amounts, key=lambda amount: (-amounts[amount], amount))
        for code, amounts in counts.items()
    }
