import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import mail as django_mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from billing.base.clock import now
from billing.events.models import Event
from billing.events.recorder import deliver_due, fan_out
from billing.jobs.models import JobRun
from billing.mail.models import Message
from billing.mail.outbox import JOB, send_due
from customers.models import AccessLink, Customer
from portal.models import Attempt
from portal.news import SIGN_IN_REQUESTED as REQUESTED
from portal.news import mail_at_once
from portal.sign_in import ADDRESS_TIMES, NETWORK_TIMES
from portal.visits import COOKIE, LASTS, forget_over
from tests.factories import CustomerFactory, SellerFactory
from tests.portal.doors import Purpose, plan_of, sign_in, started, text_of, token_for

pytestmark = pytest.mark.django_db


def asked() -> list[str]:
    return list(Event.objects.filter(type=REQUESTED).values_list("subject", flat=True))


def without_secrets(page: bytes, address: str) -> str:
    said = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", page.decode())
    return said.replace(address, "ADDRESS")


# Asking for a link


def test_a_known_and_an_unknown_address_get_the_same_answer(
    client: Client, customer: Customer
) -> None:
    known = client.post("/portal/", {"email": customer.email})
    unknown = client.post("/portal/", {"email": "nobody@example.com"})
    assert known.status_code == unknown.status_code == 200
    assert without_secrets(known.content, customer.email) == without_secrets(
        unknown.content, "nobody@example.com"
    )
    assert asked() == [customer.public_id]


def test_a_known_and_an_unknown_address_are_the_same_work(
    client: Client, customer: Customer, django_capture_on_commit_callbacks: Any
) -> None:
    on_commit = django_capture_on_commit_callbacks
    client.post("/portal/", {"email": "first@example.com"})

    def statements(address: str) -> list[tuple[str, str]]:
        with CaptureQueriesContext(connection) as seen, on_commit(execute=True):
            client.post("/portal/", {"email": address})
        return re.findall(
            r'(INSERT INTO|FROM) "?(\w+)"?', "; ".join(query["sql"] for query in seen)
        )

    work = statements(customer.email)
    assert work == statements("nobody@example.com")
    assert ("INSERT INTO", "events_event") in work
    assert ("INSERT INTO", "django_q_ormq") in work


def test_the_workers_get_the_same_hint_whoever_asks(
    client: Client, customer: Customer, django_capture_on_commit_callbacks: Any
) -> None:
    for address in (customer.email, "nobody@example.com"):
        with django_capture_on_commit_callbacks(execute=True):
            client.post("/portal/", {"email": address})
    hints = [queued.task for queued in OrmQ.objects.all()]
    assert [hint["func"] for hint in hints] == ["portal.news.mail_at_once"] * 2
    assert [hint["args"] for hint in hints] == [()] * 2
    assert customer.public_id not in str(hints)


def test_a_link_leaves_with_the_hint_and_not_with_the_next_tick(
    client: Client, customer: Customer
) -> None:
    client.post("/portal/", {"email": customer.email})
    mail_at_once()
    assert Message.objects.get(kind="sign_in").state == "sent"
    assert JobRun.objects.get(name=JOB).done == 1


def test_an_address_is_known_in_any_case(client: Client, customer: Customer) -> None:
    client.post("/portal/", {"email": f"  {customer.email.upper()} "})
    assert asked() == [customer.public_id]


def test_every_seller_of_an_address_sends_a_link_of_its_own(client: Client) -> None:
    customers = [
        CustomerFactory(seller=SellerFactory(), email="both@example.com") for _ in range(2)
    ]
    client.post("/portal/", {"email": "both@example.com"})
    assert asked() == [customer.public_id for customer in customers]
    event = Event.objects.filter(type=REQUESTED).latest("pk")
    assert (event.seller, event.data) == (customers[1].seller.public_id, {})


def test_a_sellers_own_page_asks_for_its_own_customers_alone(client: Client) -> None:
    mine, other = (CustomerFactory(email="both@example.com") for _ in range(2))
    page = client.get(f"/portal/?seller={mine.seller.public_id}")
    assert mine.seller.name in text_of(page)
    client.post(f"/portal/?seller={mine.seller.public_id}", {"email": "both@example.com"})
    assert asked() == [mine.public_id]
    assert other.public_id not in asked()


@pytest.mark.parametrize(
    "address", ["", "no address", "a@b", "x" * 300 + "@example.com", "a\0@b.se"]
)
def test_what_is_no_address_is_said_beside_the_field(client: Client, address: str) -> None:
    answer = client.post("/portal/", {"email": address})
    assert answer.status_code == 422
    assert b'class="wrong"' in answer.content
    assert asked() == []


def test_an_address_is_mailed_so_often_that_the_newest_link_still_works(
    client: Client, customer: Customer, clock: Any
) -> None:
    for _ in range(ADDRESS_TIMES + 2):
        assert client.post("/portal/", {"email": customer.email}).status_code == 200
    assert len(asked()) == ADDRESS_TIMES
    # Who was turned away waits no longer for having tried.
    clock.shift(timedelta(minutes=15, seconds=1))
    client.post("/portal/", {"email": customer.email})
    assert len(asked()) == ADDRESS_TIMES + 1


def test_a_network_is_told_to_wait_for_an_hour_and_no_longer(
    client: Client, customer: Customer, clock: Any
) -> None:
    for number in range(NETWORK_TIMES):
        client.post("/portal/", {"email": f"{number}@example.com"})
    answer = client.post("/portal/", {"email": customer.email})
    assert answer.status_code == 429
    assert asked() == []
    elsewhere = Client(REMOTE_ADDR="192.0.2.9")
    assert elsewhere.post("/portal/", {"email": customer.email}).status_code == 200
    clock.shift(timedelta(hours=1, seconds=1))
    assert client.post("/portal/", {"email": customer.email}).status_code == 200
    assert len(asked()) == 2


def test_attempts_are_kept_as_hashes_and_not_for_long(
    client: Client, customer: Customer, clock: Any
) -> None:
    client.post("/portal/", {"email": customer.email})
    assert not Attempt.objects.filter(key_hash__contains="@").exists()
    clock.shift(timedelta(days=3))
    client.post("/portal/", {"email": customer.email})
    assert Attempt.objects.count() == 2


# Coming in


def test_opening_a_link_signs_nobody_in_and_pressing_its_button_does(
    client: Client, customer: Customer
) -> None:
    token = token_for(customer, Purpose.SIGN_IN)
    page = client.get(f"/portal/enter/{token}/")
    assert customer.name in text_of(page)
    assert COOKIE not in client.cookies
    assert AccessLink.objects.get().used_at is None
    answer = client.post(f"/portal/enter/{token}/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/portal/home/")
    assert customer.name in text_of(client.get("/portal/home/"))


def test_a_link_is_used_once(client: Client, customer: Customer) -> None:
    token = token_for(customer)
    assert client.post(f"/portal/enter/{token}/").status_code == 302
    other = Client()
    for answer in (other.get(f"/portal/enter/{token}/"), other.post(f"/portal/enter/{token}/")):
        assert answer.status_code == 410
        assert "This link has already been used" in text_of(answer)
        assert COOKIE not in other.cookies


def test_an_old_link_explains_itself_and_mails_a_new_one(
    client: Client, customer: Customer, clock: Any
) -> None:
    token = token_for(customer)
    clock.shift(timedelta(minutes=15))
    answer = client.get(f"/portal/enter/{token}/")
    assert answer.status_code == 410
    assert "This link is too old" in text_of(answer)
    # Whoever has the link is not told to whom it belonged.
    assert customer.email not in answer.content.decode()
    again = client.post(f"/portal/enter/{token}/again/")
    assert again.status_code == 200
    assert customer.email not in again.content.decode()
    assert asked() == [customer.public_id]


def test_a_link_that_is_cut_short_says_so(client: Client, customer: Customer) -> None:
    token = token_for(customer)
    answer = client.get(f"/portal/enter/{token[:-3]}/")
    assert answer.status_code == 404
    assert "This link is incomplete" in text_of(answer)
    assert client.post(f"/portal/enter/{token[:-3]}/again/").status_code == 404
    assert asked() == []


def test_a_link_of_another_kind_lets_nobody_in(client: Client, customer: Customer) -> None:
    for purpose in (Purpose.PAY, Purpose.METHOD, Purpose.SUBSCRIPTION):
        assert client.post(f"/portal/enter/{token_for(customer, purpose)}/").status_code == 404


def test_signing_in_starts_a_session_that_nobody_could_have_known(
    client: Client, customer: Customer
) -> None:
    sign_in(client, customer)
    first = client.cookies[COOKIE].value
    sign_in(client, customer)
    assert client.cookies[COOKIE].value != first
    assert not Session.objects.filter(session_key=first).exists()
    cookie = client.cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/portal/")


def test_a_session_lasts_for_twelve_hours(visitor: Client, customer: Customer, clock: Any) -> None:
    clock.shift(LASTS - timedelta(seconds=1))
    assert visitor.get("/portal/home/").status_code == 200
    clock.shift(timedelta(seconds=1))
    door = f"/portal/?seller={customer.seller.public_id}"
    assert visitor.get("/portal/home/").headers["Location"] == door


def test_sessions_that_are_over_are_forgotten(
    visitor: Client, customer: Customer, clock: Any
) -> None:
    clock.shift(timedelta(hours=1))
    later = Client()
    sign_in(later, customer)
    clock.shift(LASTS - timedelta(minutes=1))
    assert [forget_over(now()) for _ in range(2)] == [1, 0]
    assert later.get("/portal/home/").status_code == 200


def test_signing_out_ends_the_session_wherever_its_cookie_is(visitor: Client) -> None:
    key = visitor.cookies[COOKIE].value
    assert visitor.get("/portal/sign-out/").status_code == 405
    assert "You are signed out" in text_of(visitor.post("/portal/sign-out/"))
    copy = Client()
    copy.cookies[COOKIE] = key
    assert copy.get("/portal/home/").status_code == 302


def test_the_way_back_to_the_shop_is_shown_to_who_came_from_it(
    client: Client, customer: Customer
) -> None:
    sign_in(client, customer, return_url="https://shop.example/account")
    assert b'href="https://shop.example/account"' in client.get("/portal/home/").content
    sign_in(client, customer, return_url="javascript:alert(1)")
    assert b"javascript:" not in client.get("/portal/home/").content


# Customers and staff


def test_staff_are_nobody_in_the_portal_and_customers_nobody_at_the_desk(
    client: Client, customer: Customer
) -> None:
    boss = User.objects.create_superuser("boss", password="known")
    client.force_login(boss)
    assert client.get("/portal/home/").headers["Location"] == "/portal/"
    sign_in(client, customer)
    # In one browser each is still who they are to their own door.
    assert customer.name in text_of(client.get("/portal/home/"))
    assert client.get("/admin/").status_code == 200
    client.post("/portal/sign-out/")
    assert client.get("/admin/").status_code == 200
    assert client.get("/portal/home/").status_code == 302


def test_neither_session_opens_the_other_door(client: Client, customer: Customer) -> None:
    boss = User.objects.create_superuser("boss", password="known")
    client.force_login(boss)
    staff_key = client.cookies["sessionid"].value
    sign_in(client, customer)
    customer_key = client.cookies[COOKIE].value
    crossed = Client()
    crossed.cookies[COOKIE], crossed.cookies["sessionid"] = staff_key, customer_key
    assert crossed.get("/portal/home/").status_code == 302
    assert crossed.get("/admin/").status_code == 302


# One subscription


def test_a_link_to_a_subscription_opens_it_and_nothing_else(
    client: Client, customer: Customer, subscription: object
) -> None:
    other = started(customer, plan_of(customer.seller, "99", name="Other"))
    own = customer.subscriptions.exclude(pk=other.pk).get()
    token = token_for(customer, Purpose.SUBSCRIPTION, subject=own.public_id)
    for _ in range(2):  # It is no sign-in, so it may be opened again.
        answer = client.get(f"/portal/s/{token}/", follow=True)
        assert answer.status_code == 200
        assert "Small" in text_of(answer)
    page = f"/portal/subscriptions/{own.public_id}/"
    for deed in ("change", "coupon", "pause", "cancel"):
        assert client.get(f"{page}{deed}/").status_code == 200
    assert client.get(f"/portal/subscriptions/{other.public_id}/").status_code == 404
    assert client.post(f"/portal/subscriptions/{other.public_id}/cancel/").status_code == 404
    invoice = customer.documents.earliest("pk")
    for path in (
        "home/",
        "invoices/",
        f"invoices/{invoice.public_id}/",
        f"invoices/{invoice.public_id}/pdf/",
        "methods/",
        "details/",
        "export/",
        "back/",
    ):
        door = f"/portal/?seller={customer.seller.public_id}"
        assert client.get(f"/portal/{path}").headers["Location"] == door, path
    assert b'class="menu"' not in answer.content


def test_a_link_to_a_subscription_takes_no_wider_visit_away(
    visitor: Client, customer: Customer, stranger: Customer, subscription: object
) -> None:
    own = customer.subscriptions.get()
    token = token_for(customer, Purpose.SUBSCRIPTION, subject=own.public_id)
    visitor.get(f"/portal/s/{token}/")
    assert visitor.get("/portal/invoices/").status_code == 200
    # Of another customer, it asks first.
    theirs = token_for(
        stranger, Purpose.SUBSCRIPTION, subject=stranger.subscriptions.get().public_id
    )
    assert stranger.name in text_of(visitor.get(f"/portal/s/{theirs}/"))
    assert visitor.get("/portal/invoices/").status_code == 200
    assert visitor.post(f"/portal/s/{theirs}/").status_code == 302
    assert visitor.get("/portal/invoices/").status_code == 302


def test_an_old_link_to_a_subscription_offers_a_way_in(
    client: Client, customer: Customer, subscription: object, clock: Any
) -> None:
    subject = customer.subscriptions.get().public_id
    token = token_for(customer, Purpose.SUBSCRIPTION, subject=subject)
    clock.shift(timedelta(days=31))
    assert client.get(f"/portal/s/{token}/").status_code == 410
    assert client.post(f"/portal/enter/{token}/again/").status_code == 200
    assert asked() == [customer.public_id]


# Language


def test_a_page_speaks_the_customers_language_until_they_choose_another(
    client: Client, seller: object
) -> None:
    customer = CustomerFactory(seller=seller, language="sv")
    sign_in(client, customer)
    page = client.get("/portal/home/", HTTP_ACCEPT_LANGUAGE="en")
    assert b'<html lang="sv">' in page.content
    assert "Allt är betalt." in text_of(page)
    assert page.headers["Content-Language"] == "sv"
    answer = client.post("/portal/language/", {"language": "en", "next": "/portal/home/"})
    assert answer.headers["Location"] == "/portal/home/"
    assert "Everything is paid." in text_of(client.get("/portal/home/"))
    away = client.post("/portal/language/", {"language": "en", "next": "https://evil.example/"})
    assert away.headers["Location"] == "/"


def test_no_page_of_the_portal_is_kept_by_anybody(visitor: Client) -> None:
    for path in ("", "home/", "invoices/", "details/", "export/"):
        answer = visitor.get(f"/portal/{path}")
        if answer.status_code == 200:
            assert "no-store" in answer.headers["Cache-Control"], path


# The mail


def test_the_link_that_is_mailed_signs_in(client: Client, customer: Customer) -> None:
    client.post("/portal/", {"email": customer.email})
    mail_at_once()
    # The tick comes as well, and changes nothing.
    fan_out()
    deliver_due()
    send_due()
    assert Message.objects.filter(kind="sign_in").count() == 1
    (mail,) = django_mail.outbox
    link = re.search(r"/portal/enter/[\w-]+/", str(mail.body))
    assert link
    assert client.post(link[0]).status_code == 302
    assert customer.name in text_of(client.get("/portal/home/"))
    # Nothing that is kept has the link.
    kept = Message.objects.get(kind="sign_in")
    token = link[0].split("/")[3]
    assert token not in f"{kept.text}{kept.html}{kept.facts}"
    assert not Event.objects.filter(data__icontains=token).exists()
