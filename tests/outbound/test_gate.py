"""What closes the gate, and for what."""

import pytest
from django.test import override_settings

from billing.engine.errors import Refused
from billing.outbound import actions
from billing.outbound.gate import Held, Kind, Pass, pass_out, refusal, standing_holds
from billing.outbound.models import Hold, KillSwitch
from tests.factories import SellerFactory

pytestmark = pytest.mark.django_db


def passing(seller: str | None = None) -> set[Kind]:
    return {kind for kind in Kind if refusal(kind, seller) is None}


def test_everything_leaves_where_nothing_stands_in_its_way() -> None:
    assert passing() == set(Kind)
    assert pass_out(Kind.CHARGE, "sel_1") == Pass(Kind.CHARGE, "sel_1")


def test_off_is_off_for_all_that_leaves_and_nobody_is_asked() -> None:
    with override_settings(OUTBOUND=False):
        assert passing() == {Kind.NUMBER}
        with pytest.raises(Held, match="KVITT_OUTBOUND") as caught:
            pass_out(Kind.QUESTION)
    assert caught.value.code == "outbound_off"


def test_a_hold_lets_gateways_be_asked_and_nothing_else() -> None:
    held = actions.hold("database_is_older", "A backup was restored. Run reconcile.", {"a": 1})
    assert passing() == {Kind.QUESTION}
    with pytest.raises(Held, match="Run reconcile") as caught:
        pass_out(Kind.NUMBER)
    assert (caught.value.code, caught.value.details) == (
        "outbound_held",
        {"hold": "database_is_older"},
    )
    actions.release(held, actor="user:anna")
    assert passing() == set(Kind)


def test_each_of_several_holds_must_be_released() -> None:
    first = actions.hold("database_is_older", "A backup was restored.")
    second = actions.hold("clock_jumped", "The clock jumped.")
    assert actions.hold("clock_jumped", "Again.").pk == second.pk
    actions.release(first, actor="user:anna")
    assert [each.code for each in standing_holds()] == ["clock_jumped"]
    assert passing() == {Kind.QUESTION}
    with pytest.raises(Refused, match="already"):
        actions.release(first, actor="user:berit")
    first.refresh_from_db()
    assert (first.released_by, first.released_at is None) == ("user:anna", False)


def test_a_kill_switch_stops_charging_alone_of_one_or_of_all() -> None:
    one = actions.stop_charging(seller="sel_1", reason="Wrong price.", actor="user:anna")
    assert passing("sel_1") == set(Kind) - {Kind.CHARGE}
    assert passing("sel_2") == passing() == set(Kind)
    every = actions.stop_charging(reason="The bank called.", actor="user:berit")
    actions.resume_charging(one, actor="user:anna")
    assert passing("sel_1") == passing("sel_2") == passing() == set(Kind) - {Kind.CHARGE}
    with pytest.raises(Held, match="by user:berit: The bank called") as caught:
        pass_out(Kind.CHARGE, "sel_2")
    assert caught.value.code == "charging_stopped"
    actions.resume_charging(every, actor="user:berit")
    assert passing("sel_1") == set(Kind)


def test_a_kill_switch_has_a_reason_and_is_pressed_once() -> None:
    with pytest.raises(Refused, match="Say why"):
        actions.stop_charging(reason="  ", actor="user:anna")
    on = actions.stop_charging(reason="Wrong price.", actor="user:anna")
    with pytest.raises(Refused, match="already stopped: Wrong price") as caught:
        actions.stop_charging(reason="Again.", actor="user:berit")
    assert caught.value.code == "charging_stopped"
    actions.resume_charging(on, actor="user:berit")
    with pytest.raises(Refused, match="already off"):
        actions.resume_charging(on, actor="user:berit")


def test_who_stopped_and_who_let_go_on_stays_written() -> None:
    seller = SellerFactory().public_id
    switch = actions.stop_charging(seller=seller, reason="Wrong price.", actor="user:anna")
    actions.resume_charging(switch, actor="user:berit")
    history = KillSwitch.objects.get(pk=switch.pk).events.order_by("pgh_id")  # type: ignore[attr-defined]
    assert [(each.pgh_label, each.on_by, each.off_by) for each in history] == [
        ("insert", "user:anna", ""),
        ("update", "user:anna", "user:berit"),
    ]
    held = actions.release(actions.hold("clock_jumped", "It jumped."), actor="user:anna")
    assert Hold.objects.get(pk=held.pk).events.count() == 2  # type: ignore[attr-defined]
