"""Policies and late debts on the operator's desk."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.formats import date_format as format_date

from billing.api.objects import CaseReading
from billing.invoicing.models import Invoice
from customers.models import Seller
from dunning.cases import open_cases, stop
from dunning.models import DunningCase, DunningPolicy
from tests.dunning.conftest import DUE, live_through

Owing = Callable[..., Invoice]


@pytest.fixture
def anna(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("anna"))
    return client


def as_sent(page: Any) -> dict[str, Any]:
    """What a browser sends back of a page with inlines, when nothing was changed."""
    form: dict[str, Any] = {}
    for inline in page.context["inline_admin_formsets"]:
        for bound in (inline.formset.management_form, *inline.formset.initial_forms):
            form |= {bound.add_prefix(name): bound[name].value() for name in bound.fields}
    return {name: value for name, value in form.items() if value is not None and value is not False}


def test_a_step_that_is_taken_out_on_the_page_moves_the_debts_that_stood_before_it(
    anna: Client, seller: Seller, owing: Owing
) -> None:
    owing()
    open_cases(seller, DUE + timedelta(days=1), "test")
    address = reverse(
        "admin:dunning_dunningpolicy_change", args=[DunningPolicy.objects.get(code="sweden").pk]
    )
    form = as_sent(anna.get(address)) | {"name": "Sweden"}
    assert (form["steps-0-days"], form["steps-1-days"]) == (5, 15)
    answer = anna.post(address, form | {"steps-0-DELETE": "on", "steps-1-days": 16}, follow=True)
    assert "now follow the changed policy: 1" in answer.content.decode()
    case = DunningCase.objects.get()
    assert case.next_step is not None
    assert (case.next_step.kind, case.next_step_on) == ("remind", DUE + timedelta(days=16))
    # The newest of its history: what was changed, and what was taken out.
    history = apps.get_model("dunning", "DunningStepEvent").objects.order_by("-pgh_id")[:2]
    assert {(kept.pgh_label, kept.days) for kept in history} == {("update", 16), ("delete", 5)}


def test_the_policies_that_come_along_are_not_deleted(anna: Client) -> None:
    shipped = DunningPolicy.objects.get(code="general")
    page = reverse("admin:dunning_dunningpolicy_delete", args=[shipped.pk])
    assert anna.post(page, {"post": "yes"}).status_code == 403


def test_the_page_of_a_debt_says_what_was_done_and_what_comes_when(
    anna: Client, seller: Seller, owing: Owing
) -> None:
    owing()
    live_through(seller, DUE, DUE + timedelta(days=20))
    case = DunningCase.objects.get()
    page = anna.get(reverse("admin:dunning_dunningcase_change", args=[case.pk]))
    done, to_come = (
        [re.findall("<td>(.*?)</td>", row) for row in panel["rows"]]
        for panel in page.context["panels"]
    )
    assert [row[1] for row in done] == ["remind", "remind", "restrict access"]
    assert [(row[1], row[2]) for row in to_come] == [
        ("30", "suspend access"),
        ("60", "cancel the subscription"),
        ("180", "write off"),
    ]


def test_a_stopped_debt_shows_no_next_step_anywhere_and_an_open_one_does(
    anna: Client, seller: Seller, owing: Owing
) -> None:
    invoice = owing()
    live_through(seller, DUE, DUE + timedelta(days=20))
    case = DunningCase.objects.get()
    pages = [
        reverse("admin:dunning_dunningcase_changelist"),
        reverse("admin:dunning_dunningcase_change", args=[case.pk]),
        reverse("admin:invoicing_invoice_change", args=[invoice.pk]),
        reverse("admin:customers_customer_change", args=[invoice.customer_id]),
    ]
    day = format_date(DUE + timedelta(days=30))
    assert [day in anna.get(page).content.decode() for page in pages] == [True] * 4
    stop(case, as_of=DUE + timedelta(days=21), actor="test", reason="Disputed")
    shown = [anna.get(page).content.decode() for page in pages]
    assert [day in each for each in shown] == [False] * 4
    assert not any("suspend access" in each for each in shown)
    assert CaseReading(DunningCase.objects.get()).data["next_step_on"] is None
    # It is kept, so that one can go on from it.
    assert DunningCase.objects.get().next_step_on == DUE + timedelta(days=30)


def test_a_debt_is_opened_from_the_list_and_reminding_stopped_from_there(
    anna: Client, seller: Seller, owing: Owing
) -> None:
    invoice = owing()
    live_through(seller, DUE, DUE + timedelta(days=6))
    listed = anna.get(reverse("admin:dunning_dunningcase_changelist")).content.decode()
    own = reverse("admin:dunning_dunningcase_change", args=[DunningCase.objects.get().pk])
    assert re.search(f'<a href="{own}"[^>]*>{invoice.number}</a>', listed)
    assert f"{own}act/stop/".replace("change/", "") in anna.get(own).content.decode()


def test_the_page_of_a_policy_counts_no_debts(anna: Client, owing: Owing) -> None:
    owing()
    policy = DunningPolicy.objects.get(code="sweden")
    with CaptureQueriesContext(connection) as one:
        anna.get(reverse("admin:dunning_dunningpolicy_change", args=[policy.pk]))
    with CaptureQueriesContext(connection) as all_of_them:
        anna.get(reverse("admin:dunning_dunningpolicy_changelist"))
    table = DunningCase._meta.db_table
    assert not [each for each in one.captured_queries if table in each["sql"]]
    assert [each for each in all_of_them.captured_queries if table in each["sql"]]


@pytest.mark.parametrize(
    ("days", "work", "found"),
    [(4, "today", 0), (30, "suspended", 1), (60, "suspended", 0), (30, "stopped", 0)],
)
def test_the_lists_behind_the_front_page(
    anna: Client, seller: Seller, owing: Owing, days: int, work: str, found: int
) -> None:
    owing()
    live_through(seller, DUE, DUE + timedelta(days=days))
    page = anna.get(reverse("admin:dunning_dunningcase_changelist"), {"work": work})
    # The clock is years ahead of these debts, so that every open one has a step today.
    assert page.context["cl"].result_count == (1 if work == "today" else found)
    if work == "stopped":
        stop(DunningCase.objects.get(), as_of=DUE, actor="test", reason="Disputed")
        page = anna.get(reverse("admin:dunning_dunningcase_changelist"), {"work": work})
        assert page.context["cl"].result_count == 1
