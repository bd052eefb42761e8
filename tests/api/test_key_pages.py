"""Keys on the operator's desk and from the command line: shown once, and written nowhere."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from billing.api.keys import make_key, open_with
from billing.api.models import ApiKey
from billing.base import clock
from customers.models import Seller


@pytest.fixture
def anna(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("anna"))
    return client


def act(client: Client, obj: ApiKey | Seller, name: str, /, **asked: object) -> str:
    """Do a page action; what the page says then."""
    options = obj._meta
    url = reverse(f"admin:{options.app_label}_{options.model_name}_act", args=[obj.pk, name])
    answer = client.post(url, {"key": f"form-{name}", **asked}, follow=True)
    assert answer.redirect_chain, answer.context["form"].errors
    return " ".join(str(message) for message in answer.context["messages"])


def shown(said: str) -> str:
    return said.rpartition(": ")[2]


def test_a_new_key_is_shown_once_and_not_logged(anna: Client, seller: Seller) -> None:
    said = act(
        anna,
        seller,
        "new-key",
        name="Webshop",
        kind="secret",
        scopes=["plans:read"],
        days="30",
        burst="500",
        per_s="100",
    )
    text = shown(said)
    caller = open_with(text, clock.now())
    assert caller is not None and caller.scopes == {"plans:read"}
    assert open_with(text, clock.now() + timedelta(days=31)) is None
    key = ApiKey.objects.get()
    assert (key.created_by, key.burst, key.per_s) == ("user:anna", 500, 100)
    page = anna.get(reverse("admin:customers_seller_change", args=[seller.pk])).content.decode()
    assert "Webshop" in page and text not in page
    logged = " ".join(LogEntry.objects.values_list("change_message", flat=True))
    assert "Webshop" in logged and text not in logged


def test_a_key_is_rotated_and_revoked_on_its_page(anna: Client, seller: Seller) -> None:
    key, old = make_key(seller, name="Webshop", actor="user:anna")
    new = shown(act(anna, key, "rotate", hours="24"))
    assert open_with(old, clock.now()) and open_with(new, clock.now())
    act(anna, key, "revoke")
    assert open_with(old, clock.now()) is None
    assert open_with(new, clock.now()) is not None


def test_a_keys_limits_are_changed_on_its_page(anna: Client, seller: Seller) -> None:
    key, _ = make_key(seller, name="Webshop", actor="user:anna", burst=7, per_s=3)
    url = reverse("admin:api_apikey_act", args=[key.pk, "limits"])
    form = anna.get(url).context["form"]
    assert [form[name].value() for name in ("burst", "per_s")] == [7, 3]
    act(anna, key, "limits", burst="1000", per_s="200")
    key.refresh_from_db()
    assert (key.burst, key.per_s) == (1000, 200)


def test_a_successor_ends_when_the_form_says(anna: Client, seller: Seller) -> None:
    key, _ = make_key(seller, name="Webshop", actor="user:anna")
    new = shown(act(anna, key, "rotate", hours="24", days="30"))
    assert open_with(new, clock.now() + timedelta(days=29)) is not None
    assert open_with(new, clock.now() + timedelta(days=31)) is None


def test_the_command_prints_the_key_alone(seller: Seller) -> None:
    said, told = StringIO(), StringIO()
    call_command("api_key", seller.public_id, scopes=["plans:read"], stdout=said, stderr=told)
    text = said.getvalue().strip()
    caller = open_with(text, clock.now())
    assert caller is not None and caller.scopes == {"plans:read"}
    assert text not in told.getvalue()


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("Nobody", {}, "names no seller"),
        ("", {"scopes": ["all"]}, "no scope"),
        ("", {"burst": 0}, "requests at once"),
        ("", {"publishable": True, "scopes": ["customers:read"]}, "publishable"),
    ],
)
def test_the_command_refuses_in_words(
    seller: Seller, name: str, options: dict[str, object], reason: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command("api_key", name or seller.public_id, **options)
    assert not ApiKey.objects.exists()
