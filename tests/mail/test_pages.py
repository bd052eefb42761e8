"""Where mail is looked at: the admin's log and the demo's mailbox, neither of which opens more."""

from pathlib import Path
from typing import Any, Literal

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from billing.demo.shop import open_shop
from billing.events.models import Event
from billing.events.recorder import fan_out, unheard
from billing.mail import actions, mailbox, outbox
from billing.mail.models import Message
from billing.mail.words.bills import INVOICE
from customers.models import Customer
from tests.browsing import chromium
from tests.factories import DAY, CustomerFactory, InvoiceFactory, make_accounts
from tests.mail.world import Kind, World, ask_to_sign_in, at, day_of, happen, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("anna"))
    return client


def send() -> None:
    while outbox.send_due():
        pass


# The admin


def test_the_log_shows_what_was_sent_in_a_frame_that_can_do_nothing(anna: Client) -> None:
    with at(DAY):
        message = happen(Kind.INVOICE)
        send()
        page = anna.get(reverse("admin:mail_message_change", args=[message.pk])).content.decode()
        preview = anna.get(reverse("admin:mail_message_preview", args=[message.pk]))
    assert "Here is invoice 1 for SEK" in page
    assert 'src="/admin/mail/message/' in page
    assert "sandbox" in page
    policy = preview.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert policy.endswith("sandbox")
    assert preview.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "/pay/i/•••/" in preview.content.decode()


def test_the_customers_page_lists_the_mail(anna: Client) -> None:
    with at(DAY):
        message = happen(Kind.INVOICE)
        send()
        page = anna.get(reverse("admin:customers_customer_change", args=[message.customer_id]))
    assert "Invoice 1 from Rosteriet" in page.content.decode()


@pytest.mark.parametrize(
    "typed", ["asa@example.com", "AP@b.example", "boss@b.example", "b.example", "copy", "Öberg"]
)
def test_a_mail_is_found_by_everybody_to_whom_it_went(anna: Client, typed: str) -> None:
    with at(DAY):
        world = World()
        named = {"invoice_to": ["asa@example.com", "ap@b.example"]}
        copies = {"invoice_cc": ["boss@b.example", "Copy@c.example"]}
        Customer.objects.filter(pk=world.customer.pk).update(email="", **named, **copies)
        world.customer.refresh_from_db()
        world.invoice()
        tell()
        happen(Kind.INVOICE, name="Bo")
    page = anna.get(reverse("admin:mail_message_changelist"), {"q": typed})
    found = {each.customer_id for each in page.context["cl"].result_list}
    assert world.customer.pk in found
    assert (len(found) == 2) == (typed == "asa@example.com")
    shown = page.content.decode()
    assert "asa@example.com, ap@b.example (copy to boss@b.example, Copy@c.example)" in shown


def test_who_may_not_see_mail_sees_no_preview(client: Client) -> None:
    user = User.objects.create_user("cleo", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_customer"))
    client.force_login(user)
    message = ask_to_sign_in(World().customer)
    url = reverse("admin:mail_message_preview", args=[message.pk])
    assert client.get(url).status_code == 403
    assert Client().get(url).status_code == 302


# The demo's mailbox


@pytest.fixture
def shop(settings: Any, tmp_path: Path) -> Customer:
    """The demo's shop with a customer, and mail that goes into its mailbox."""
    settings.IN_DEMO, settings.VAR_DIR = True, tmp_path
    settings.MAILERS = {
        "default": {
            "BACKEND": "billing.mail.mailbox.EmailBackend",
            "OPTIONS": {"folder": tmp_path / "mail"},
        }
    }
    seller = open_shop()
    make_accounts(seller)
    return CustomerFactory(seller=seller, name="Åsa Öberg", email="asa@example.com", language="sv")


def test_the_mailbox_shows_what_was_sent(shop: Customer, client: Client) -> None:
    ask_to_sign_in(shop)
    ask_to_sign_in(CustomerFactory(seller=shop.seller, name="Bo", email="bo@example.com"))
    send()
    page = client.get("/demo/mail/?language=sv").content.decode()
    assert "Kundernas mejl" in page
    assert page.count("Logga in hos Dagbräck") == 2
    found = client.get("/demo/mail/", {"language": "en", "to": "ÅSA"})
    assert [mail["address"] for mail in found.context["mails"]] == ["asa@example.com"]


def test_a_mail_is_shown_with_its_text_and_its_files(shop: Customer, client: Client) -> None:
    invoice = InvoiceFactory(customer=shop)
    facts = {"subject": invoice.public_id}
    actions.post(INVOICE, object=invoice.public_id, customer=shop, facts=facts)
    send()
    (mail,) = client.get("/demo/mail/").context["mails"]
    url = f"/demo/mail/{mail['name']}/"
    page = client.get(url, {"language": "sv"})
    assert f"faktura-{invoice.number}.pdf" in page.content.decode()
    assert "Här är faktura" in client.get(url, {"as": "text"}).content.decode()
    file = client.get(f"{url}files/0")
    assert file.content.startswith(b"%PDF-")
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert client.get(f"{url}files/1").status_code == 404
    html = client.get(f"{url}html")
    assert "data:image/png;base64," in html.content.decode()
    assert "cid:" not in html.content.decode()
    policy = html.headers["Content-Security-Policy"]
    assert policy.endswith("sandbox allow-popups allow-popups-to-escape-sandbox")


@pytest.mark.parametrize("name", ["nothing", "20260301110000000000-00000000", "..%2Fsecret_key"])
def test_the_mailbox_opens_no_other_file(shop: Customer, client: Client, name: str) -> None:
    assert client.get(f"/demo/mail/{name}/").status_code == 404
    assert mailbox.read(Path("/"), "etc/passwd") is None


@pytest.mark.parametrize("path", ["", "x/", "x/html", "x/files/0"])
def test_there_is_no_mailbox_without_the_demo(
    shop: Customer, client: Client, settings: Any, path: str
) -> None:
    settings.IN_DEMO = False
    assert client.get(f"/demo/mail/{path}").status_code == 404


def test_half_a_mail_is_never_seen(shop: Customer, tmp_path: Path) -> None:
    ask_to_sign_in(shop)
    send()
    (tmp_path / "mail" / "20260301110000000000-00000000.123").write_bytes(b"Subject: half")
    assert len(mailbox.newest(tmp_path / "mail")) == 1


# What was only played


def test_nobody_is_mailed_of_days_that_were_only_played() -> None:
    with at(DAY):
        world = World()
        world.invoice()
        heard = World()
        heard.invoice()
        with unheard(world.seller.public_id):
            fan_out()
        tell()
    assert not Event.objects.filter(is_fanned_out=False).exists()
    assert [message.seller for message in Message.objects.all()] == [heard.seller]


# In a browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_mails_fit_the_screen_and_no_word_is_lost(
    width: int, scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    pages = []
    for number, kind in enumerate((Kind.INVOICE, Kind.REMINDER, Kind.RENEWAL)):
        with at(day_of(kind)):
            message = happen(kind, "sv", name="Å" * 60, seller_name="Kaffekompaniet " * 6)
            send()
        message.refresh_from_db()
        page = tmp_path / f"{number}.html"
        page.write_text(message.html)
        pages.append(page)
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
        for page in pages:
            tab.goto(page.as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            ground = "getComputedStyle(document.querySelector('.paper')).backgroundColor"
            expected = "rgb(23, 27, 34)" if scheme == "dark" else "rgb(255, 255, 255)"
            assert tab.evaluate(ground) == expected
            button = tab.locator(".button").bounding_box()
            assert button
            assert button["height"] >= 44
