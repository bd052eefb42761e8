"""What the sandbox is like, as its folder tells the rest of Kvitt."""

import json
from typing import Any

import pytest

from billing.payments.gateways.base import About, Notice, Subject
from billing.payments.gateways.sandbox.client import SandboxKind

NAMED = {"id": "x_1", "reference": "ours_1"}


def subject_of(type: str, body: Any) -> Subject | None:
    text = body if isinstance(body, str) else json.dumps(body)
    return SandboxKind().subject_of(Notice("evt_1", type, text))


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("charge.succeeded", About.CHARGE),
        ("refund.succeeded", About.REFUND),
        ("session.completed", About.SESSION),
    ],
)
def test_a_notice_says_what_it_is_about(type: str, kind: About) -> None:
    assert subject_of(type, {"object": NAMED}) == Subject(kind, "x_1", "ours_1", "")


@pytest.mark.parametrize(
    ("told", "status"),
    [("succeeded", "succeeded"), ("failed", "failed"), ("planned", ""), (None, ""), ({}, "")],
)
def test_a_charge_has_a_status_only_in_words_that_are_known(told: Any, status: str) -> None:
    subject = subject_of("charge.updated", {"object": NAMED | {"status": told}})
    assert subject and subject.status == status


@pytest.mark.parametrize(
    "body",
    [
        *("nonsense", "[1]", "null", "[" * 100_000),
        {},
        {"object": "ch_1"},
        {"object": {"id": "x_1"}},
        {"object": {"id": 1, "reference": "ours_1"}},
        {"object": {"id": "x_\x00", "reference": "ours_1"}},
    ],
)
def test_a_notice_that_makes_no_sense_is_about_nothing(body: Any) -> None:
    assert subject_of("charge.succeeded", body) is None


def test_what_we_know_nothing_of_is_about_nothing() -> None:
    assert subject_of("payout.sent", {"object": NAMED}) is None
