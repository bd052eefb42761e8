"""Why payments failed before there was one list of reasons: moved over by a migration."""

from importlib import import_module

import pytest
from django.db import connection

from billing.engine.declines import Decline
from billing.payments.models import Payment
from tests.factories import PaymentFactory

pytestmark = pytest.mark.django_db
MIGRATION = import_module("billing.payments.migrations.0005_failures_are_declines")
BEFORE = {
    "insufficient_funds": "insufficient_funds",
    "authentication_required": "authentication_failed",
    "canceled": "declined",
    "payment_method_mismatch": "declined",
    "declined": "declined",
    "": "",
}


def test_the_gateways_word_is_kept_and_a_decline_takes_its_place() -> None:
    payments = {code: PaymentFactory(failed=True, failure_code=code) for code in BEFORE}
    known = PaymentFactory(failed=True, failure_code="declined", gateway_code="canceled")
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(MIGRATION.KEEP_THE_WORD)
    for code, payment in payments.items():
        payment.refresh_from_db()
        assert (payment.failure_code, payment.gateway_code) == (BEFORE[code], code)
    known.refresh_from_db()
    assert (known.failure_code, known.gateway_code) == ("declined", "canceled")


@pytest.mark.parametrize("decline", list(Decline))
def test_a_reason_that_is_one_of_ours_stays_as_it_is(decline: Decline) -> None:
    payment = PaymentFactory(failed=True, failure_code=decline.value)
    with connection.cursor() as cursor:
        cursor.execute(MIGRATION.KEEP_THE_WORD)
    assert Payment.objects.get(pk=payment.pk).failure_code == decline
