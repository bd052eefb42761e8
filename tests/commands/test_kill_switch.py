import pytest
from django.core.management import CommandError, call_command

from billing.outbound.gate import Kind, refusal
from billing.outbound.models import KillSwitch
from tests.factories import SellerFactory

pytestmark = pytest.mark.django_db


def test_one_sellers_charging_is_stopped_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    seller = SellerFactory().public_id
    call_command("kill_switch", "on", "--seller", seller, "--reason", "Wrong prices")
    assert refusal(Kind.CHARGE, seller) and not refusal(Kind.CHARGE, "sel_other")
    assert "Wrong prices" in capsys.readouterr().out
    call_command("kill_switch", "off", "--seller", seller)
    assert not refusal(Kind.CHARGE, seller)
    assert "resumes for everybody" in capsys.readouterr().out
    assert KillSwitch.objects.get().off_by.startswith("server:")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("on",), "Say why"),
        (("off",), "not on"),
        (("on", "--seller", "sel_x", "--reason", "x"), "no seller sel_x"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("kill_switch", *asked)
    assert not KillSwitch.objects.exists()
