"""What stands in the log of a link that was refused."""

import io
import logging

import pytest
from django.test import Client

from billing.logs import HideTokens
from tests.factories import CustomerFactory
from tests.portal.doors import token_for

BEARER = "kTg3_aB-9dQwErTyUiOpAsDfGhJkLzXcVbNm0123456"


@pytest.mark.parametrize("path", ["portal/enter", "portal/s", "pay/i", "pay/m", "pay/c"])
def test_a_link_is_logged_without_its_token(path: str) -> None:
    record = logging.LogRecord("x", 30, "x", 1, "%s: %s", ("Gone", f"/{path}/{BEARER}/pay/"), None)
    assert HideTokens().filter(record)
    assert record.getMessage() == f"Gone: /{path}/…/pay/"


def test_all_else_is_logged_as_it_is() -> None:
    record = logging.LogRecord("x", 30, "x", 1, "%s: %s", ("Gone", "/portal/invoices/inv_1/"), None)
    assert HideTokens().filter(record)
    assert record.args == ("Gone", "/portal/invoices/inv_1/")


@pytest.mark.django_db
def test_a_form_that_is_refused_tells_no_log_of_a_link_that_works() -> None:
    token = token_for(CustomerFactory())
    (console,) = [
        each for each in logging.getLogger().handlers if type(each) is logging.StreamHandler
    ]
    usual = console.setStream(io.StringIO())
    try:
        answer = Client(enforce_csrf_checks=True).post(f"/portal/enter/{token}/")
        said = console.stream.getvalue()
    finally:
        console.setStream(usual)
    assert answer.status_code == 403
    assert "/portal/enter/…/" in said
    assert token not in said
