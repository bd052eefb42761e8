"""Two tabs with one row's form: the second save is refused where the first has changed the row."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from catalog.models import Plan
from customers.actions import change_details
from customers.models import Customer
from dunning.models import DunningPolicy
from tests.admin.conftest import Rows
from tests.admin.shown import url
from tests.dunning.test_pages import as_sent
from tests.factories import DAY
from tests.matrix.spoiling import filled_in

pytestmark = pytest.mark.django_db


def opened(client: Client, address: str) -> dict[str, Any]:
    """What a tab sends that changes nothing."""
    return sent_back(client.get(address))


def sent_back(page: Any) -> dict[str, Any]:
    carried = re.findall(r'name="as_read" value="([^"]*)"', page.content.decode())
    assert len(carried) == 1
    return filled_in(page.context["adminform"].form) | {"as_read": unescape(carried[0])}


@pytest.fixture
def eve(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("eve"))
    return client


@pytest.mark.parametrize(
    ("model", "field", "first", "second", "typed"),
    [
        (Customer, "email", "new@example.com", "name", "Åsa Ek"),
        (Plan, "trial_days", "14", "name", "Coffee"),
        (Customer, "is_business", "on", "city", "Lund"),
    ],
)
def test_the_second_save_is_refused_with_what_was_changed_and_by_whom(  # noqa: PLR0913
    anna: Client,
    eve: Client,
    rows: Rows,
    model: Any,
    field: str,
    first: str,
    second: str,
    typed: str,
) -> None:
    address = url(model, "change", rows[model].pk)
    hers, mine = opened(eve, address), opened(anna, address)
    assert eve.post(address, hers | {field: first}).status_code == 302
    kept = model.objects.filter(pk=rows[model].pk).values().get()

    page = anna.post(address, mine | {second: typed})
    form = page.context["adminform"].form
    assert page.status_code == 200
    assert model.objects.filter(pk=rows[model].pk).values().get() == kept
    assert "Nothing has been saved" in form.errors["__all__"][0]
    assert {*form.errors} == {"__all__", field}
    assert " eve changed this to “" in form.errors[field][0]
    assert form[second].value() == typed

    # Whoever has seen it saves it, and what the other has changed is not undone.
    assert anna.post(address, sent_back(page)).status_code == 302
    row = model.objects.filter(pk=rows[model].pk).values().get()
    assert row == kept | {second: typed}
    assert row[field] != rows[model].__dict__[field]


def test_where_both_typed_into_one_field_what_was_typed_is_kept_and_what_stands_there_is_said(
    anna: Client, eve: Client, rows: Rows
) -> None:
    address = url(Customer, "change", rows[Customer].pk)
    hers, mine = opened(eve, address), opened(anna, address)
    eve.post(address, hers | {"city": "Umeå"})
    page = anna.post(address, mine | {"city": "Lund"})
    form = page.context["adminform"].form
    assert form["city"].value() == "Lund"
    assert "eve changed this to “Umeå”." in form.errors["city"][0]
    assert anna.post(address, sent_back(page)).status_code == 302
    assert Customer.objects.get(pk=rows[Customer].pk).city == "Lund"


def test_a_change_by_what_is_no_page_counts_and_history_without_a_name_blames_nobody(
    anna: Client, rows: Rows
) -> None:
    address = url(Customer, "change", rows[Customer].pk)
    mine = opened(anna, address)
    change_details(rows[Customer], as_of=DAY, actor="test", email="shop@example.com")
    page = anna.post(address, mine | {"name": "Åsa Ek"})
    errors = page.context["adminform"].form.errors
    assert "somebody changed this to “shop@example.com”." in errors["email"][0]


def test_a_save_that_changed_nothing_stops_nobody_and_a_row_is_locked_before_it_is_compared(
    anna: Client, eve: Client, rows: Rows
) -> None:
    address = url(Customer, "change", rows[Customer].pk)
    hers, mine = opened(eve, address), opened(anna, address)
    assert eve.post(address, hers).status_code == 302
    with CaptureQueriesContext(connection) as captured:
        assert anna.post(address, mine | {"city": "Lund"}).status_code == 302
    table = f'FROM "{Customer._meta.db_table}"'
    read = [each["sql"] for each in captured.captured_queries if table in each["sql"]]
    locked = next(n for n, sql in enumerate(read) if "FOR NO KEY UPDATE" in sql)
    assert len(read) > locked + 1


def test_rows_within_a_form_and_what_a_row_is_given_count_as_well(
    anna: Client, eve: Client
) -> None:
    address = url(DunningPolicy, "change", DunningPolicy.objects.get(code="sweden").pk)
    page = eve.get(address)
    hers = as_sent(page) | sent_back(page)
    assert eve.post(address, hers | {"steps-1-days": 16}).status_code == 302
    refused = anna.post(address, hers | {"name": "The country"})
    assert refused.status_code == 200
    assert "changed the steps." in str(refused.context["adminform"].form.errors)
    # Whoever reads in another language by now, and is told in it.
    sent = hers | {"name": "The country"}
    refused = anna.post(address, sent, headers={"accept-language": "sv"})
    assert refused.status_code == 200
    assert "har ändrat: steg." in str(refused.context["adminform"].form.errors)

    role = Group.objects.create(name="Reader")
    address = url(User, "change", User.objects.get(username="eve").pk)
    mine = opened(anna, address)
    User.objects.get(username="eve").groups.add(role)
    refused = anna.post(address, mine | {"first_name": "Eva"})
    assert "changed this to “" in refused.context["adminform"].form.errors["groups"][0]


@pytest.mark.parametrize("read", ["", "{", "[]", "7", '{"nothing": "there"}'])
def test_a_form_that_no_page_has_shown_is_taken_as_it_comes(
    anna: Client, rows: Rows, read: str
) -> None:
    address = url(Customer, "change", rows[Customer].pk)
    sent = opened(anna, address) | {"city": "Lund", "as_read": read}
    assert anna.post(address, sent).status_code == 302
