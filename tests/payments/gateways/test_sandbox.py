"""What the sandbox is like, as its folder tells the rest of Kvitt."""

import json
from typing import Any

import pytest

from billing.engine.declines import Decline
from billing.payments.gateways.base import About, Notice, Subject
from billing.payments.gateways.sandbox.client import SandboxKind
from billing.sandbox.cards import OUTCOMES
from billing.sandbox.words import LANGUAGES

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


def test_every_reason_of_the_sandboxs_has_its_own_among_ours() -> None:
    told = {key.removeprefix("failed_") for key in LANGUAGES["en"] if key.startswith("failed_")}
    assert told >= {each.failure_code for each in OUTCOMES.values() if each.failure_code}
    translated = {code: SandboxKind().decline_of(code) for code in told}
    assert len(translated) >= 4
    assert Decline.DECLINED not in translated.values()
    for outcome in OUTCOMES.values():
        if outcome.failure_code:
            assert translated[outcome.failure_code].is_hard == outcome.is_hard


@pytest.mark.parametrize("code", ["", "canceled", "something_new"])
def test_a_reason_that_nobody_knows_is_a_plain_decline(code: str) -> None:
    assert SandboxKind().decline_of(code) is Decline.DECLINED
