"""The desk as a Swedish browser sees it: no English but names."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django_countries import countries

from billing.base import clock
from billing.front_page.stops import SEEN
from billing.invoicing.models import Invoice
from billing.jobs.models import Heartbeat
from billing.ledger.models import Account
from billing.outbound.models import Hold, KillSwitch
from billing.subscriptions.models import Subscription
from customers.actions import change_details
from customers.models import Customer, Seller
from tests.admin.conftest import Rows
from tests.admin.labels import OURS
from tests.admin.shown import MAY, url
from tests.admin.test_labels import catalog
from tests.admin.test_sellers import choose
from tests.factories import DAY, CustomerFactory, InvoiceFactory, SellerFactory
from tests.visible import texts_of

pytestmark = pytest.mark.django_db

# Words that an English sentence of the desk can hardly do without; none of them is Swedish.
ENGLISH = re.compile(
    r"\b(a|an|and|are|as|by|from|has|is|it|no|not|nothing|none|of|on|the|their|to|today|was|what"
    r"|with|yes|yet)\b",
    re.IGNORECASE,
)
# What is typed at a prompt is the same in every language.
COMMAND = re.compile("`[^`]*`")


# What is no English: the letter that stands for a user, and what a place is called.
NAMES = {"A", "Isle of Man", "Palestina, State of"}


def english_in(
    client: Client, address: str, language: str = "sv", *, row: str = "Thing", **part: Any
) -> list[str]:
    """The English texts on a page, or in a part of it; ``row`` is what its row is called."""
    page = client.get(address, headers={"accept-language": language})
    assert page.status_code == 200
    texts = texts_of(page.content.decode(), **part)
    assert texts
    return [
        text
        for text in texts
        if ENGLISH.search(COMMAND.sub("", text))
        and text not in NAMES
        and "Thing" not in text
        and row not in text
    ]


# Words that are the same in both languages, keys, and what data of the tests and of the demo's
# policies is called.
SAME = {
    *("A", "Ctrl K", "c", "e", "esc", "f", "k"),
    *("Export", "Kvitt", "anna", "sandbox", "standard", "ValueError"),
    *("Göteborg", "Kungsportsavenyen 10", "ESSESESS", "General", "Sweden", "<unknown>"),
    *("base", "category 1", "mail", "sv"),
}
# What is the same in every language: ids, types of events, addresses, codes and figures.
CODE = re.compile(r"[\w.,*:/@+#…×%·–—-]*[_.:@/\d][\w.,*:/@+#…×%·–—()-]*|[A-Z]{1,4}|%|•+|…")


def same_in_both_languages(client: Client, address: str, row: str) -> set[str]:
    """What a page says in one way to whomever, but for names, codes and words that are the same."""
    said = []
    for language in ("en", "sv"):
        page = client.get(address, headers={"accept-language": language})
        assert page.status_code == 200, address
        said.append({*texts_of(page.content.decode())})
    known = catalog()
    return {
        text
        for text in said[0] & said[1]
        if "Thing" not in text
        and row not in text
        and text.casefold().rstrip(":") not in known.get(text.casefold().rstrip(":"), ())
        and not all(CODE.fullmatch(word) for word in text.split())
    }


@pytest.fixture
def busy(rows: Rows, settings: Any) -> Rows:
    """One of everything, sums of a test seller, and all that can stand still standing still."""
    settings.OUTBOUND = False
    seller = SellerFactory(name="Säljare")
    InvoiceFactory(customer=CustomerFactory(seller=seller), lines=[{"amount_minor": 30_000}])
    SellerFactory(live=True, name="Skarp")
    Hold.objects.create(code="restored", reason="Skäl")
    KillSwitch.objects.create(reason="Skäl", on_by="user:anna", seller=rows[Seller].public_id)
    Heartbeat.objects.create(name=Heartbeat.TICK, beat_at=clock.now() - timedelta(hours=2))
    return rows


def test_the_front_page_is_swedish(anna: Client, busy: Rows) -> None:
    address = reverse("admin:index")
    assert english_in(anna, address) == []
    assert len(english_in(anna, address, "en", within="content")) > 20


def test_the_front_page_of_a_chosen_seller_is_swedish(anna: Client, busy: Rows) -> None:
    choose(anna, busy[Seller])
    assert english_in(anna, reverse("admin:index")) == []
    page = anna.get(reverse("admin:index"), headers={"accept-language": "sv"})
    assert "Här räknas alla säljare." in page.content.decode()


def test_the_front_page_says_in_swedish_how_long_ago_the_last_run_was(
    anna: Client, rows: Rows
) -> None:
    tick = {"beat_at": clock.now() - timedelta(seconds=3)}
    Heartbeat.objects.update_or_create(name=Heartbeat.TICK, defaults=tick)
    page = anna.get(reverse("admin:index"), headers={"accept-language": "sv"}).content.decode()
    assert "3 sekunder sedan" in page.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("model", [Customer, Subscription, Invoice, Seller])
def test_the_tables_on_a_page_are_swedish(anna: Client, rows: Rows, model: type[Customer]) -> None:
    address = url(model, "change", rows[model].pk)
    assert english_in(anna, address, within="desk-panel") == []
    assert english_in(anna, address, "en", within="desk-panel")


def test_lists_and_pages_are_swedish(anna: Client, rows: Rows) -> None:
    """But for what a row is called, which the log and refusals call it as well.

    What roles and their users may do is called as Django keeps it.
    """
    models = [model for model in admin.site._registry if model.__module__.startswith(OURS)]
    assert len(models) > 30
    for model in models:
        row = model._base_manager.get(pk=rows[model].pk)
        name = str(row)
        for address in (url(model, "changelist"), url(model, "change", row.pk)):
            assert english_in(anna, address, row=name) == [], address


def test_nothing_on_any_page_is_the_same_in_both_languages_but_names(
    anna: Client, rows: Rows
) -> None:
    called = {str(country) for _, country in countries}
    called |= {text for each in Account.objects.all() for text in (each.name, str(each))}
    found = {}
    for model, page in admin.site._registry.items():
        row = model._base_manager.get(pk=rows[model].pk)
        addresses = [url(model, "changelist"), url(model, "change", row.pk)]
        addresses += [
            url(model, "act", row.pk, action.name) for action in getattr(page, "page_actions", ())
        ]
        if "a" in MAY[model]:
            addresses.append(url(model, "add"))
        for address in addresses:
            if same := same_in_both_languages(anna, address, str(row)) - SAME - called:
                found[address] = same
    assert found == {}


def test_a_history_is_swedish(anna: Client, rows: Rows) -> None:
    change_details(rows[Customer], as_of=DAY, actor="user:anna", city="Lund")
    address = url(Customer, "history", rows[Customer].pk)
    assert english_in(anna, address, row=str(rows[Customer])) == []


def test_what_a_search_finds_and_does_not_find_is_said_in_swedish(anna: Client, rows: Rows) -> None:
    address = reverse("admin:search")
    for term, said in (("Thing", "träff"), ("xyzzy", "Sökningen gav inga träffar")):
        page = anna.get(address, {"s": term}, headers={"accept-language": "sv"})
        assert said in " ".join(texts_of(page.content.decode()))
        assert "result" not in " ".join(texts_of(page.content.decode()))


@pytest.mark.parametrize("name", ["account_login", "account_logout"])
def test_the_pages_to_sign_in_and_out_are_swedish(anna: Client, client: Client, name: str) -> None:
    browser = client if name == "account_login" else anna
    assert english_in(browser, reverse(name)) == []
    page = browser.get(reverse(name), headers={"accept-language": "sv"}).content.decode()
    assert '<html lang="sv">' in page and "Logga " in page


@pytest.mark.parametrize("name", ["mfa_index", "mfa_add_webauthn", "mfa_activate_totp"])
def test_the_pages_of_the_second_step_are_swedish(anna: Client, name: str) -> None:
    assert english_in(anna, reverse(name)) == []


@pytest.mark.parametrize("code", SEEN)
def test_a_hold_says_what_was_seen_in_the_language_of_the_page(anna: Client, code: str) -> None:
    Hold.objects.create(code=code, reason="The particulars of what was seen.")
    address = reverse("admin:index")
    assert english_in(anna, address, within="desk-stop") == []
    assert "The particulars of what was seen." in english_in(
        anna, address, "en", within="desk-stop"
    )
