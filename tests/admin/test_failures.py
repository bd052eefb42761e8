"""Pages of the desk that are not there, not allowed or do not work are ours, in the desk's look."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import DisallowedHost
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory

from catalog.models import Plan
from portal import failures
from tests.admin.conftest import Rows
from tests.admin.shown import url

LANGUAGES = [("en", 0), ("sv", 1)]


def in_(client: Client, language: str) -> Client:
    client.cookies["django_language"] = language
    return client


def words_of(answer: Any) -> str:
    """What a person reads on a page, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", unescape(answer.content.decode())).split())


def is_of_desk(answer: Any) -> bool:
    return b"unfold/css" in answer.content or b"sign_in.css" in answer.content


@pytest.mark.parametrize(("language", "number"), LANGUAGES)
def test_an_unknown_address_of_the_desk_keeps_its_menu_and_leads_on(
    anna: Client, language: str, number: int
) -> None:
    answer = in_(anna, language).get("/admin/r/1/2/")
    said = words_of(answer)
    assert answer.status_code == 404
    assert ("This page does not exist", "Sidan finns inte")[number] in said
    assert ("To the front page", "Till startsidan")[number] in said
    assert b"/admin/catalog/plan/" in answer.content
    assert f'lang="{language}"' in answer.content.decode()


def test_whoever_has_not_come_in_sees_no_menu_and_nobody(client: Client, anna: Client) -> None:
    for client_of in (client, anna):
        answer = client_of.get("/accounts/nothing/")
        assert answer.status_code == 404
        assert is_of_desk(answer)
        assert b"/admin/catalog/plan/" not in answer.content
        assert b"anna" not in answer.content


@pytest.mark.parametrize(("language", "number"), LANGUAGES)
def test_who_may_not_do_something_is_told_whom_to_ask(
    anna: Client, bo: Client, rows: Rows, language: str, number: int
) -> None:
    User.objects.create_superuser("vera", first_name="Vera", last_name="Ek")
    User.objects.create_superuser("gone", is_active=False)
    for path in (url(Plan, "add"), url(Plan, "delete", rows[Plan].pk), url(User, "changelist")):
        answer = in_(bo, language).get(path)
        assert answer.status_code == 403
        said = words_of(answer)
        assert ("You are signed in as bo", "Du är inloggad som bo")[number] in said
        assert ("Ask anna or Vera Ek,", "Fråga anna eller Vera Ek,")[number] in said
        assert is_of_desk(answer)


def test_where_nobody_gives_roles_whoever_runs_it_does(bo: Client) -> None:
    said = words_of(bo.get(url(Plan, "add")))
    assert "Ask whoever runs this installation" in said


@pytest.mark.parametrize(("language", "number"), LANGUAGES)
def test_a_form_that_cannot_be_accepted_says_what_to_do(
    db: None, language: str, number: int
) -> None:
    client = Client(enforce_csrf_checks=True)
    for is_signed_in in (False, True):
        if is_signed_in:
            client.force_login(User.objects.create_superuser("anna"))
        path = url(Plan, "add") if is_signed_in else "/accounts/login/"
        answer = in_(client, language).post(path)
        said = words_of(answer)
        assert answer.status_code == 403
        assert ("could not be accepted", "kunde inte tas emot")[number] in said
        assert is_of_desk(answer)
        assert "CSRF" not in said


def failing_with(error: Exception, path: str) -> HttpResponse:
    """The page of a failure, without the database: this asks for no fixture that opens it."""
    try:
        raise error
    except Exception:
        return failures.failed(RequestFactory().get(path))


@pytest.mark.parametrize("path", ["/admin/", "/accounts/login/"])
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError(), 500, ("does not work right now", "fungerar inte just nu")),
        (OperationalError(), 503, ("Try again in a moment", "Försök igen om en stund")),
    ],
)
def test_a_failure_at_the_desk_is_told_in_both_languages_without_the_database(
    error: Exception, status: int, said: tuple[str, str], path: str
) -> None:
    answer = failing_with(error, path)
    assert answer.status_code == status
    assert b"sign_in.css" in answer.content
    assert all(each in answer.content.decode() for each in said)


def test_what_cannot_be_read_is_told_in_both_languages_without_the_database() -> None:
    for path, style in (("/admin/", b"sign_in.css"), ("/portal/", b"portal.css")):
        request = RequestFactory().get(path)
        answer = failures.unreadable(request, DisallowedHost("evil.example"))
        assert answer.status_code == 400
        assert style in answer.content
        for said in ("could not be read", "kunde inte läsas", "KVITT_ALLOWED_HOSTS"):
            assert said in answer.content.decode()
        other = failures.unreadable(request, ValueError())
        assert b"KVITT_ALLOWED_HOSTS" not in other.content


def test_a_name_that_is_not_ours_gets_a_page_of_ours(client: Client, db: None) -> None:
    answer = client.get("/portal/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "KVITT_ALLOWED_HOSTS" in answer.content.decode()


def test_too_many_fields_are_refused_by_a_page_of_ours(anna: Client) -> None:
    sent = {f"field-{number}": "x" for number in range(5_000)}
    answer = anna.post(url(Plan, "add"), sent)
    assert answer.status_code == 400
    assert b"sign_in.css" in answer.content


def test_a_page_that_fails_at_the_desk_says_so(
    anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **more: Any) -> None:
        raise ValueError

    monkeypatch.setattr("billing.desk.model_admin.Desk.get_search_results", fail)
    anna.raise_request_exception = False
    answer = anna.get(url(Plan, "changelist"), {"q": "kaffe"})
    assert answer.status_code == 500
    assert "fungerar inte just nu" in words_of(answer)
    assert b"sign_in.css" in answer.content


@pytest.mark.parametrize(("language", "number"), LANGUAGES)
def test_who_signs_in_too_often_is_told_to_wait_in_the_look_of_the_desk(
    client: Client, db: None, settings: Any, language: str, number: int
) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login": "1/m/ip"}
    tried = {"login": "anna", "password": "wrong"}
    answers = [in_(client, language).post("/accounts/login/", tried) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].headers["Retry-After"] == "60"
    assert ("Wait a minute", "Vänta en minut")[number] in words_of(answers[1])
    assert is_of_desk(answers[1])
