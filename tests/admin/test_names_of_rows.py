"""What rows are called: in the language of the page that shows it, and in English in the log."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

from billing.jobs.models import Heartbeat
from billing.staff.passkeys import name_of_passkey
from billing.staff.second_step import MfaAdapter
from billing.tax.models import TaxRegistration
from billing.usage.models import UsageRecord
from customers.models import AccessLink
from dunning.models import DunningAction, DunningChoice, DunningPolicy, DunningStep
from tests.admin.shown import url
from tests.factories import DAY, SellerFactory


@pytest.mark.parametrize(
    ("row", "english", "swedish"),
    [
        (DunningStep(kind="remind", days=1), "remind after 1 day", "påminn efter 1 dag"),
        (DunningStep(kind="remind", days=3), "remind after 3 days", "påminn efter 3 dagar"),
        (
            DunningAction(kind="remind", done_on=date(2026, 3, 1)),
            "remind on 1 March 2026",
            "påminn den 1 mars 2026",
        ),
        (
            DunningChoice(policy=DunningPolicy(name="Stern")),
            "Stern for all plans",
            "Stern för alla abonnemangsformer",
        ),
        (
            AccessLink(purpose="portal", expires_at=datetime(2026, 3, 1, 12, tzinfo=UTC)),
            "signs in, given by the shop (until 2026-03-01 12:00)",
            "loggar in, från butiken (till 2026-03-01 12:00)",
        ),
        (
            Heartbeat(name="tick", beat_at=datetime(2026, 3, 1, 12, tzinfo=UTC)),
            "tick at 2026-03-01 12:00:00 UTC",
            "tick 2026-03-01 12:00:00 UTC",
        ),
        (
            UsageRecord(meter_id=7, quantity=2, on=date(2026, 3, 1)),
            "7 2 on 1 March 2026",
            "7 2 den 1 mars 2026",
        ),
    ],
)
def test_a_row_is_called_in_the_language_of_the_page(row: Any, english: str, swedish: str) -> None:
    with translation.override("en"):
        assert str(row) == english
    with translation.override("sv"):
        assert str(row) == swedish


@pytest.mark.django_db
def test_the_log_calls_what_was_deleted_by_its_english_name(anna: Client) -> None:
    registration = TaxRegistration.objects.create(
        seller=SellerFactory(), country="SE", number="SE556012579001", valid_from=DAY
    )
    with translation.override("en"):
        name = str(registration)
    with translation.override("sv"):
        assert str(registration) != name
    answer = anna.post(
        url(TaxRegistration, "delete", registration.pk),
        {"post": "yes"},
        headers={"accept-language": "sv"},
    )
    assert answer.status_code == 302
    assert LogEntry.objects.get(action_flag=DELETION).object_repr == name


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("Passkey", "Inloggningsnyckel"),
        ("Passkey 2", "Inloggningsnyckel 2"),
        ("Passkey at work", "Passkey at work"),
        ("Telefonen", "Telefonen"),
    ],
)
def test_a_passkey_that_nobody_has_named_is_called_in_the_language_of_the_page(
    kept: str, shown: str
) -> None:
    with translation.override("sv"):
        assert name_of_passkey(kept) == shown


@pytest.mark.django_db
def test_a_passkey_is_kept_by_its_english_name_whatever_the_page_was() -> None:
    eva = User.objects.create_user("eva")
    with translation.override("sv"):
        assert MfaAdapter().generate_authenticator_name(eva, Authenticator.Type.WEBAUTHN) == (
            "Passkey"
        )
