"""Pages of the admin: what each lets pass and says, and how much it asks."""

import re
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.staticfiles import finders
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from unfold.settings import CONFIG_DEFAULTS

from billing.desk import searching
from billing.desk.lists import CappedPaginator, DeskList
from billing.events.models import Delivery, Event
from billing.invoicing.models import (
    CreditNote,
    Invoice,
    InvoiceLine,
    OneOffItem,
)
from billing.ledger.models import Transfer
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription
from catalog.models import Plan, Price, Product
from customers.models import Customer, Seller
from tests.admin.conftest import Rows
from tests.admin.rows import fill
from tests.admin.shown import MAY, names, url
from tests.factories import (
    CustomerFactory,
    InvoiceFactory,
    PriceFactory,
    ProductFactory,
    SubscriptionFactory,
)


@pytest.mark.parametrize("model", [Customer, Subscription, Invoice])
def test_a_page_asks_no_more_for_more_rows_on_it(
    anna: Client, rows: Rows, model: type[Model]
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert anna.get(url(model, "change", rows[model].pk)).status_code == 200
        return len(captured)

    anna.get(url(model, "change", rows[model].pk))
    before = queries()
    customer, invoice = rows[Customer], rows[Invoice]
    for _ in range(3):
        subscription = SubscriptionFactory(customer=customer)
        row = {"subscription": rows[Subscription], "corrects": invoice.lines.get()}
        InvoiceFactory(customer=customer, subscription=subscription, lines=[row, row])
        PriceFactory(plan=rows[Plan], code=f"more-{subscription.pk}")
    assert queries() == before


# What is issued stays


def test_what_nothing_hangs_on_can_be_deleted(anna: Client) -> None:
    product = ProductFactory()
    assert anna.post(url(Product, "delete", product.pk), {"post": "yes"}).status_code == 302
    assert not Product.objects.exists()


def test_a_billed_one_off_item_stays(anna: Client, rows: Rows) -> None:
    item = rows[OneOffItem]
    OneOffItem.objects.filter(pk=item.pk).update(line=rows[InvoiceLine])
    assert anna.post(url(OneOffItem, "delete", item.pk), {"post": "yes"}).status_code == 403


def test_what_the_database_refuses_comes_back_as_a_message(
    anna: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when somebody else's row came between the page and the button."""
    monkeypatch.setattr("billing.desk.model_admin._is_depended_on", lambda obj: False)
    monkeypatch.setattr(
        "django.contrib.admin.options.get_deleted_objects", lambda *args: ([], {}, set(), [])
    )
    page = anna.post(url(Plan, "delete", rows[Plan].pk), {"post": "yes"}, follow=True)
    assert "other records depend on this one" in page.content.decode()
    assert Plan.objects.filter(pk=rows[Plan].pk).exists()


def test_a_trigger_that_refuses_comes_back_as_a_message(
    anna: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.admin.PriceAdmin.get_readonly_fields", lambda *args: ["public_id"])
    sent = _price_form(rows[Price], amount="1")
    page = anna.post(url(Price, "change", rows[Price].pk), sent, follow=True)
    assert "Somebody has agreed to this price, so it stays as it is." in page.content.decode()


# What may be edited, and how far


def _price_form(price: Price, **changes: str) -> dict[str, str]:
    return {
        "name": price.name,
        "code": price.code,
        "plan": str(price.plan_id),
        "currency": price.currency,
        "position": "0",
        "model": price.model,
        "billing": price.billing,
        "amount": str(price.amount),
        "quantity": "1",
        "package_size": "1",
        "free_units": "0",
        "rate": "0",
        "fixed_amount": "0",
        "is_active": "on",
        **changes,
    }


def test_a_used_price_keeps_its_amount_and_says_what_to_do(anna: Client, rows: Rows) -> None:
    price = rows[Price]
    assert "Add a new price instead" in anna.get(url(Price, "change", price.pk)).content.decode()
    sent = _price_form(price, amount="1", name="Renamed")
    assert anna.post(url(Price, "change", price.pk), sent).status_code == 302
    price.refresh_from_db()
    assert (price.amount, price.name) == (100, "Renamed")


def test_amounts_that_stand_are_written_without_padding(anna: Client, rows: Rows) -> None:
    page = anna.get(url(Price, "change", rows[Price].pk)).content.decode()
    assert "100.000" not in page


def test_an_unused_price_can_be_edited(anna: Client) -> None:
    price = PriceFactory()
    sent = _price_form(price, amount="149.5")
    assert anna.post(url(Price, "change", price.pk), sent).status_code == 302
    price.refresh_from_db()
    assert str(price.amount.normalize()) == "149.5"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"model": "package", "package_size": "0"}, "package_size must be more than zero"),
        ({"model": "graduated", "amount": "0"}, "graduated needs tiers"),
        ({"model": "graduated", "tiers-0-up_to": "many"}, "Row 1, Up to: Enter a number."),
        (
            {"model": "graduated", "amount": "0", "tiers-0-up_to": "5"},
            "the last tier, and only the last",
        ),
        ({"meter": "calls"}, "a metered price is billed in_arrears"),
        ({"tax-0-rate": "250"}, "Row 1, Percent: "),
        ({"tax-3-name": "GST"}, "Row 1, Percent: This field is required."),
        ({"tax-0-category": "Z", "tax-0-rate": "25"}, "Tax category Z has the rate 0"),
        ({"tax-0-rate": "25", "tax-none": "on"}, "Either leave the rows empty or untick"),
        ({"currency": "XYZ"}, "not an active ISO 4217 currency"),
    ],
)
def test_a_price_that_could_not_be_billed_is_not_saved(
    anna: Client, wrong: dict[str, str], reason: str
) -> None:
    price = PriceFactory()
    page = anna.post(url(Price, "change", price.pk), _price_form(price, **wrong))
    assert page.status_code == 200
    assert reason in page.content.decode()


@pytest.mark.parametrize("model", [Seller, Customer])
def test_stated_tax_that_could_not_be_billed_is_not_saved(
    anna: Client, rows: Rows, model: type[Model]
) -> None:
    form = anna.get(url(model, "change", rows[model].pk)).context["adminform"].form
    sent = {name: value for name, value in form.initial.items() if value not in (None, False)}
    sent |= {"tax-0-rate": "101", "logo": ""}
    page = anna.post(url(model, "change", rows[model].pk), sent)
    assert "Row 1, Percent: " in page.context["adminform"].form.errors["tax"][0]


def test_amounts_in_forms_are_written_without_padding(anna: Client) -> None:
    page = anna.get(url(Price, "change", PriceFactory().pk)).content.decode()
    assert re.search(r'name="amount" value="100"', page)


def test_a_seller_stays_live_or_test(anna: Client, rows: Rows) -> None:
    page = anna.get(url(Seller, "change", rows[Seller].pk)).content.decode()
    assert 'name="is_live"' not in page
    assert 'name="is_live"' in anna.get(url(Seller, "add")).content.decode()


def test_only_superusers_reach_staff_and_roles(bo: Client, rows: Rows) -> None:
    for model in (User, Group, LogEntry, AccessAttempt, AccessLog):
        assert bo.get(url(model, "changelist")).status_code == 403
        assert bo.get(url(model, "change", rows[model].pk)).status_code == 403


# Searching and filtering


@pytest.mark.parametrize(
    ("model", "term"),
    [
        (Invoice, lambda rows: rows[Invoice].number),
        (Invoice, lambda rows: rows[Invoice].public_id),
        (Invoice, lambda rows: rows[Invoice].reference),
        (Invoice, lambda rows: rows[Customer].email),
        (CreditNote, lambda rows: rows[CreditNote].number),
        (Subscription, lambda rows: rows[Subscription].public_id.upper()),
        (Subscription, lambda rows: f'"{rows[Customer].external_id}"'),
        (Subscription, lambda rows: rows[Customer].name),
        (Customer, lambda rows: rows[Customer].public_id),
        (Customer, lambda rows: rows[Customer].email),
        (Payment, lambda rows: rows[Payment].public_id),
        (Event, lambda rows: rows[Invoice].public_id),
        (Transfer, lambda rows: str(rows[Invoice].pk)),
    ],
)
def test_a_search_finds_the_one(anna: Client, rows: Rows, model: Any, term: Any) -> None:
    fill(2)
    page = anna.get(url(model, "changelist"), {"q": term(rows)})
    found = page.context["cl"].result_list
    assert rows[model] in found
    assert len(found) == 1


@pytest.mark.parametrize(
    ("model", "query", "count"),
    [
        (Subscription, "work=parked", 1),
        (Subscription, "work=due", 0),
        (Subscription, "work=ending", 0),
        (Invoice, "work=open", 0),  # It is only ordered.
        (Invoice, "work=due", 0),
        (Invoice, "work=overdue", 0),
        (Invoice, "issued_on_from=2026-03-01&issued_on_to=2026-03-01", 1),
        (Invoice, "issued_on_from=nonsense", None),
        (Invoice, "work=nonsense", 1),
        (Invoice, "customer__seller__name=x", None),
        (Delivery, "state__exact=dead", 1),
    ],
)
def test_filters(
    anna: Client, rows: Rows, model: type[Model], query: str, count: int | None
) -> None:
    page = anna.get(f"{url(model, 'changelist')}?{query}", follow=True)
    assert page.status_code == 200 or count is None
    if count is not None:
        assert page.context["cl"].result_count == count


def test_parked_subscriptions_are_listed_with_the_reason(anna: Client, rows: Rows) -> None:
    page = anna.get(url(Subscription, "changelist"), {"work": "parked"})
    assert rows[Subscription].parked_reason in page.content.decode()


def test_a_big_list_is_counted_only_so_far(
    anna: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CappedPaginator, "COUNT_MAX", 2)
    for number in range(2, 5):
        fill(number)
    page = anna.get(url(Transfer, "changelist"))
    assert page.context["cl"].result_count == 2


def test_a_big_list_sorts_its_newest_rows_and_says_so(
    anna: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2, 5):
        fill(number)
    page = anna.get(url(Customer, "changelist"), {"o": "1"})
    assert "Only the newest" not in page.content.decode()
    # As long as all are counted, all are sorted.
    monkeypatch.setattr(DeskList, "SORTED_MAX", 2)
    page = anna.get(url(Customer, "changelist"), {"o": "1"})
    assert len(page.context["cl"].result_list) == Customer.objects.count()
    monkeypatch.setattr(CappedPaginator, "COUNT_MAX", 3)
    page = anna.get(url(Customer, "changelist"), {"o": "1"})
    assert [customer.name for customer in page.context["cl"].result_list] == ["Thing 3", "Thing 4"]
    assert "Only the newest 2 are sorted." in page.content.decode()


def test_those_who_pass_a_filter_are_found_first_and_counted_once(
    anna: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2, 5):
        fill(number)
    names = [f"Thing {number}" for number in (4, 3, 2)]
    passing = {"name__in": ",".join(names)}
    with CaptureQueriesContext(connection) as asked:
        page = anna.get(url(Customer, "changelist"), passing)
    assert [customer.name for customer in page.context["cl"].result_list] == names
    assert page.context["cl"].result_count == len(names)
    assert any("= ANY (" in each["sql"] for each in asked)
    assert not [each for each in asked if each["sql"].startswith("SELECT COUNT(*)")]
    # More than are counted are paged through in the list's own order.
    monkeypatch.setattr(CappedPaginator, "COUNT_MAX", 2)
    with CaptureQueriesContext(connection) as asked:
        page = anna.get(url(Customer, "changelist"), passing)
    assert not any("= ANY (" in each["sql"] for each in asked)
    assert page.context["cl"].result_count == 2
    assert [customer.name for customer in page.context["cl"].result_list] == names


def test_what_is_late_the_longest_stands_first(anna: Client) -> None:
    customer = CustomerFactory()
    late = [
        InvoiceFactory(
            customer=customer, issued_on=date(2026, 1, 1), due_on=date(2026, 1, 31 - days)
        )
        for days in (1, 20, 7)
    ]
    page = anna.get(url(Invoice, "changelist"), {"work": "overdue"})
    assert list(page.context["cl"].result_list) == [late[1], late[2], late[0]]


def test_a_sorted_list_reads_whole_rows_of_its_page_only(anna: Client, rows: Rows) -> None:
    with CaptureQueriesContext(connection) as asked:
        anna.get(url(Invoice, "changelist"), {"o": "2"})
    wide = [each["sql"] for each in asked if '"bill_to"' in each["sql"]]
    assert len(wide) == 1
    assert '"invoicing_invoice"."id" IN (' in wide[0]


def test_a_row_leads_to_its_page_and_back_to_the_list_as_it_was(anna: Client, rows: Rows) -> None:
    page = anna.get(url(Invoice, "changelist"), {"o": "2"}).content.decode()
    address = url(Invoice, "change", rows[Invoice].pk)
    assert f'href="{address}?_changelist_filters=o%3D2"' in page
    assert f'href="{address}"' in anna.get(url(Invoice, "changelist")).content.decode()


def test_a_list_joins_only_what_it_shows(anna: Client, rows: Rows) -> None:
    with CaptureQueriesContext(connection) as asked:
        anna.get(url(Invoice, "changelist"))
    assert not [each for each in asked if "subscriptions_subscription" in each["sql"]]


def test_no_table_without_an_index_is_walked_for_a_button(anna: Client, rows: Rows) -> None:
    customer = CustomerFactory()
    with CaptureQueriesContext(connection) as asked:
        page = anna.get(url(Customer, "change", customer.pk))
    assert not [each for each in asked if "ledger_transfer" in each["sql"]]
    assert page.context["has_delete_permission"]


def test_a_select_marks_what_is_chosen(anna: Client, rows: Rows) -> None:
    page = anna.get(url(Customer, "change", CustomerFactory(country="FI").pk)).content.decode()
    assert '<option value="FI" selected>Finland</option>' in page
    assert '<option value="SE">Sweden</option>' in page


def test_a_whole_name_is_found_where_many_share_its_words(
    anna: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Eva Berg", "Eva Ek", "Åsa Ek"):
        CustomerFactory(name=name)
    monkeypatch.setattr(searching, "FOUND_MAX", 1)
    page = anna.get(url(Customer, "changelist"), {"q": "Åsa Ek"})
    assert [customer.name for customer in page.context["cl"].result_list] == ["Åsa Ek"]


def test_the_command_search_finds_documents_and_customers(anna: Client, rows: Rows) -> None:
    page = anna.get(reverse("admin:search"), {"s": rows[Invoice].number})
    assert url(Invoice, "change", rows[Invoice].pk) in page.content.decode()
    page = anna.get(reverse("admin:search"), {"s": rows[Customer].email})
    assert url(Customer, "change", rows[Customer].pk) in page.content.decode()


def test_the_command_search_shows_only_what_one_may_see(client: Client, rows: Rows) -> None:
    user = User.objects.create_user("cleo", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_invoice"))
    client.force_login(user)
    page = client.get(reverse("admin:search"), {"s": rows[Customer].email}).content.decode()
    assert url(Invoice, "change", rows[Invoice].pk) in page
    assert url(Customer, "change", rows[Customer].pk) not in page


# The front page and the menu


def test_the_front_page_counts_the_work_and_links_to_it(anna: Client, rows: Rows) -> None:
    page = anna.get(reverse("admin:index"))
    shown = [*page.context["waiting"], *page.context["idle"]]
    counts = {work["title"]: work["count"] for work in shown}
    assert counts == {
        "Parked subscriptions": 1,
        "Due to be billed": 0,
        "Overdue invoices": 0,
        "Due today": 0,
        "Open invoices": 0,  # The one that there is belongs to an order that nobody has paid.
        "Debts with a step today": 0,
        "Suspended debts": 0,
        "Stopped debts": 1,
        "Undelivered events": 1,
        "Undelivered webhooks": 1,
        "Endpoints turned off": 1,
        "Emails not sent": 1,
        "Emails in doubt": 0,
        "Letters to print": 0,
        "Payments to look at": 0,
        "Money to pay back": 1,
        "Balances left behind": 0,
        "Live sellers that may not issue invoices": 0,
        "Parked gateway events": 1,
        "Troubles": 1,
        "Failed jobs": 1,
    }
    for work in shown:
        assert anna.get(work["url"]).context["cl"].result_count == work["count"]


def menu_of(page: Any) -> list[tuple[str, str, bool]]:
    """Address, title and whether it lights up, of each entry of the menu."""
    menu = page.content.decode().partition('id="nav-sidebar-apps"')[2].partition("</nav>")[0]
    entries = re.findall(r'<a href="([^"]+)"([^>]*)>.*?<span>([^<]+)</span>', menu, re.DOTALL)
    return [(unescape(address), title, "aria-current" in more) for address, more, title in entries]


def test_the_menu_shows_only_what_one_may_see(client: Client, rows: Rows) -> None:
    user = User.objects.create_user("cleo", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_customer"))
    client.force_login(user)
    page = client.get(reverse("admin:index"))
    assert [title for _, title, _ in menu_of(page)] == ["Today", "Customers"]
    assert page.context["waiting"] == page.context["idle"] == []


def test_every_entry_of_the_menu_opens_and_lights_up_alone(anna: Client, rows: Rows) -> None:
    links = [address for address, _, _ in menu_of(anna.get(reverse("admin:index")))]
    assert len(links) > 20
    for link in links:
        page = anna.get(link)
        assert page.status_code == 200
        assert [address for address, _, is_here in menu_of(page) if is_here] == [link]


def test_a_page_of_an_object_lights_up_its_list(anna: Client, rows: Rows) -> None:
    for model in (Invoice, InvoiceLine):
        page = anna.get(url(model, "change", rows[model].pk))
        lit = [address for address, _, is_here in menu_of(page) if is_here]
        assert lit == ([url(Invoice, "changelist")] if model is Invoice else [])


def test_colours_stand_in_the_stylesheet_and_none_is_missing(anna: Client, db: None) -> None:
    page = anna.get(reverse("admin:index")).content.decode()
    assert "--color-" not in page
    sheet = Path(str(finders.find("desk.css"))).read_text()
    written = set(re.findall(r"(--color-[a-z]+-[a-z0-9-]+):", sheet))
    named = {
        f"--color-{kind}-{each}" for kind, of in CONFIG_DEFAULTS["COLORS"].items() for each in of
    }
    assert named <= written
    assert "--border-radius:" in sheet


# What people write stays text

PAYLOAD = "\"'><img src=x onerror=alert(1)></script><b>{{ 7*7 }}"


@names
def test_what_people_write_never_becomes_markup(anna: Client, db: None, model: type[Model]) -> None:
    rows = fill(1, PAYLOAD)
    pages = [url(model, "changelist"), url(model, "change", rows[model].pk)]
    pages += [url(model, "history", rows[model].pk)]
    pages += [url(model, "delete", rows[model].pk)] if "d" in MAY[model] else []
    page_actions: Any = admin.site.get_model_admin(model).page_actions  # type: ignore[attr-defined]
    pages += [url(model, "act", rows[model].pk, action.name) for action in page_actions]
    for page in pages:
        content = anna.get(page).content.decode()
        assert "<img src=x" not in content
        assert "<b>49" not in content and ">49<" not in content
