"""What stands still, on the front page: why, what to do, and who may let it go on."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client, override_settings
from django.urls import reverse

from billing.events.models import Event
from billing.outbound import actions
from billing.outbound.gate import Kind, refusal, standing_holds
from billing.outbound.models import KillSwitch
from customers.models import Seller
from tests.admin.test_actions import act
from tests.factories import SellerFactory

pytestmark = pytest.mark.django_db

PRESS = reverse("admin:outbound_killswitch_add")


@pytest.fixture
def seller() -> Seller:
    return SellerFactory(name="Rosteriet")


def front_page(client: Client) -> str:
    return client.get(reverse("admin:index")).content.decode()


def press(client: Client, **asked: Any) -> Any:
    return client.post(PRESS, {"reason": "Wrong prices", "is_meant": "on", **asked}, follow=True)


def test_nothing_is_said_where_nothing_stands_still(anna: Client) -> None:
    text = front_page(anna)
    assert "is stopped" not in text and "is held" not in text
    assert PRESS in text


def test_charging_of_all_is_stopped_and_goes_on_from_the_front_page(
    anna: Client, seller: Seller
) -> None:
    assert "Charging by all sellers is stopped" in press(anna).content.decode()
    assert refusal(Kind.CHARGE, seller.public_id)
    text = front_page(anna)
    assert "user:anna stopped it: Wrong prices" in text
    told = Event.objects.get(type="charging.stopped")
    assert (told.seller, told.actor, told.data["reason"]) == (
        seller.public_id,
        "user:anna",
        "Wrong prices",
    )
    assert "resumes" in act(anna, KillSwitch.objects.get(), "resume")
    assert refusal(Kind.CHARGE, seller.public_id) is None
    assert Event.objects.get(type="charging.resumed").actor == "user:anna"
    assert "is stopped" not in front_page(anna)


def test_one_sellers_charging_is_stopped_alone(anna: Client, seller: Seller) -> None:
    other = SellerFactory()
    press(anna, whose=seller.pk)
    assert "Charging by Rosteriet is stopped" in front_page(anna)
    assert refusal(Kind.CHARGE, seller.public_id) and not refusal(Kind.CHARGE, other.public_id)
    assert not Event.objects.filter(seller=other.public_id, type="charging.stopped").exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"reason": ""}, "This field is required"),
        ({"is_meant": ""}, "This field is required"),
        ({"whose": "999999"}, "Select a valid choice"),
    ],
)
def test_it_is_pressed_with_a_reason_and_on_purpose(
    anna: Client, seller: Seller, asked: dict[str, str], said: str
) -> None:
    assert said in press(anna, **asked).content.decode()
    assert not KillSwitch.objects.exists()


def test_pressed_twice_it_says_that_it_is_on(anna: Client) -> None:
    press(anna)
    assert "is already stopped: Wrong prices" in press(anna).content.decode()
    assert KillSwitch.objects.count() == 1


def test_who_may_not_press_is_told_why_and_has_no_button(bo: Client, seller: Seller) -> None:
    assert PRESS not in front_page(bo)
    assert bo.post(PRESS, {"reason": "x", "is_meant": "on"}).status_code == 403
    switch = actions.stop_charging(reason="Wrong prices", actor="user:anna")
    text = front_page(bo)
    assert "Wrong prices" in text
    assert f"/outbound/killswitch/{switch.pk}/act/" not in text
    may = Permission.objects.get(codename="press_killswitch")
    User.objects.get(username="bo").user_permissions.add(may)
    assert f"/outbound/killswitch/{switch.pk}/act/" in front_page(bo)


def test_a_hold_says_why_and_what_to_do_and_a_person_lets_everything_go_on(anna: Client) -> None:
    held = actions.hold("clock_jumped", "The last tick was nine days ago.")
    text = front_page(anna)
    assert "Everything is held" in text and "nine days ago" in text
    assert "resumes" in act(anna, held, "go-on")
    assert not standing_holds().exists()


def test_a_hold_after_a_restore_asks_whether_both_sides_were_compared(anna: Client) -> None:
    held = actions.hold("database_is_older", "A backup was restored. Run reconcile.")
    assert act(anna, held, "go-on").startswith("REFUSED This field is required")
    assert standing_holds().exists()
    assert "resumes" in act(anna, held, "go-on", is_compared="on")
    assert not standing_holds().exists()
    assert act(anna, held, "go-on", is_compared="on").startswith("REFUSED")


@override_settings(OUTBOUND=False)
def test_off_is_said_as_well(anna: Client) -> None:
    assert "KVITT_OUTBOUND is off" in front_page(anna)
