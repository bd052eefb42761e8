"""Whoever reads an address is told when a customer no longer has it."""

from datetime import date

import pytest
from django.core import mail
from django.test import Client

from billing.mail.actions import send_again
from billing.mail.models import Message
from billing.mail.outbox import send_due
from customers.actions import change_details
from customers.models import AccessLink
from tests.factories import DAY
from tests.mail.world import World, ask_to_sign_in, at, place, tell

pytestmark = pytest.mark.django_db
OLD, NEW = "asa@example.com", "asa.ny@example.com"


def told_at(world: World) -> list[str]:
    """The addresses that were told of a change."""
    tell()
    told = Message.objects.filter(customer=world.customer, kind="address_changed")
    return list(told.order_by("pk").values_list("recipient", flat=True))


def move(world: World, address: str, as_of: date = DAY) -> None:
    change_details(world.customer, as_of=as_of, actor="test", email=address)


def test_the_old_address_is_told_and_the_new_one_is_not_named() -> None:
    with at(DAY):
        world = World()
        move(world, NEW)
        assert told_at(world) == [OLD]
        send_due()
    (sent,) = mail.outbox
    assert OLD in sent.to[0]
    assert NEW not in sent.body


def test_an_order_of_a_known_customer_with_another_address_tells_the_old_one() -> None:
    world = World()
    world.customer.email = NEW  # What is typed at the checkout; the row still has the old one.
    place(world)
    assert told_at(world) == [OLD]


def test_an_address_that_is_changed_on_the_desk_is_told(
    admin_client: Client,
) -> None:
    world = World()
    address = f"/admin/customers/customer/{world.customer.pk}/change/"
    form = admin_client.get(address).context["adminform"].form
    sent = {
        name: value if value is not None else ""
        for name, value in ((name, form[name].value()) for name in form.fields)
        if value is not False
    }
    answer = admin_client.post(address, sent | {"email": NEW})
    assert answer.status_code == 302
    assert told_at(world) == [OLD]


def test_nobody_is_told_where_no_address_was_or_the_same_is_written_in_another_way() -> None:
    world = World()
    move(world, "ASA@example.com")
    assert told_at(world) == []
    move(world, "")
    assert told_at(world) == ["ASA@example.com"]
    move(world, NEW)
    assert told_at(world) == ["ASA@example.com"]


def test_an_address_that_comes_back_takes_nothing_back_that_was_told() -> None:
    with at(DAY):
        world = World()
        move(world, NEW)
        move(world, OLD)
        assert told_at(world) == [OLD, NEW]
        send_due()
    assert len(mail.outbox) == 2


def test_what_is_sent_again_goes_to_the_old_address() -> None:
    world = World()
    move(world, NEW)
    tell()
    message = Message.objects.get(kind="address_changed")
    message.move("failed")
    assert send_again(message, as_of=DAY, actor="test").recipient == OLD
    assert Message.objects.count() == 1


def test_a_link_that_waits_to_be_mailed_goes_to_the_new_address_alone() -> None:
    with at(DAY):
        world = World()
        ask_to_sign_in(world.customer)
        move(world, NEW)
        while send_due():
            pass
    assert [each.to for each in mail.outbox] == [[f"Åsa Öberg <{NEW}>"]]
    link = AccessLink.objects.get()
    assert (link.customer, link.address) == (world.customer, NEW)


def test_an_address_that_is_only_written_in_another_way_is_the_same_for_what_waits() -> None:
    with at(DAY):
        world = World()
        ask_to_sign_in(world.customer)
        move(world, "ASA@example.com")
        send_due()
    assert [each.to for each in mail.outbox] == [[f"Åsa Öberg <{OLD}>"]]
