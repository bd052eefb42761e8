"""What was said in English when something happened is read in the language of the page."""

from html import unescape
from typing import Any

import pgtrigger
import pytest
from django.contrib import admin
from django.db.models import CharField, Model, TextField
from django.test import Client

from billing.desk.model_admin import Desk
from billing.events.models import Delivery, Trouble
from billing.invoicing.models import BalanceEntry, Invoice
from billing.jobs.models import JobRun
from billing.mail.models import Message
from billing.outbound.models import Hold, KillSwitch
from billing.payments.gateway_events import GatewayEvent
from billing.payments.models import Payment, Refund
from billing.subscriptions.models import Subscription
from billing.tax.models import VatNumberCheck
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint
from customers.models import Customer
from dunning.models import DunningAction, DunningCase
from tests.admin.conftest import Rows
from tests.admin.shown import url
from tests.admin.test_refusals import errors_of, sent_by
from tests.factories import DAY

pytestmark = pytest.mark.django_db

# What a column is called that keeps why something is as it is.
KEEPING = {
    *("attention", "disabled_reason", "error", "failure", "last_error", "message", "outcome"),
    *("parked_reason", "problem", "reason"),
}
# Those that only people fill, and those that have a column of their own on their page.
OTHERS = {
    (KillSwitch, "reason"),
    (Subscription, "parked_reason"),
    (VatNumberCheck, "problem"),
}
SAID = [
    (Payment, "attention", "The gateway was called 20 times.", "har anropats 20 gånger."),
    (Refund, "attention", "The gateway's refund says 1, ours 2.", "står 1, i vår 2."),
    (GatewayEvent, "parked_reason", "We have no refund ref_1.", "ingen återbetalning ref_1."),
    (Delivery, "last_error", "The worker died in the last attempt.", "under det sista försöket."),
    (WebhookDelivery, "last_error", "It answered 500.", "Svaret var 500."),
    (WebhookEndpoint, "disabled_reason", "It answered 410 Gone.", "Svaret var 410 Gone."),
    (JobRun, "error", "The worker died.", "Processen dog."),
    (Trouble, "message", "Sandbox cannot be reached.", "Sandbox går inte att nå."),
    (Message, "last_error", "Let go by user:bo. Another mail says so.", "Ett annat mejl berättar"),
    (Message, "last_error", "Refused: Another mail says so.", "Refused: Ett annat mejl berättar"),
    (DunningCase, "reason", "Kvitt could not remind: No row", "inte göra det här: påminn."),
    (Invoice, "reason", "Not paid after all reminders.", "trots alla påminnelser."),
    (BalanceEntry, "description", "Taken back: Sorry", "Återtaget: Sorry"),
    (Hold, "reason", "It was never opened.", "Sidan öppnades aldrig."),
]


def test_every_column_that_keeps_sentences_is_shown_in_the_language_of_the_page() -> None:
    found, bare = 0, []
    for model, page in admin.site._registry.items():
        kept = page.kept_sentences if isinstance(page, Desk) else ()
        for field in model._meta.local_concrete_fields:
            is_text = isinstance(field, CharField | TextField) and not field.choices
            if is_text and field.name in KEEPING and (model, field.name) not in OTHERS:
                found += 1
                bare += [] if field.name in kept else [f"{model.__name__}.{field.name}"]
    assert found >= 12
    assert bare == []


@pytest.mark.parametrize(("model", "field", "said", "shown"), SAID)
def test_a_sentence_that_is_kept_is_read_in_swedish(
    anna: Client, rows: Rows, model: type[Model], field: str, said: str, shown: str
) -> None:
    row = rows[model]
    with pgtrigger.ignore():
        changed: dict[str, Any] = {field: said}
        model._base_manager.filter(pk=row.pk).update(**changed)
    page = url(model, "change", row.pk)
    swedish = unescape(anna.get(page, headers={"accept-language": "sv"}).content.decode())
    assert shown in swedish
    assert said not in swedish
    assert said in unescape(anna.get(page, headers={"accept-language": "en"}).content.decode())


def test_what_a_step_came_to_is_read_in_swedish(anna: Client, rows: Rows) -> None:
    case = rows[DunningCase]
    DunningAction.objects.create(
        case=case,
        step=case.next_step,
        kind="retry",
        done_on=DAY,
        outcome="There is no payment method that may be charged.",
    )
    page = anna.get(url(DunningCase, "change", case.pk), headers={"accept-language": "sv"})
    assert "Det finns inget betalsätt som vi får dra pengar från." in page.content.decode()


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "Insufficient funds"), ("sv", "För lite pengar på kontot")]
)
def test_why_a_charge_failed_is_said_in_words(
    anna: Client, rows: Rows, language: str, shown: str
) -> None:
    payment = rows[Payment]
    with pgtrigger.ignore():
        Payment.objects.filter(pk=payment.pk).update(failure_code="insufficient_funds")
    for address in (url(Payment, "changelist"), url(Payment, "change", payment.pk)):
        assert shown in anna.get(address, headers={"accept-language": language}).content.decode()


@pytest.mark.parametrize(
    ("language", "shown"),
    [("en", "could not be reached."), ("sv", "Registret gick inte att nå.")],
)
def test_why_a_vat_number_is_unknown_is_said_in_words(
    anna: Client, rows: Rows, language: str, shown: str
) -> None:
    check = rows[VatNumberCheck]
    with pgtrigger.ignore():
        VatNumberCheck.objects.filter(pk=check.pk).update(problem="UNREACHABLE")
    page = anna.get(url(VatNumberCheck, "change", check.pk), headers={"accept-language": language})
    assert shown in page.content.decode()


def test_what_a_model_refuses_is_read_in_swedish(anna: Client, rows: Rows) -> None:
    anna.defaults["HTTP_ACCEPT_LANGUAGE"] = "sv"
    address = url(Customer, "change", rows[Customer].pk)
    (error,) = errors_of(sent_by(anna, address, vat_number="SE556677889902"))["vat_number"]
    assert "är inget momsnummer i" in error
