"""The desk's labels in Swedish, found from the pages' own definitions."""

from datetime import date
from html.parser import HTMLParser
from typing import Any

import pytest
from babel.messages.pofile import read_po
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import translation

from billing.engine.errors import Refused
from billing.invoicing.models import CreditNote, Invoice
from billing.subscriptions.models import Subscription
from customers.models import Customer
from tests.admin.conftest import Rows
from tests.admin.labels import labels
from tests.admin.shown import url
from tests.architecture.test_translations import ROOT, words_of_desk

CATALOGS = [ROOT / place / "locale/sv/LC_MESSAGES/django.po" for place in ("", "billing/desk")]


def catalog() -> dict[str, set[str]]:
    """The English of the desk's words with the Swedish of each, whatever it is said of."""
    found: dict[str, set[str]] = {}
    for path in CATALOGS:
        for message in read_po(path.open("rb")):
            if message.context and message.context.split()[0] == "desk" and message.string:
                one, said = (_of_one(text).casefold() for text in (message.id, message.string))
                found.setdefault(one, set()).add(said)
    return found


def _of_one(text: Any) -> str:
    """A text, or of those that count the one of one."""
    return text if isinstance(text, str) else str(text[0])


@pytest.fixture
def shown(rows: Rows) -> dict[str, dict[str, str]]:
    """All labels, by language and where they stand."""
    for document in (rows[Invoice], rows[CreditNote]):
        document.closed_on = date(2026, 3, 1)
    request = _request()
    found = {}
    for language in ("en", "sv"):
        with translation.override(language):
            found[language] = labels(request, rows)
    return found


def _request() -> HttpRequest:
    request = RequestFactory().get("/admin/")
    request.user = User.objects.create_superuser("berit")
    return request


def test_every_label_of_the_desk_is_translated(shown: dict[str, dict[str, str]]) -> None:
    """A word that is the same in Swedish stands in the catalog all the same."""
    english, swedish, known = shown["en"], shown["sv"], catalog()
    assert english.keys() == swedish.keys()
    assert len(english) > 1000
    assert {
        at: text
        for at, text in english.items()
        if swedish[at] == text and text.casefold() not in known.get(text.casefold(), set())
    } == {}


def test_no_word_of_the_desk_is_translated_in_vain(shown: dict[str, dict[str, str]]) -> None:
    labelled = {text.casefold() for text in shown["en"].values()}
    said = {text.casefold() for text in words_of_desk()}
    assert catalog().keys() - labelled - said == set()


class Texts(HTMLParser):
    """The texts of a page, each as it stands between two tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.found.add(" ".join(data.split()).rstrip(":"))


def texts(client: Client, address: str, language: str) -> set[str]:
    page = client.get(address, headers={"accept-language": language})
    assert page.status_code == 200
    return Texts(page.content.decode()).found


CUSTOMER_LIST = {
    "Name": "Namn",
    "Email": "E-postadress",
    "External id": "Butikens id",
    "Country": "Land",
    "Sweden": "Sverige",
    "Collection": "Betalningsform",
    "Credit notes": "Kreditfakturor",
    "Late debts": "Förfallna skulder",
}
SUBSCRIPTION_PAGE = {
    "Customer": "Kund",
    "Currency": "Valuta",
    "Time zone": "Tidszon",
    "Cancels on": "Uppsagt till",
    "Next bill on": "Nästa fakturering",
    "Dates": "Datum",
    "Parked: it cannot be billed": "Parkerat: det kan inte faktureras",
    "Change plan or quantity": "Ändra abonnemanget",
    "Active": "Aktivt",
}


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [(Customer, "changelist", CUSTOMER_LIST), (Subscription, "change", SUBSCRIPTION_PAGE)],
)
def test_a_page_is_labelled_in_the_language_of_its_reader(
    anna: Client, rows: Rows, model: Any, kind: str, words: dict[str, str]
) -> None:
    address = url(model, kind, *([rows[model].pk] if kind == "change" else []))
    swedish, english = texts(anna, address, "sv"), texts(anna, address, "en")
    assert {*words.values()} - swedish == set()
    assert {*words} & swedish == set()
    assert {*words} - english == set()
    assert {*words.values()} & english == set()


def test_a_refusal_and_the_api_name_a_model_in_english() -> None:
    with translation.override("sv"):
        assert str(Invoice._meta.verbose_name) == "faktura"
        assert Invoice._meta.verbose_name_raw == "invoice"
        with pytest.raises(Refused, match="A invoice that is void cannot become paid."):
            Invoice(status=Invoice.Status.VOID).check_move(Invoice.Status.PAID)
    assert str(Invoice._meta.verbose_name) == "invoice"
