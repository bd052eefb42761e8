"""Every model's pages: that they open, for whom, what they let pass and how much they ask."""

import re
from collections.abc import Iterator

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from billing.desk.model_admin import Desk
from tests.admin.conftest import NOON, Rows
from tests.admin.rows import fill
from tests.admin.shown import ALL, MAY, READ_ONLY, names, url

pytestmark = pytest.mark.django_db

# The cell of a list that opens the row, as it is written: its address, and all that it holds.
OWN_LINK = re.compile(r'<th[^>]*><a href="([^"?]*)[^>]*>(.*?)</a></th>', re.DOTALL)


@pytest.fixture(scope="module")
def rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Rows]:
    """One of everything for all tests of this module; each takes back what it writes."""
    travel = time_machine.travel(NOON, tick=False)
    with django_db_blocker.unblock(), travel, transaction.atomic():
        yield fill(1)
        transaction.set_rollback(True)


def test_every_registered_model_is_in_the_table() -> None:
    assert set(admin.site._registry) == set(MAY)


def test_every_page_is_a_desk() -> None:
    others = [model for model, page in admin.site._registry.items() if not isinstance(page, Desk)]
    assert others == []


@names
def test_the_list_opens(anna: Client, rows: Rows, model: type[Model]) -> None:
    assert anna.get(url(model, "changelist")).status_code == 200


@names
def test_each_row_of_a_list_opens_its_own_page_by_words_that_can_be_clicked(
    anna: Client, rows: Rows, model: type[Model]
) -> None:
    page = anna.get(url(model, "changelist"))
    named = dict(OWN_LINK.findall(page.content.decode()))
    assert page.context["cl"].result_list
    for row in page.context["cl"].result_list:
        words = named[url(model, "change", row.pk)]
        assert re.sub(r"<[^>]*>", "", words).strip() not in {"", "-"}, words
        assert "<a" not in words


@names
def test_the_form_to_add_opens_or_is_forbidden(
    anna: Client, rows: Rows, model: type[Model]
) -> None:
    expected = 200 if "a" in MAY[model] else 403
    assert anna.get(url(model, "add")).status_code == expected


@names
def test_the_page_of_a_row_opens_with_its_history(
    anna: Client, rows: Rows, model: type[Model]
) -> None:
    pk = rows[model].pk
    assert anna.get(url(model, "change", pk)).status_code == 200
    assert anna.get(url(model, "history", pk)).status_code == 200


@names
def test_the_page_to_delete_opens_or_is_forbidden(
    anna: Client, rows: Rows, model: type[Model]
) -> None:
    expected = 200 if "d" in MAY[model] else 403
    assert anna.get(url(model, "delete", rows[model].pk)).status_code == expected


@names
def test_staff_without_a_permission_sees_nothing(
    rows: Rows, client: Client, model: type[Model]
) -> None:
    client.force_login(User.objects.create_user("cleo", is_staff=True))
    assert client.get(url(model, "changelist")).status_code == 403
    assert client.get(url(model, "change", rows[model].pk)).status_code == 403


@names
def test_a_list_asks_no_more_for_more_rows(anna: Client, rows: Rows, model: type[Model]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert anna.get(url(model, "changelist")).status_code == 200
        return len(captured)

    anna.get(url(model, "changelist"))
    before = queries()
    for number in range(2, 5):
        fill(number)
    assert queries() == before


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model._meta.label_lower)
def test_what_is_read_only_cannot_be_changed_by_post(
    anna: Client, rows: Rows, model: type[Model]
) -> None:
    row = rows[model]
    before = model._base_manager.filter(pk=row.pk).values().get()
    sent = {name: "7" for name, value in before.items() if value is not None}
    assert anna.post(url(model, "change", row.pk), sent).status_code == 403
    if "a" not in MAY[model]:
        assert anna.post(url(model, "add"), sent).status_code == 403
    assert model._base_manager.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize(
    "model", [model for model in ALL if "d" not in MAY[model]], ids=lambda m: m._meta.label_lower
)
def test_what_must_stay_cannot_be_deleted_by_post(
    anna: Client, rows: Rows, model: type[Model]
) -> None:
    row = rows[model]
    assert anna.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    anna.post(
        url(model, "changelist"),
        {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
    )
    assert model._base_manager.filter(pk=row.pk).exists()


@names
def test_any_search_is_answered(anna: Client, rows: Rows, model: type[Model]) -> None:
    for term in ("x", "7", "inv_0", "O'Brien %", "ö" * 60, "99999999999999999999", "\0"):
        assert anna.get(url(model, "changelist"), {"q": term}).status_code == 200


@names
def test_no_list_shows_html_as_text(anna: Client, rows: Rows, model: type[Model]) -> None:
    page = anna.get(url(model, "changelist")).content.decode()
    assert "&lt;span" not in page and "&lt;a " not in page
