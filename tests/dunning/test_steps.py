"""What stands of a kind of step in one place, and what follows from it."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from billing.events.models import Event
from billing.events.types import PUBLIC
from billing.invoicing.models import Invoice
from customers.models import Seller
from dunning import steps
from dunning.access import ACCESSES
from dunning.models import DunningAction, DunningCase, DunningChoice, DunningPolicy, DunningStep
from dunning.steps import KINDS, Batch, StepKind
from tests.dunning.conftest import DUE, sweep

OF_OPERATORS = Path(__file__).resolve().parents[2] / "docs/dunning.md"


def test_every_kind_is_told_of_and_leaves_an_access_that_there_is() -> None:
    assert [kind.event for kind in KINDS.values() if kind.event not in PUBLIC] == []
    assert {kind.leaves for kind in KINDS.values()} <= set(ACCESSES)
    assert len({kind.event for kind in KINDS.values()}) == len(KINDS)


def test_the_page_for_operators_says_what_every_kind_does() -> None:
    _, _, section = OF_OPERATORS.read_text().partition("## What the steps do")
    rows = re.findall(r"^\| ([a-z ]+) \|", section, re.MULTILINE)
    unsaid = [kind.title for kind in KINDS.values() if not kind.title.startswith(tuple(rows[1:]))]
    assert unsaid == []


@pytest.mark.django_db
def test_a_kind_is_chosen_and_taken_as_soon_as_it_stands_there(
    monkeypatch: pytest.MonkeyPatch, seller: Seller, owing: Callable[..., Invoice]
) -> None:
    def send_flowers(cases: Sequence[DunningCase], batch: Batch) -> None:
        for case in cases:
            steps._note(case, batch, flowers=3)

    toy = StepKind("toy", "send flowers", "dunning.reminded", send_flowers, ends_case=True)
    monkeypatch.setitem(KINDS, "toy", toy)
    call_command("makemigrations", "dunning", check_changes=True, dry_run=True, verbosity=0)
    policy = DunningPolicy.objects.create(seller=seller, code="toy", name="Toy")
    step = DunningStep(policy=policy, since="due", days=1, kind="toy")
    step.full_clean()
    step.save()
    DunningStep.objects.create(policy=policy, since="due", days=9, kind="remind")
    DunningChoice.objects.create(seller=seller, policy=policy)
    owing()
    sweep(seller, DUE + timedelta(days=1))
    assert str(DunningAction.objects.get()).startswith("send flowers")
    assert Event.objects.get(type="dunning.reminded").data["flowers"] == 3
    assert DunningCase.objects.get().status == "exhausted"
