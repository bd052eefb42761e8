"""What the desk's buttons ask, refuse and have done, to an operator with a Swedish browser."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.forms import BaseForm
from django.test import Client
from django.urls import reverse
from django.utils import translation

from billing.desk.page_actions import PageAction
from billing.invoicing.models import Invoice
from billing.subscriptions.models import Subscription
from tests.admin.test_actions import (
    act,
    act_url,
    customer,
    invoice,
    objects,
    plain,
    re_spaced,
    subscription,
)

__all__ = ["customer", "invoice", "objects", "subscription"]

# What is the same in both languages.
SAME = {"https://…"}


@pytest.fixture
def eva(anna: Client) -> Client:
    """A superuser whose browser asks for Swedish."""
    anna.defaults["HTTP_ACCEPT_LANGUAGE"] = "sv"
    return anna


def test_a_pause_is_foreseen_and_told_in_swedish(
    invoice: Invoice, subscription: Subscription, eva: Client
) -> None:
    asked = {"key": "k1", "until": "2026-03-11", "unused": "credit"}
    page = eva.post(act_url(subscription, "pause"), asked)
    said = plain(re_spaced(page.content.decode()))
    assert "Ingen tjänst och inga avgifter från och med i dag" in said
    assert "Dagar som redan är betalda" in said
    today, following = page.context["preview"].documents[:2]
    assert today.title == "I dag: kreditfaktura"
    assert today.note == "Det räknas av från det som är obetalt. Resten går till kundens " + (
        "tillgodohavande."
    )
    assert following.title == "Nästa gång: faktura"
    told = act(eva, subscription, "pause", until="2026-03-11", unused="credit")
    assert told.startswith("Pausat till den 11 mars 2026. Kreditfaktura C1 på 40,33 kr är")


def test_a_write_off_is_told_in_swedish_and_logged_in_english(
    invoice: Invoice, eva: Client
) -> None:
    assert act(eva, invoice, "write-off", reason="") == f"{invoice} är avskriven."
    entry = LogEntry.objects.latest("pk")
    assert entry.change_message.startswith(f"Wrote off {invoice}.")
    page = eva.get(reverse("admin:invoicing_invoice_history", args=[invoice.pk]))
    assert f"{invoice} är avskriven." in page.content.decode()


def test_refusals_are_told_in_swedish(
    invoice: Invoice, subscription: Subscription, eva: Client
) -> None:
    paid = {"amount": "125.001", "received_on": "2026-03-01"}
    assert act(eva, invoice, "record-payment", **paid) == (
        "REFUSED 125.001 har fler än de 2 decimaler som SEK har."
    )
    assert act(eva, subscription, "change", when="date") == (
        "REFUSED Välj dag. Välj en abonnemangsform eller skriv ett annat antal."
    )
    early = {"amount": "125", "received_on": "2026-03-02"}
    assert act(eva, invoice, "record-payment", **early) == (
        "REFUSED Den 2 mars 2026 har inte kommit än. Registrera pengarna den dag de har kommit in."
    )


def test_an_english_browser_reads_english(
    anna: Client, invoice: Invoice, subscription: Subscription
) -> None:
    anna.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    told = act(anna, subscription, "pause", until="2026-03-11", unused="credit")
    assert told.startswith("Paused until 11 March 2026. Issued credit note C1 of SEK")
    assert act(anna, subscription, "change", when="date") == (
        "REFUSED Choose the day. Choose a plan or enter another quantity."
    )


def test_all_that_an_action_asks_is_asked_in_swedish(
    objects: Mapping[type[Model], Model],
) -> None:
    english = {}
    for obj, action in _actions(objects):
        with translation.override("en"):
            asked = _asked(action, obj)
        with translation.override("sv"):
            swedish = _asked(action, obj)
        same = {text for text, other in zip(asked, swedish, strict=True) if text == other}
        english[f"{type(obj).__name__}.{action.name}"] = same - SAME
    assert len(english) > 40
    assert {name: found for name, found in english.items() if found} == {}


def _actions(objects: Mapping[type[Model], Model]) -> Iterator[tuple[Model, PageAction]]:
    for model, obj in objects.items():
        for action in getattr(admin.site._registry[model], "page_actions", ()):
            yield obj, action


def _asked(action: PageAction, obj: Model) -> list[str]:
    """The explanation of an action, and of each field its label and the help with it."""
    form: BaseForm = action.form_class(obj)
    fields: list[Any] = [field for field in form if not field.is_hidden]
    return [
        str(action.explanation),
        *(str(field.label) for field in fields),
        *(str(field.help_text) for field in fields if field.help_text),
    ]
