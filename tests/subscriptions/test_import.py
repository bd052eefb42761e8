import csv
import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.base.csvfile import Unreadable
from billing.engine.bill import draft_bill
from billing.engine.errors import UsageRefused
from billing.events.models import Event
from billing.invoicing.batch import bill_due
from billing.invoicing.models import Invoice, InvoiceLine
from billing.subscriptions.agreements import load_contracts
from billing.subscriptions.importing import writing
from billing.subscriptions.importing.entries import Imported
from billing.subscriptions.importing.mapping import read_mapping
from billing.subscriptions.importing.run import import_subscriptions
from billing.subscriptions.models import BillingCycle, Subscription, SubscriptionItem
from billing.tax.loading import DEFAULT_FILE, load_rates
from billing.usage.actions import record_usage
from billing.usage.models import Meter
from billing.verification.books import broken_invariants
from catalog.models import Plan, Price, Product
from customers.models import Customer, Seller
from tests.factories import PriceFactory, make_accounts

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
TELCO = (
    Path(os.environ.get("KVITT_SHARED", ROOT.parent / "shared")) / "data" / "telco_customers.csv"
)
DAY = date(2026, 11, 23)
MAPPING = """
seller: {name: Gym, country: SE, currency: SEK, time_zone: Europe/Stockholm, tax: []}
customer:
  id: id
  name: name
  email: email
  country: country
  collection: {column: pays, values: {card: automatic, invoice: invoice}}
  metadata: [note]
plan:
  code: plan
  product: {value: Membership}
  interval: {column: plan, values: {Monthly: 1 month, Yearly: 1 year}}
subscription:
  start: start
  amount: amount
  quantity: quantity
  billed_until: until
  ended_on: ended
"""
COLUMNS = "id,name,email,country,pays,note,plan,start,amount,quantity,until,ended"
GOOD = {
    "id": "c1",
    "name": "Åsa",
    "plan": "Monthly",
    "start": "2026-01-15",
    "amount": "299.00",
    "pays": "card",
}
pytestmark = pytest.mark.django_db


class Base:
    """A folder with a customer base in it, which it imports."""

    def __init__(self, folder: Path):
        self.file, self.map = folder / "base.csv", folder / "map.yaml"

    def write(self, *rows: dict[str, str], mapping: str = MAPPING) -> None:
        with self.file.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS.split(","), restval="")
            writer.writeheader()
            writer.writerows({**GOOD, **row} for row in rows)
        self.map.write_text(mapping)

    def write_raw(self, content: bytes, mapping: str = MAPPING) -> None:
        self.file.write_bytes(content)
        self.map.write_text(mapping)

    def run(self, as_of: date = DAY, **options: Any) -> Imported:
        mapping = read_mapping(self.map)
        return import_subscriptions(self.file, mapping, as_of=as_of, actor="tests", **options)

    def imported(self, *rows: dict[str, str], mapping: str = MAPPING, **options: Any) -> Imported:
        self.write(*rows, mapping=mapping)
        result = self.run(**options)
        assert result.problems == []
        return result

    def problems(self, *rows: dict[str, str], mapping: str = MAPPING) -> list[tuple[Any, ...]]:
        """The problems that stop an import of these rows, by row, column and reason."""
        self.write(*rows, mapping=mapping)
        result = self.run()
        assert result.is_stopped and nothing_is_there()
        return [(problem.row, problem.column, problem.reason) for problem in result.problems]


def nothing_is_there() -> bool:
    tables = (Seller, Product, Plan, Price, Customer, Subscription, SubscriptionItem, Event)
    return not any(table.objects.exists() for table in tables)


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path)


def first_bill(subscription: Subscription, as_of: date) -> list[tuple[date, date, int]]:
    """The lines of the first bill: from, to and amount in minor units."""
    agreement = load_contracts([subscription.pk])[subscription.pk].agreement
    bill = draft_bill(agreement, {}, [], as_of)
    lines = []
    for line in bill.lines:
        assert line.start and line.end
        lines.append((line.start, line.end, line.amount_minor))
    return lines


class TestWhatIsMade:
    def test_seller_catalog_customer_and_subscription_come_from_mapping_and_row(
        self, base: Base
    ) -> None:
        result = base.imported(
            {"email": "asa@example.com", "country": "NO", "note": "=1+1", "quantity": "2"}
        )
        assert (result.customers, result.subscriptions) == (1, 1)
        assert (result.active, result.ended, result.already_there) == (1, 0, 0)
        seller = Seller.objects.get()
        assert (seller.name, seller.is_live, seller.tax, seller.currency) == (
            *("Gym", False, []),
            "SEK",
        )
        customer = Customer.objects.get()
        assert (customer.external_id, customer.name, str(customer.country)) == ("c1", "Åsa", "NO")
        assert (customer.email, customer.collection) == ("asa@example.com", "automatic")
        subscription = Subscription.objects.get()
        assert (subscription.external_id, subscription.status) == ("c1", "active")
        assert subscription.plan.product.name == "Membership"
        assert (subscription.starts_on, subscription.paid_from) == (date(2026, 1, 15),) * 2
        assert (subscription.billed_until, subscription.next_bill_on) == (DAY, DAY)
        assert subscription.time_zone == "Europe/Stockholm"
        item = subscription.items.get()
        assert (item.agreed_amount, item.quantity) == (Decimal(299), Decimal(2))
        assert item.key == "fee"
        assert item.starts_on == date(2026, 1, 15)
        assert item.price.is_used and item.price.model == "per_unit"

    def test_addressees_and_references_come_along(self, base: Base) -> None:
        named = "customer:\n  invoice_to: email\n  buyer_reference: note\n"
        own = "subscription:\n  buyer_reference: name\n"
        mapping = MAPPING.replace("  email: email\n", "")
        mapping = mapping.replace("customer:\n", named).replace("subscription:\n", own)
        base.imported({"email": "a@b.example, c@b.example", "note": "COST 7"}, mapping=mapping)
        customer = Customer.objects.get()
        assert customer.invoice_to == ["a@b.example", "c@b.example"]
        assert customer.buyer_reference == "COST 7"
        assert Subscription.objects.get().buyer_reference == "Åsa"

    def test_an_addressee_that_is_no_address_is_told(self, base: Base) -> None:
        mapping = MAPPING.replace("  email: email\n", "  reminder_cc: email\n")
        (problem,) = base.problems({"email": "a@b.example, soon"}, mapping=mapping)
        assert problem == (2, "email", "“soon” is not an email address.")
        many = ", ".join(f"a{n}@b.example" for n in range(11))
        ((_, _, reason),) = base.problems({"email": many}, mapping=mapping)
        assert reason == "These are more than 10 addresses."

    def test_text_that_looks_like_a_formula_stays_text(self, base: Base) -> None:
        base.imported({"name": "=HYPERLINK(1)", "note": "+46 31"})
        customer = Customer.objects.get()
        assert (customer.name, customer.metadata) == ("=HYPERLINK(1)", {"note": "+46 31"})

    def test_a_plan_is_made_for_each_code_and_not_for_each_amount(self, base: Base) -> None:
        rows = [{"id": f"c{n}", "amount": f"{amount}"} for n, amount in enumerate([9, 7, 7, 5, 5])]
        base.imported(*rows, {"id": "y", "plan": "Yearly", "amount": "90"})
        assert sorted(Plan.objects.values_list("code", "interval_unit")) == [
            ("Monthly", "month"),
            ("Yearly", "year"),
        ]
        assert Price.objects.count() == 2
        # The list price is what most rows pay, the lowest of several.
        assert Price.objects.get(plan__code="Monthly").amount == 5
        agreed = SubscriptionItem.objects.filter(price__plan__code="Monthly")
        assert sum(item.agreed_amount or 0 for item in agreed) == 33

    def test_a_stated_list_price_stands_in_where_a_row_has_no_amount(self, base: Base) -> None:
        mapping = MAPPING.replace("plan:\n", "plan:\n  prices: {Monthly: 250.00}\n")
        base.imported({"id": "c1", "amount": ""}, {"id": "c2", "amount": "199"}, mapping=mapping)
        amounts = SubscriptionItem.objects.order_by("id").values_list("agreed_amount", flat=True)
        assert list(amounts) == [None, 199]
        assert Price.objects.get().amount == 250
        assert first_bill(Subscription.objects.get(external_id="c1"), DAY)[0][2] == 25000

    def test_one_event_tells_of_the_run(self, base: Base) -> None:
        base.imported({"id": "c1"}, {"id": "c2", "ended": "2026-11-01"})
        event = Event.objects.get()
        assert (event.type, event.actor, event.occurred_on) == (
            *("subscriptions.imported", "tests"),
            DAY,
        )
        assert event.subject == event.seller == Seller.objects.get().public_id
        assert event.data == {
            "file": "base.csv",
            "customers": 2,
            "subscriptions": 2,
            "active": 1,
            "ended": 1,
            "skipped": 0,
        }

    def test_a_customer_may_have_several_subscriptions(self, base: Base) -> None:
        mapping = MAPPING.replace("subscription:\n", "subscription:\n  id: note\n")
        base.imported({"note": "s1"}, {"note": "s2", "plan": "Yearly"}, mapping=mapping)
        assert Customer.objects.get().subscriptions.count() == 2

    def test_a_base_in_the_manner_of_a_swedish_spreadsheet(self, base: Base) -> None:
        mapping = MAPPING + 'file: {delimiter: ";", decimal: ",", dates: DD.MM.YYYY}\n'
        header = "\ufeff" + COLUMNS.replace(",", ";")
        row = 'c1;"Öberg; Åsa";;;card;;Monthly;15.01.2026;299,50;;;'
        base.write_raw(f"{header}\r\n{row}\r\n\r\n".encode(), mapping)
        assert base.run().problems == []
        assert Customer.objects.get().name == "Öberg; Åsa"
        assert SubscriptionItem.objects.get().agreed_amount == Decimal("299.5")


class TestPeriods:
    """Nothing before billed_until is billed, and a period starts on it."""

    def test_the_first_bill_is_a_whole_period_from_billed_until(self, base: Base) -> None:
        base.imported({})
        [line] = first_bill(Subscription.objects.get(), DAY)
        assert line == (DAY, date(2026, 12, 23), 29900)

    def test_nothing_is_due_before_it(self, base: Base) -> None:
        base.imported({}, billed_until=date(2026, 12, 1))
        subscription = Subscription.objects.get()
        assert first_bill(subscription, date(2026, 11, 30)) == []
        assert subscription.next_bill_on == date(2026, 12, 1)

    def test_a_row_may_state_its_own(self, base: Base) -> None:
        base.imported({"until": "2026-10-31"})
        # The 31st is clamped in November and comes back in December.
        assert first_bill(Subscription.objects.get(), date(2026, 12, 30)) == [
            (date(2026, 10, 31), date(2026, 11, 30), 29900),
            (date(2026, 11, 30), date(2026, 12, 31), 29900),
        ]

    def test_the_billing_day_of_the_start_is_kept_where_the_mapping_says_so(
        self, base: Base
    ) -> None:
        mapping = MAPPING + "  billing_day: start\n"
        base.imported({"start": "2024-01-31"}, mapping=mapping)
        subscription = Subscription.objects.get()
        assert subscription.billed_until == subscription.next_bill_on == date(2026, 11, 30)
        assert first_bill(subscription, date(2026, 12, 31)) == [
            (date(2026, 11, 30), date(2026, 12, 31), 29900),
            (date(2026, 12, 31), date(2027, 1, 31), 29900),
        ]

    @pytest.mark.parametrize(
        ("billed_until", "months", "start"),
        [
            (date(2026, 11, 23), 0, date(2026, 11, 23)),
            (date(2026, 11, 23), 34, date(2024, 1, 23)),
            (date(2026, 3, 31), 1, date(2026, 2, 28)),
            (date(2028, 3, 31), 1, date(2028, 2, 29)),
        ],
    )
    def test_a_tenure_in_months_gives_the_start(
        self, base: Base, billed_until: date, months: int, start: date
    ) -> None:
        mapping = MAPPING.replace("start: start", "tenure_months: start")
        base.imported({"start": str(months)}, mapping=mapping, billed_until=billed_until)
        subscription = Subscription.objects.get()
        assert subscription.starts_on == start
        [line] = first_bill(subscription, billed_until)
        assert (line[0], line[2]) == (billed_until, 29900)

    def test_one_who_has_yet_to_start_is_billed_from_the_start(self, base: Base) -> None:
        base.imported({"start": "2026-12-15"})
        subscription = Subscription.objects.get()
        assert subscription.next_bill_on == date(2026, 12, 15)
        assert first_bill(subscription, date(2026, 12, 15)) == [
            (date(2026, 12, 15), date(2027, 1, 15), 29900)
        ]

    def test_one_who_left_is_ended_and_never_billed(self, base: Base) -> None:
        result = base.imported({"ended": "2026-11-01"})
        assert (result.active, result.ended) == (0, 1)
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.access) == ("ended", "none")
        assert (subscription.ends_on, subscription.next_bill_on) == (date(2026, 11, 1), None)
        assert first_bill(subscription, date(2027, 11, 1)) == []

    def test_one_who_left_on_an_unknown_day_ended_when_billing_did(self, base: Base) -> None:
        mapping = MAPPING.replace(
            "ended_on: ended", 'ended: {column: ended, values: {Yes: "true", No: "false"}}'
        )
        base.imported({"id": "c1", "ended": "Yes"}, {"id": "c2", "ended": "No"}, mapping=mapping)
        assert Subscription.objects.get(status="ended").ends_on == DAY
        assert Subscription.objects.get(status="active").external_id == "c2"

    def test_one_who_will_leave_has_a_planned_end(self, base: Base) -> None:
        base.imported({"ended": "2026-12-08"})
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.cancels_on) == ("active", date(2026, 12, 8))
        # 15 of the 30 days from 23 November to 23 December.
        assert first_bill(subscription, DAY) == [(DAY, date(2026, 12, 8), 14950)]

    def test_one_who_left_owing_days_is_billed_for_them(self, base: Base) -> None:
        base.imported({"until": "2026-11-01", "ended": "2026-11-16"})
        subscription = Subscription.objects.get()
        assert subscription.next_bill_on == date(2026, 11, 1)
        # 15 of November's 30 days.
        assert first_bill(subscription, DAY) == [(date(2026, 11, 1), date(2026, 11, 16), 14950)]


class TestUsage:
    """A plan that is there already charges for usage beside what the file states."""

    @pytest.fixture
    def metered(self, base: Base) -> Plan:
        base.imported({})
        plan = Plan.objects.get()
        PriceFactory(
            plan=plan, code="calls", meter="calls", model="per_unit", amount=2, billing="in_arrears"
        )
        Meter.objects.create(seller=plan.seller, code="calls", name="Calls", aggregation="sum")
        return plan

    def test_who_is_imported_to_it_is_billed_for_usage_from_the_import_day_on(
        self, base: Base, metered: Plan
    ) -> None:
        make_accounts(metered.seller)
        base.imported({}, {"id": "c2"})
        subscription = Subscription.objects.get(external_id="c2")
        calls = Meter.objects.get()
        noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
        record_usage(subscription, calls, at=noon, as_of=DAY, quantity=Decimal(5), key="1")
        with pytest.raises(UsageRefused) as refused:
            before = noon - timedelta(days=1)
            record_usage(subscription, calls, at=before, as_of=DAY, quantity=Decimal(5), key="2")
        assert refused.value.code == "usage_too_late"
        bill_due(metered.seller, date(2026, 12, 23), actor="test")
        lines = InvoiceLine.objects.filter(subscription=subscription).order_by("pk")
        # A fee of 299.00 for each of two periods, and five calls of 2.00.
        assert sorted(line.amount_minor for line in lines) == [10_00, 299_00, 299_00]
        assert broken_invariants() == {}

    def test_an_amount_is_not_agreed_for_what_is_counted(self, base: Base, metered: Plan) -> None:
        mapping = MAPPING.replace("  code: plan\n", "  code: plan\n  price: calls\n")
        base.write({"id": "c2"}, mapping=mapping)
        result = base.run()
        assert [problem.reason for problem in result.problems] == [
            "The price calls there counts calls; name another in the mapping."
        ]
        assert Subscription.objects.count() == 1


class TestBadRows:
    @pytest.mark.parametrize(
        ("row", "column", "reason"),
        [
            ({"id": ""}, "id", "This is blank; every row needs its id."),
            ({"id": "x" * 101}, "id", "longer than 100 characters"),
            ({"email": "asa@"}, "email", "“asa@” is not an email address"),
            ({"country": "Sweden"}, "country", "“Sweden” is not a country of ISO 3166"),
            (
                {"pays": "cash"},
                "pays",
                "“cash” is none of the values that customer.collection maps",
            ),
            ({"name": "x" * 201}, "name", "longer than 200 characters"),
            ({"plan": ""}, "plan", "This is blank."),
            ({"plan": "Weekly"}, "plan", "“Weekly” is none of the values that plan.interval maps"),
            ({"start": ""}, "start", "This is blank."),
            ({"start": "15/1/2026"}, "start", "“15/1/2026” is not a date. Write it as YYYY-MM-DD."),
            ({"start": "2026-02-29"}, "start", "“2026-02-29” is not a day of the calendar."),
            ({"start": "0026-01-15"}, "start", "too far from today"),
            ({"amount": ""}, "amount", "There is no amount, and plan.prices has none"),
            ({"amount": "abc"}, "amount", "“abc” is not a number such as 1234.50."),
            ({"amount": "299,00"}, "amount", "“299,00” is not a number"),
            ({"amount": "1e3"}, "amount", "“1e3” is not a number"),
            ({"amount": "NaN"}, "amount", "“NaN” is not a number"),
            ({"amount": "-1.00"}, "amount", "“-1.00” is negative."),
            ({"amount": "2.995"}, "amount", "2.995 has more than the 2 decimals of SEK."),
            ({"amount": "9" * 20}, "amount", "too large"),
            ({"quantity": "0"}, "quantity", "The quantity is 0"),
            ({"quantity": "-2"}, "quantity", "“-2” is negative."),
            ({"until": "soon"}, "until", "“soon” is not a date"),
            ({"ended": "2026-01-14"}, "ended", "2026-01-14 is before the start, 2026-01-15."),
            ({"note": "a\0b"}, "", "The row holds a NUL character"),
        ],
    )
    def test_is_told_by_row_column_and_reason_and_nothing_is_imported(
        self, base: Base, row: dict[str, str], column: str, reason: str
    ) -> None:
        [found] = base.problems({"id": "good"}, row)
        assert found[:2] == (3, column)
        assert reason in found[2]

    def test_an_id_that_stands_twice_names_the_earlier_row(self, base: Base) -> None:
        found = base.problems({"id": "c1"}, {"id": "c2"}, {"id": "c1"})
        assert found == [(4, "id", "“c1” stands in row 2 already.")]

    def test_a_row_with_too_few_or_too_many_columns(self, base: Base) -> None:
        base.write_raw(f"{COLUMNS}\nc1,Åsa\n{',' * 12}x\n".encode())
        result = base.run()
        assert [(problem.row, problem.reason) for problem in result.problems] == [
            (2, "The row has 2 columns, the header 12."),
            (3, "The row has 13 columns, the header 12."),
        ]

    def test_every_fault_of_a_row_is_told(self, base: Base) -> None:
        found = base.problems({"email": "x", "amount": "y", "start": "z"})
        assert [column for _, column, _ in found] == ["amount", "email", "start"]

    def test_a_customer_who_is_two_people_is_told(self, base: Base) -> None:
        mapping = MAPPING.replace("subscription:\n", "subscription:\n  id: note\n")
        found = base.problems({"note": "s1"}, {"note": "s2", "name": "Bo"}, mapping=mapping)
        assert found == [(3, "id", "“c1” is described otherwise than in row 2.")]

    def test_a_plan_with_two_intervals_is_told(self, base: Base) -> None:
        mapping = MAPPING.replace("code: plan", "code: {value: All}")
        found = base.problems({"id": "c1"}, {"id": "c2", "plan": "Yearly"}, mapping=mapping)
        assert found == [(3, "plan.code", "“All” is described otherwise than in row 2.")]

    def test_a_plan_that_is_there_with_another_interval_is_told(self, base: Base) -> None:
        base.imported({})
        Plan.objects.update(interval_count=3)
        base.write({"id": "c2"})
        [problem] = base.run().problems
        assert problem.reason == "The plan there is billed every 3 month."
        assert Customer.objects.count() == 1

    def test_skip_bad_imports_the_good_rows_alone(self, base: Base) -> None:
        base.write({"id": "c1"}, {"id": "c2", "amount": "x", "email": "y"}, {"id": "c3"})
        result = base.run(skips_bad=True)
        assert (result.subscriptions, result.skipped, len(result.problems)) == (2, 1, 2)
        assert set(Customer.objects.values_list("external_id", flat=True)) == {"c1", "c3"}


class TestAgain:
    def test_a_second_run_changes_nothing(self, base: Base) -> None:
        base.imported({"id": "c1"}, {"id": "c2", "ended": "2026-11-01"})
        ids = set(Subscription.objects.values_list("public_id", flat=True))
        again = base.run(as_of=date(2026, 12, 24))
        assert (again.customers, again.subscriptions, again.already_there) == (0, 0, 2)
        assert set(Subscription.objects.values_list("public_id", flat=True)) == ids
        assert (Seller.objects.count(), Price.objects.count(), Event.objects.count()) == (1, 1, 1)

    def test_a_longer_file_adds_what_is_new(self, base: Base) -> None:
        base.imported({"id": "c1"})
        result = base.imported({"id": "c1"}, {"id": "c2", "amount": "99"})
        assert (result.subscriptions, result.already_there) == (1, 1)
        assert Price.objects.get().amount == 299

    def test_a_run_that_fails_midway_leaves_nothing_and_can_be_started_again(
        self, base: Base, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        base.write(*({"id": f"c{n}"} for n in range(5)))
        monkeypatch.setattr(writing, "CHUNK_SIZE", 2)
        for chunks_before in range(3):

            def fail(done: int, total: int, at: int = chunks_before) -> None:
                if Subscription.objects.count() > 2 * at:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                base.run(on_rows=fail)
            assert nothing_is_there()
        assert base.run().subscriptions == BillingCycle.objects.count() == 5

    def test_a_dry_run_tells_the_same_and_keeps_nothing(self, base: Base) -> None:
        base.write({"id": "c1"}, {"id": "c2"})
        assert base.run(is_dry_run=True).subscriptions == 2
        assert nothing_is_there()


class TestMappings:
    def refused(self, base: Base, mapping: str) -> list[str]:
        base.write({}, mapping=mapping)
        with pytest.raises(Unreadable) as caught:
            base.run()
        assert nothing_is_there()
        return caught.value.message.splitlines()

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ("name: Gym, ", "", "map.yaml:seller.name: This is missing."),
            ("currency: SEK", "currency: KR", "map.yaml:seller.currency: 'KR' is not an active"),
            (
                "Stockholm, ",
                "Sthlm, ",
                "map.yaml:seller.time_zone: “Europe/Sthlm” is not a time zone",
            ),
            ("country: SE", "country: XX", "map.yaml:seller.country: Value 'XX' is not a valid"),
            ("tax: []", "tax: 25", "map.yaml:seller.tax: Tax is stated as a list"),
            ("tax: []", "taxes: []", "map.yaml:seller.taxes: There is no such key; did you mean s"),
            ("customer:", "client:", "map.yaml:client: There is no such key; did you mean"),
            ("  id: id\n", "", "map.yaml:customer.id: This is missing."),
            ("name: name", "nmae: name", "did you mean customer.name?"),
            ("name: name", "name: {colum: name}", "did you mean customer.name.column?"),
            (
                "name: name",
                "name: {column: name, value: x}",
                "map.yaml:customer.name: Say a column",
            ),
            ("name: name", "name: [name]", "map.yaml:customer.name: Here must be keys"),
            (
                "name: name",
                "name: a\n  name: b",
                "map.yaml:6: This is not YAML: the key “name” sta",
            ),
            ("{name: Gym", "{name: Gym: x", "map.yaml:2: This is not YAML"),
            ("  start: start\n", "", "map.yaml:subscription: Say either start or tenure_months."),
            ("start: start", "start: start\n  tenure_months: x", "Say either start or tenure"),
            ("ended_on: ended", "ended_on: ended\n  ended: x", "Say ended or ended_on, not both."),
            ("  amount: amount\n", "", "map.yaml:subscription.amount: This is missing"),
            (
                "code: plan",
                "code: plan\n  prices: {A: x}",
                "map.yaml:plan.prices.A: “x” is not an am",
            ),
            (
                "seller:",
                "file: {decimal: x}\nseller:",
                "map.yaml:file.decimal: “x” is none of: . ,",
            ),
            ("seller:", "file: {dates: D.M.Y}\nseller:", "map.yaml:file.dates: “D.M.Y” must hold"),
        ],
    )
    def test_a_wrong_key_is_told_by_file_key_and_reason(
        self, base: Base, old: str, new: str, told: str
    ) -> None:
        assert old in MAPPING
        assert any(told in line for line in self.refused(base, MAPPING.replace(old, new, 1)))

    def test_every_wrong_key_is_told(self, base: Base) -> None:
        mapping = MAPPING.replace("tax: []", "tax: 25").replace("  code: plan\n", "")
        assert len(self.refused(base, mapping)) == 2

    def test_a_column_that_the_file_lacks_is_told_with_the_key_that_names_it(
        self, base: Base
    ) -> None:
        [told] = self.refused(base, MAPPING.replace("email: email", "email: mail"))
        assert told == (
            "base.csv:1:mail: The file has no such column; customer.email of the mapping names it."
        )

    def test_a_wrong_delimiter_is_hinted_at(self, base: Base) -> None:
        told = self.refused(base, MAPPING + 'file: {delimiter: ";"}\n')
        assert told[-1].endswith("is file.delimiter of the mapping right?")

    def test_words_of_yaml_are_words(self, base: Base) -> None:
        mapping = MAPPING.replace("{card: automatic, invoice: invoice}", "{No: invoice}")
        base.imported({"pays": "No", "country": "NO"}, mapping=mapping)
        assert Customer.objects.get().collection == "invoice"

    def test_a_seller_of_another_currency_is_not_taken_for_this_one(self, base: Base) -> None:
        base.imported({})
        base.write({"id": "c2"}, mapping=MAPPING.replace("SEK", "EUR"))
        with pytest.raises(Unreadable, match="seller.currency: The seller's currency is SEK, not"):
            base.run()

    def test_the_tax_of_the_seller_is_the_rate_table_where_nothing_is_said(
        self, base: Base
    ) -> None:
        base.imported({}, mapping=MAPPING.replace(", tax: []", ""))
        assert Seller.objects.get().tax is None

    def test_the_tax_of_the_seller_may_be_stated(self, base: Base) -> None:
        stated = "tax: [{rate: 25, inclusive: true}]"
        base.imported({}, mapping=MAPPING.replace("tax: []", stated))
        assert Seller.objects.get().tax == [
            {"category": "S", "rate": "25", "inclusive": True, "name": ""}
        ]


class TestTheCommand:
    @pytest.fixture
    def run(self, base: Base) -> Callable[..., str]:
        def run(*args: str) -> str:
            out = StringIO()
            paths = (str(base.file), "--mapping", str(base.map))
            call_command("import_subscriptions", *paths, *args, stdout=out, stderr=StringIO())
            return out.getvalue()

        return run

    def test_says_what_it_did(self, base: Base, run: Callable[..., str]) -> None:
        base.write({})
        assert run().startswith("Imported 1 customers and 1 subscriptions (1 active, 0 ended) in")
        assert "1 were already there and stay as they are." in run()

    def test_json_is_all_there_is_on_stdout(self, base: Base, run: Callable[..., str]) -> None:
        base.write({"id": "c1"}, {"id": "c2", "amount": "x"})
        answer = json.loads(run("--json", "--skip-bad", "--billed-until", "2026-10-01"))
        assert answer.pop("seconds") >= 0
        assert answer == {
            "customers": 1,
            "subscriptions": 1,
            "active": 1,
            "ended": 0,
            "skipped": 1,
            "already_there": 0,
            "errors": [
                {"row": 3, "column": "amount", "reason": "“x” is not a number such as 1234.50."}
            ],
        }
        assert Subscription.objects.get().billed_until == date(2026, 10, 1)

    @pytest.mark.parametrize("option", ["--as-of", "--billed-until"])
    @pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "2201-01-01", "x"])
    def test_a_day_that_nobody_means_is_refused_in_words(
        self, base: Base, option: str, day: str
    ) -> None:
        base.write({})
        with pytest.raises(CommandError, match=f"{day} is (not a day|too far from today)"):
            call_command(
                "import_subscriptions", str(base.file), f"--mapping={base.map}", f"{option}={day}"
            )
        assert nothing_is_there()

    def test_a_dry_run_keeps_nothing(self, base: Base, run: Callable[..., str]) -> None:
        base.write({})
        assert run("--dry-run").startswith("Would import 1 customers")
        assert nothing_is_there()

    def test_bad_rows_end_it_with_status_1(self, base: Base, run: Callable[..., str]) -> None:
        base.write({"amount": "x"})
        with pytest.raises(
            CommandError, match=r"base\.csv:2:amount: “x” is not a number"
        ) as caught:
            run()
        assert caught.value.returncode == 1

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "base.csv: The file is empty"),
            (COLUMNS.encode() + b"\nc1,\xc5sa", "base.csv:2: This is not UTF-8"),
            (COLUMNS.encode() + b'\nc1,"', "base.csv:2: The row cannot be taken apart"),
            (b"id,name\n", "base.csv:1:plan: The file has no such column; plan"),
        ],
    )
    def test_an_unreadable_file_ends_it_with_status_2(
        self, base: Base, run: Callable[..., str], content: bytes, told: str
    ) -> None:
        base.write_raw(content)
        with pytest.raises(CommandError, match=told) as caught:
            run()
        assert caught.value.returncode == 2
        assert nothing_is_there()

    def test_a_missing_mapping_ends_it_with_status_2(
        self, base: Base, run: Callable[..., str]
    ) -> None:
        base.write({})
        base.map.unlink()
        with pytest.raises(CommandError, match=r"map\.yaml: No such file") as caught:
            run()
        assert caught.value.returncode == 2


def numbers_of(seller: Seller) -> list[int | None]:
    invoices = Invoice.objects.filter(seller=seller).order_by("sequence")
    return list(invoices.values_list("sequence", flat=True))


class TestWholeBases:
    def test_the_coffee_roastery_of_the_demo(self) -> None:
        load_rates(DEFAULT_FILE)
        mapping = read_mapping(EXAMPLES / "coffee.yaml")
        result = import_subscriptions(
            EXAMPLES / "coffee.csv", mapping, as_of=date(2026, 9, 1), actor="tests"
        )
        assert result.problems == []
        assert (result.customers, result.active, result.ended) == (60, 58, 6)
        seller = Seller.objects.get()
        run = bill_due(seller, date(2026, 10, 1), actor="tests")
        assert (run.parked, numbers_of(seller)) == (0, [*range(1, run.invoices + 1)])

    @pytest.mark.skipif(not TELCO.exists(), reason="The telco base is not in the repository.")
    def test_the_telco_base_is_imported_and_billed_to_the_cent(self) -> None:
        with TELCO.open(newline="") as file:
            rows = list(csv.DictReader(file))
        active = [row for row in rows if row["Churn"] == "No"]
        expected = sum(Decimal(row["MonthlyCharges"]) for row in active)

        mapping = read_mapping(EXAMPLES / "telco.yaml")
        result = import_subscriptions(TELCO, mapping, as_of=DAY, actor="tests")
        assert result.problems == []
        assert (result.customers, result.subscriptions) == (7043, 7043)
        assert (result.active, result.ended) == (len(active), 1869) == (5174, 1869)
        assert Plan.objects.count() == Price.objects.count() == 9
        items = SubscriptionItem.objects.filter(subscription__status="active")
        agreed = items.values_list("agreed_amount", flat=True)
        assert sum(amount or 0 for amount in agreed) == expected == Decimal("316985.75")

        seller = Seller.objects.get()
        run = bill_due(seller, DAY, actor="tests")
        assert (run.invoices, run.parked) == (5174, 0)
        invoices = Invoice.objects.filter(seller=seller)
        assert invoices.values("customer").distinct().count() == 5174
        assert sum(invoices.values_list("net_minor", flat=True)) == expected * 100
        assert numbers_of(seller) == [*range(1, 5175)]
        again = import_subscriptions(TELCO, mapping, as_of=DAY, actor="tests")
        assert (again.subscriptions, again.already_there) == (0, 7043)
        assert bill_due(seller, DAY, actor="tests").invoices == 0
