"""Names that would be more than names: in headers, in text and in HTML."""

import html.parser
from typing import Any

import pytest

from billing.invoicing.sheets import luminance, readable
from billing.mail.looks import accent_of, readable_in_the_dark
from billing.mail.models import Message
from billing.mail.outbox import send_due
from tests.factories import CustomerFactory
from tests.mail.server import Provider
from tests.mail.world import Kind, World, ask_to_sign_in, at, day_of, happen

pytestmark = pytest.mark.django_db

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7|add:7 }}{% load static %}",
    "</title><style>*{display:none}</style>",
    "javascript:alert(1)",
    "Åsa & Söner “AB” <b>",
]
BREAKS = [
    "Åsa\r\nBcc: all@example.com",
    "Åsa\nSubject: You have won",
    "Åsa\u2028Bcc: x@example.com",
]


class Elements(html.parser.HTMLParser):
    """Counts what a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def kept(kind: str, **world: Any) -> Message:
    with at(day_of(kind)):
        message = happen(kind, **world)
        while send_due():
            pass
    message.refresh_from_db()
    assert (message.state, message.last_error) == ("sent", "")
    return message


@pytest.mark.parametrize("kind", [Kind.RECEIPT, Kind.RENEWAL, Kind.SIGN_IN])
def test_hostile_names_add_no_element(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of customers, sellers and plans."""
    plain = Elements(kept(kind).html).found
    plan, everything = World.plan, " ".join(HOSTILE)[:190]
    monkeypatch.setattr(World, "plan", lambda self, *args, **more: plan(self, everything, **more))
    hostile = kept(kind, name=everything, seller_name=everything)
    assert Elements(hostile.html).found == plain
    assert HOSTILE[0] in hostile.text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_adds_no_element(name: str) -> None:
    plain = Elements(kept(Kind.SIGN_IN).html).found
    assert Elements(kept(Kind.SIGN_IN, seller_name=name).html).found == plain


@pytest.mark.parametrize("name", BREAKS)
def test_a_name_with_a_line_break_makes_no_header(name: str, post_office: Provider) -> None:
    world = World(name=name, seller_name=name)
    ask_to_sign_in(world.customer)
    send_due()
    (taken,) = post_office.mails
    assert taken["Bcc"] is None
    assert len(taken.get_all("Subject", [])) == 1
    assert len(taken.get_all("To", [])) == 1
    assert "asa@example.com" in str(taken["To"])
    assert "You have won" not in taken["Subject"] or taken["Subject"].startswith("Sign in to Åsa")


def test_a_name_with_a_line_break_makes_no_paragraph() -> None:
    message = kept(Kind.SIGN_IN, seller_name="Rosteriet\n\nPay to 123-4567")
    assert "\nPay to" not in message.text
    assert message.subject == "Sign in to Rosteriet Pay to 123-4567"


@pytest.mark.parametrize(
    "name", ["Åsa Öberg", "李小龍", "Jean-Luc “JL” d'Été, Esq.", 'Say "hello"', "a@b.example, c"]
)
def test_names_reach_the_recipient_as_they_are(name: str, post_office: Provider) -> None:
    world = World(name=name)
    ask_to_sign_in(world.customer)
    send_due()
    (taken,) = post_office.mails
    (address,) = taken["To"].addresses
    assert (address.display_name, address.addr_spec) == (name, "asa@example.com")


@pytest.mark.parametrize("address", ["nobody", "å@example.com", "two words@example.com", "a@b@c"])
def test_an_address_that_is_none_fails_and_harms_no_other(
    address: str, post_office: Provider
) -> None:
    world = World()
    world.customer.email = address
    world.customer.save(update_fields=["email"])
    bad = ask_to_sign_in(world.customer)
    good = ask_to_sign_in(CustomerFactory(seller=world.seller, email="good@example.com"))
    send_due()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert good.state == "sent"
    assert bad.state in {"failed", "sent"}
    assert len(post_office.taken) == [bad.state, good.state].count("sent")


def test_a_colour_is_darkened_or_lightened_until_it_can_be_read() -> None:
    def contrast(one: str, other: str) -> float:
        lights = sorted(
            luminance([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) for colour in (one, other)
        )
        return (lights[1] + 0.05) / (lights[0] + 0.05)

    for colour in ("#ffffff", "#f2c200", "#b4532a", "#1d5fbf", "#14171f", "#000000", "#00ff00"):
        assert contrast(readable(colour), "#ffffff") >= 4.5
        assert contrast(readable_in_the_dark(colour), "#171b22") >= 4.5
        assert contrast(readable_in_the_dark(colour), "#0f1217") >= 4.5


def test_a_colour_that_is_none_falls_back_to_ink() -> None:
    world = World()
    world.seller.accent_color = "red;}"
    assert accent_of(world.seller)["light"] == "#14171f"
