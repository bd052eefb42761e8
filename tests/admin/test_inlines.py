"""What people type into the rows of a form within a form: refused beside its field, or taken."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.test import Client, RequestFactory
from django.urls import reverse

from dunning.models import DunningChoice, DunningPolicy, DunningStep
from tests.admin.conftest import Rows
from tests.factories import PlanFactory, SellerFactory

pytestmark = pytest.mark.django_db

# A name of a constraint, as the database writes it.
GUARD = re.compile(r"\b[a-z]+_[a-z]+_[a-z_]+\b")
UNLIKELY = (
    "",
    "x",
    "-1",
    "3651",
    "1.5",
    "9" * 30,
    "9" * 5000,
    "NaN",
    "1e9",
    "\x00",
    "1\x00",
    "\x1b",
)
UNLIKELY_ROWS = (*UNLIKELY, "0x1", "'", "9" * 19)


@pytest.fixture
def policy(rows: Rows) -> DunningPolicy:
    seller = SellerFactory()
    policy: DunningPolicy = DunningPolicy.objects.create(seller=seller, code="own", name="Own")
    return policy


def send(
    anna: Client,
    policy: DunningPolicy,
    steps: list[dict[str, Any]] | None = None,
    choices: list[dict[str, Any]] | None = None,
    counts: dict[str, str] | None = None,
) -> Any:
    asked: dict[str, Any] = {"name": policy.name}
    for prefix, found in (("steps", steps or []), ("choices", choices or [])):
        asked |= {f"{prefix}-TOTAL_FORMS": len(found), f"{prefix}-INITIAL_FORMS": 0}
        for number, row in enumerate(found):
            asked |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    url = reverse("admin:dunning_dunningpolicy_change", args=[policy.pk])
    return anna.post(url, asked | (counts or {}), follow=True)


def said_of(answer: Any) -> str:
    formsets = (answer.context or {}).get("inline_admin_formsets") or []
    errors = [str(each.formset.errors) + str(each.formset.non_form_errors()) for each in formsets]
    return " ".join([*errors, *map(str, get_messages(answer.wsgi_request))])


def test_days_that_nobody_means_are_refused_beside_their_field(
    anna: Client, policy: DunningPolicy
) -> None:
    for days in UNLIKELY:
        answer = send(anna, policy, [{"since": "due", "days": days, "kind": "remind"}])
        assert answer.status_code == 200
        assert "is_in_a_policy" not in answer.content.decode()
        assert not DunningStep.objects.filter(policy=policy).exists()


def test_what_is_wrong_is_said_in_its_cell_and_stays_text(
    anna: Client, policy: DunningPolicy
) -> None:
    row = {"since": "<b>", "days": "3651", "kind": "remind"}
    page = send(anna, policy, [row]).content.decode()
    cells = dict(re.findall(r'<td class="[^"]* field-(\w+) errors">(.*?)</td>', page, re.DOTALL))
    assert set(cells) == {"since", "days"}
    assert "&lt;b&gt; is not one of the available choices" in cells["since"]
    assert 'value="3651"' in cells["days"] and "less than or equal to" in cells["days"]


def test_a_forged_count_makes_no_more_rows_than_anybody_needs(
    anna: Client, policy: DunningPolicy
) -> None:
    answer = send(anna, policy, counts={"steps-TOTAL_FORMS": "100000"})
    assert answer.status_code == 200
    assert "at most 100" in said_of(answer)
    assert answer.content.decode().count("-since") < 1000


@pytest.mark.parametrize("name", ["id", "policy", "since", "kind", "seller", "plan"])
def test_no_field_of_a_row_breaks_the_page(anna: Client, policy: DunningPolicy, name: str) -> None:
    step = {"since": "due", "days": "1", "kind": "remind"}
    choice = {"seller": policy.seller_id, "plan": ""}
    for value in UNLIKELY_ROWS:
        answer = send(
            anna,
            policy,
            [step | {name: value}] if name not in choice else [],
            [choice | {name: value}] if name in choice or name == "id" else [],
        )
        assert answer.status_code == 200
        said = said_of(answer)
        assert not GUARD.search(said), said


def test_no_field_with_a_search_breaks_the_page_of_a_row(anna: Client, rows: Rows) -> None:
    """Every page of the desk that is added to, with a value in it that is no row's key."""
    for model, page in admin.site._registry.items():
        if not page.get_autocomplete_fields(RequestFactory().get("/")):
            continue
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
        for value in UNLIKELY_ROWS:
            fields = dict.fromkeys(page.autocomplete_fields, value)
            assert anna.post(url, fields).status_code in {200, 302, 403}, (url, value)


@pytest.mark.parametrize("count", ["", "x", "-1", "9" * 5000, "1\x00"])
def test_no_number_of_rows_breaks_the_page(anna: Client, policy: DunningPolicy, count: str) -> None:
    for name in ("steps-TOTAL_FORMS", "steps-INITIAL_FORMS", "choices-TOTAL_FORMS"):
        assert send(anna, policy, counts={name: count}).status_code == 200


def test_a_step_twice_or_a_choice_twice_is_refused_in_words(
    anna: Client, policy: DunningPolicy
) -> None:
    step = {"since": "due", "days": "1", "kind": "remind"}
    choice = {"seller": policy.seller_id, "plan": ""}
    foreign = {"seller": policy.seller_id, "plan": PlanFactory().pk}
    for steps, choices in (([step, step], []), ([], [choice, choice]), ([], [foreign])):
        answer = send(anna, policy, steps, choices)
        said = said_of(answer)
        assert answer.status_code == 200
        assert len(said) > 10
        assert not GUARD.search(said), said
    assert not DunningStep.objects.filter(policy=policy).exists()
    assert not DunningChoice.objects.filter(policy=policy).exists()
