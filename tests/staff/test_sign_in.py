"""Who gets in to the desk, by which way, and who does not."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from axes.models import AccessAttempt, AccessLog
from django.conf import settings as settings_in_force
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.template.loader import get_template
from django.test import Client, RequestFactory
from django.urls import URLResolver, get_resolver, reverse

from billing import settings as settings_as_shipped
from billing import urls
from billing.staff import second_step
from tests.house.test_checks import manage

PASSWORD = "correct-horse-7"  # noqa: S105
SET_UP, SECOND_STEP = "/accounts/2fa/", "/accounts/2fa/authenticate/"
NOON = datetime(2026, 3, 2, 11, tzinfo=UTC)


@pytest.fixture(autouse=True)
def now(settings: Any, db: None) -> Iterator[time_machine.Traveller]:
    """A clock that stands until a test moves it, in a house that asks for the second factor."""
    settings.STAFF_MFA = True
    cache.clear()
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def anna() -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


@pytest.fixture
def seed(anna: User) -> str:
    """The seed of anna's authenticator app; she has recovery codes as well."""
    seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    encrypt = second_step.MfaAdapter().encrypt
    totp = {"secret": encrypt(seed)}
    Authenticator.objects.create(user=anna, type=Authenticator.Type.TOTP, data=totp)
    codes = {"seed": encrypt("0123456789"), "used_mask": 0}
    Authenticator.objects.create(user=anna, type=Authenticator.Type.RECOVERY_CODES, data=codes)
    return seed


def enter(client: Client, name: str = "anna", password: str = PASSWORD, **more: Any) -> Any:
    asked = {"login": name, "password": password, **more.pop("data", {})}
    return client.post("/accounts/login/", asked, **more)


def code_of(seed: str) -> str:
    return format_hotp_value(hotp_value(seed, int(time.time()) // 30))


def show_code(client: Client, code: str) -> Any:
    return client.post(SECOND_STEP, {"code": code})


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def admin_urls() -> Iterator[str]:
    """An address for every named page of the admin, and one that none of them answers."""
    _, admin = get_resolver().namespace_dict["admin"]
    for name in {name for name in admin.reverse_dict if isinstance(name, str)}:
        for possibilities, *_ in admin.reverse_dict.getlist(name):
            for template, params in possibilities:
                yield "/admin/" + template % dict.fromkeys(params, "1")
    yield "/admin/nothing/is/here/"


# The second factor


def test_no_page_of_the_admin_answers_without_a_second_factor(anna: User, client: Client) -> None:
    assert enter(client).status_code == 302
    urls = list(admin_urls())
    assert len(urls) > 100
    for url in urls:
        for response in (client.get(url), client.post(url)):
            assert (response.status_code, response.headers.get("Location")) == (302, SET_UP), url


@pytest.mark.django_db(transaction=True)
def test_the_app_is_set_up_and_from_then_on_asked_for(anna: User, client: Client) -> None:
    enter(client)
    page = client.get("/accounts/2fa/totp/activate/")
    seed = page.context["form"].secret
    wrong = client.post("/accounts/2fa/totp/activate/", {"code": "000000"})
    assert "That code is wrong" in wrong.content.decode()
    response = client.post("/accounts/2fa/totp/activate/", {"code": code_of(seed)})
    assert response.headers["Location"] == "/accounts/2fa/recovery-codes/"
    assert len(client.get("/accounts/2fa/recovery-codes/").context["unused_codes"]) == 10
    assert is_in(client)

    other = Client()
    assert enter(other).headers["Location"] == SECOND_STEP
    assert not is_in(other)
    show_code(other, "000000")
    assert not is_in(other)
    show_code(other, code_of(seed))
    assert is_in(other)


def test_a_code_opens_once(seed: str) -> None:
    first, second = Client(), Client()
    for client in (first, second):
        enter(client)
        show_code(client, code_of(seed))
    assert is_in(first)
    assert not is_in(second)


def test_a_recovery_code_opens_once(anna: User, seed: str) -> None:
    codes = Authenticator.objects.get(user=anna, type="recovery_codes").wrap().get_unused_codes()
    first, second = Client(), Client()
    for client in (first, second):
        enter(client)
        show_code(client, codes[0])
    assert is_in(first)
    assert not is_in(second)


def test_who_signed_in_before_it_was_set_up_is_asked_for_it(
    anna: User, client: Client, request: pytest.FixtureRequest
) -> None:
    enter(client)
    seed = request.getfixturevalue("seed")
    response = client.get("/admin/?a=1")
    assert response.headers["Location"] == "/accounts/2fa/reauthenticate/?next=%2Fadmin%2F%3Fa%3D1"
    client.post(response.headers["Location"], {"code": code_of(seed)})
    assert is_in(client)


def test_a_factor_that_was_removed_opens_no_longer(anna: User, seed: str, client: Client) -> None:
    enter(client)
    show_code(client, code_of(seed))
    assert is_in(client)
    Authenticator.objects.filter(user=anna).delete()
    assert client.get("/admin/").headers["Location"] == SET_UP


def test_guessed_codes_are_few_and_the_right_one_has_to_wait(
    seed: str, client: Client, now: time_machine.Traveller
) -> None:
    enter(client)
    for guess in range(5):
        show_code(client, f"{guess:06}")
    show_code(client, code_of(seed))
    assert not is_in(client)
    now.shift(timedelta(minutes=6))
    show_code(client, code_of(seed))
    assert is_in(client)


def test_who_has_only_the_password_cannot_keep_its_owner_out(
    seed: str, client: Client, now: time_machine.Traveller
) -> None:
    enter(client)
    show_code(client, code_of(seed))
    assert is_in(client)  # From here on this browser is known.
    client.post("/accounts/logout/")
    thief = Client(REMOTE_ADDR="192.0.2.7")
    for _ in range(8):
        enter(thief, REMOTE_ADDR="192.0.2.7")
        for guess in range(6):
            show_code(thief, f"{guess:06}")
        now.shift(timedelta(minutes=6))
    enter(thief, REMOTE_ADDR="192.0.2.7")
    show_code(thief, code_of(seed))
    assert not is_in(thief)  # Thirty guesses a day are all that strangers have.
    enter(client)
    show_code(client, code_of(seed))
    assert is_in(client)


def test_a_known_browser_has_no_more_guesses_than_others(
    seed: str, client: Client, now: time_machine.Traveller
) -> None:
    enter(client)
    show_code(client, code_of(seed))
    assert is_in(client)
    client.post("/accounts/logout/")
    now.shift(timedelta(minutes=6))
    enter(client)
    for guess in range(5):
        show_code(client, f"{guess:06}")
    show_code(client, code_of(seed))
    assert not is_in(client)


def test_a_mark_of_another_user_or_of_nobody_makes_no_browser_known(
    anna: User, seed: str, client: Client
) -> None:
    other = User.objects.create_superuser("bo", password=PASSWORD)
    request = RequestFactory().get("/")
    answer = HttpResponse()
    for value in (f"{other.pk}:abc", "", "abc"):
        answer.set_signed_cookie(second_step.DEVICE, value, salt=second_step.DEVICE)
        request.COOKIES[second_step.DEVICE] = answer.cookies[second_step.DEVICE].value
        assert second_step._whose_guesses(request, anna) == f"{anna.pk}:strangers"
    request.COOKIES[second_step.DEVICE] = f"{anna.pk}:abc"
    assert second_step._whose_guesses(request, anna) == f"{anna.pk}:strangers"


def test_removing_a_factor_asks_again_who_it_is(
    anna: User, seed: str, client: Client, now: time_machine.Traveller
) -> None:
    enter(client)
    show_code(client, code_of(seed))
    now.shift(timedelta(minutes=6))
    for url in ("/accounts/2fa/totp/deactivate/", "/accounts/2fa/recovery-codes/generate/"):
        for response in (client.get(url), client.post(url)):
            assert response.headers["Location"].startswith("/accounts/reauthenticate/?next=")
    assert Authenticator.objects.filter(user=anna).count() == 2
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.filter(user=anna).exists()


def test_seeds_are_nothing_to_who_has_the_database_alone(
    anna: User, seed: str, client: Client, settings: Any
) -> None:
    stored = Authenticator.objects.get(user=anna, type="totp")
    assert seed not in str(stored.data)
    settings.SECRET_KEY = "another " * 8
    assert not stored.wrap().validate_code(code_of(seed))
    assert not stored.wrap().validate_code(code_of("A" * 32))
    settings.SECRET_KEY_FALLBACKS = [settings_in_force.SECRET_KEY, settings_as_shipped.SECRET_KEY]
    assert stored.wrap().validate_code(code_of(seed))


# Only the demo goes without


def test_the_second_factor_is_asked_for_unless_somebody_turns_it_off() -> None:
    assert settings_as_shipped.STAFF_MFA


def test_the_demo_gets_in_with_name_and_password(anna: User, client: Client, settings: Any) -> None:
    settings.STAFF_MFA = False
    enter(client)
    assert is_in(client)


def test_production_refuses_to_go_without(tmp_path: Any) -> None:
    production = {
        "KVITT_ENV": "production",
        "KVITT_SECRET_KEY": "x" * 50,
        "KVITT_ALLOWED_HOSTS": "billing.example.com",
        "KVITT_PUBLIC_URL": "https://billing.example.com",
        "KVITT_PG": "off",
        "KVITT_VAR": str(tmp_path),
        "KVITT_STAFF_MFA": "off",
    }
    done = manage("check", "--deploy", **production)
    assert done.returncode != 0
    assert "kvitt.E009" in done.stderr
    asked = "from django.conf import settings; print(settings.STAFF_MFA)"
    done = manage("shell", "--no-imports", "-c", asked, **production | {"KVITT_STAFF_MFA": "on"})
    assert done.stdout.strip() == "True"


# Wrong passwords


def test_wrong_passwords_lock_and_time_unlocks(
    anna: User, seed: str, client: Client, now: time_machine.Traveller
) -> None:
    answers = [enter(client, password="wrong").status_code for _ in range(7)]
    assert answers == [200, 200, 200, 200, 429, 429, 429]
    assert enter(client).status_code == 429
    # What is tried meanwhile does not make it longer.
    now.shift(timedelta(minutes=14))
    assert enter(client).status_code == 429
    now.shift(timedelta(minutes=2))
    assert enter(client).headers["Location"] == SECOND_STEP


def test_a_thousand_guesses_are_five(anna: User, client: Client) -> None:
    for guess in range(1000):
        enter(client, password=f"guess {guess}")
    assert AccessAttempt.objects.get().failures_since_start == 5


def test_who_guesses_locks_nobody_out_elsewhere(anna: User, client: Client) -> None:
    for _ in range(20):
        enter(client, password="wrong", REMOTE_ADDR="192.0.2.7")
    assert enter(client, REMOTE_ADDR="192.0.2.7").status_code != 302
    assert enter(client, REMOTE_ADDR="192.0.2.8").headers["Location"] == "/admin/"


def test_a_name_in_other_letters_is_the_same_name(anna: User, client: Client) -> None:
    for name in ("anna", "Anna", "aNNa", "ANNA", " anna "):
        response = enter(client, name, "wrong")
    assert response.status_code == 429


def test_the_addresses_of_one_subscriber_are_one(anna: User, client: Client) -> None:
    for number in range(5):
        response = enter(client, password="wrong", REMOTE_ADDR=f"2001:db8:1:2::{number:x}")
    assert response.status_code == 429
    assert enter(client, REMOTE_ADDR="2001:db8:1:3::1").status_code == 302


def test_what_a_client_says_of_its_address_counts_only_behind_a_proxy(
    anna: User, client: Client, settings: Any
) -> None:
    for number in range(5):
        response = enter(client, password="wrong", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}")
    assert response.status_code == 429
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    claimed = "10.0.0.1, 192.0.2.9"
    assert enter(client, HTTP_X_FORWARDED_FOR=claimed).status_code == 302
    assert AccessLog.objects.get().ip_address == "192.0.2.9"


def same_for_all(response: HttpResponse, name: str) -> tuple[int, str]:
    text = re.sub(r'(csrfmiddlewaretoken" value=")[^"]*', r"\1", response.content.decode())
    return response.status_code, text.replace(name, "NAME")


def test_the_answer_does_not_tell_who_exists(client: Client) -> None:
    for name, is_active, is_staff in (
        ("xx-at-work", True, True),
        ("xx-who-left", False, True),
        ("xx-who-was-none", False, False),
    ):
        User.objects.create_user(name, password=PASSWORD, is_active=is_active, is_staff=is_staff)
    # Both who are not there and who have left answer as staff do to a wrong password.
    tried = {"xx-at-work": "wrong", "xx-who-left": PASSWORD}
    tried |= {"xx-who-was-none": PASSWORD, "xx-nobody": "wrong"}
    for _ in range(6):
        answers = [
            same_for_all(enter(client, name, password), name) for name, password in tried.items()
        ]
        assert len(set(answers)) == 1
        cache.clear()
    assert answers[0][0] == 429


def test_a_colleague_without_staff_status_is_told_so_and_stays_out(client: Client) -> None:
    User.objects.create_user("cleo", password=PASSWORD)
    answer = client.post("/accounts/login/", {"login": "cleo", "password": PASSWORD}, follow=True)
    assert "no “Staff status”" in answer.content.decode()
    assert not is_in(client)
    wrong = enter(client, "cleo", "wrong").content.decode()
    assert "Username or password is wrong." in wrong
    # Guessing is counted all the same.
    for _ in range(5):
        answer = enter(client, "cleo")
    assert answer.status_code == 429


def test_who_is_entered_under_staff_is_staff(anna: User, client: Client, settings: Any) -> None:
    settings.STAFF_MFA = False
    client.force_login(anna)
    sent = {"username": "cleo", "password1": PASSWORD, "password2": PASSWORD}
    sent |= {"usable_password": "true", "as_read": ""}
    assert client.post(reverse("admin:auth_user_add"), sent).status_code == 302
    assert User.objects.get(username="cleo").is_staff


def test_passwords_are_kept_nowhere(anna: User, client: Client) -> None:
    enter(client, password="my secret word")
    attempt = AccessAttempt.objects.get()
    assert "my secret word" not in attempt.post_data + attempt.get_data + attempt.path_info


def test_an_operator_unlocks_before_the_time_is_over(
    anna: User, client: Client, settings: Any
) -> None:
    User.objects.create_user("bo", password=PASSWORD, is_staff=True)
    for _ in range(5):
        enter(client, "bo", "wrong")
    assert enter(client, "bo").status_code == 429
    settings.STAFF_MFA = False
    operator = Client()
    operator.force_login(anna)
    url = reverse("admin:axes_accessattempt_act", args=[AccessAttempt.objects.get().pk, "unlock"])
    form = operator.get(url).context["form"]
    operator.post(url, {"key": form["key"].value()})
    assert enter(client, "bo").status_code == 302


# In and out


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "https://testserver@evil.example/",
    ],
)
def test_nobody_is_sent_elsewhere(anna: User, url: str, seed: str, client: Client) -> None:
    enter(client, data={"next": url})
    assert show_code(client, code_of(seed)).headers["Location"] == "/admin/"
    again = client.get("/accounts/login/", {"next": url})
    assert again.headers["Location"] == "/admin/"
    out = client.post("/accounts/logout/", {"next": url})
    assert out.headers["Location"] == "/accounts/login/"


def test_one_lands_where_one_wanted_to_go(anna: User, seed: str, client: Client) -> None:
    wanted = "/admin/customers/customer/?q=x"
    at_door = client.get(wanted, follow=True)
    assert at_door.redirect_chain[-1][0].startswith("/accounts/login/?next=")
    enter(client, data={"next": wanted})
    assert show_code(client, code_of(seed)).headers["Location"] == wanted


def test_the_doors_of_the_admin_itself_are_shut(anna: User, client: Client) -> None:
    client.post("/admin/login/", {"username": "anna", "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_signing_out_takes_more_than_a_link(anna: User, client: Client) -> None:
    enter(client)
    assert client.get("/accounts/logout/").status_code == 200
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("page", ["signup", "password/reset", "email", "confirm-email"])
def test_nobody_enters_themselves_or_comes_back_by_mail(page: str, client: Client) -> None:
    assert client.get(f"/accounts/{page}/").status_code == 404


def test_a_session_is_for_the_browser_alone_and_until_it_is_shut(
    anna: User, client: Client
) -> None:
    cookie = enter(client).cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", "")
    assert Session.objects.get().expire_date <= NOON + timedelta(hours=12)


def test_who_is_no_longer_staff_is_out_at_once(anna: User, client: Client) -> None:
    enter(client)
    assert client.get(SET_UP).status_code == 200
    User.objects.update(is_staff=False)
    assert client.get(SET_UP).status_code == 302


def test_a_new_password_ends_the_other_sessions(anna: User) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        enter(client)
    asked = {"oldpassword": PASSWORD, "password1": "battery-staple-8"}
    response = here.post("/accounts/password/change/", asked | {"password2": "battery-staple-8"})
    assert response.headers["Location"] == SET_UP
    assert here.get(SET_UP).status_code == 200
    assert there.get(SET_UP).status_code == 302


def test_the_pages_do_without_scripts_and_styles_of_their_own(
    anna: User, seed: str, client: Client
) -> None:
    pages = [client.get("/accounts/login/")]
    enter(client)
    pages.append(client.get(SECOND_STEP))
    show_code(client, code_of(seed))
    for page in ("2fa/", "2fa/recovery-codes/", "2fa/recovery-codes/generate/", "2fa/webauthn/"):
        pages.append(client.get(f"/accounts/{page}"))
    for page in ("2fa/webauthn/add/", "2fa/totp/deactivate/", "password/change/", "logout/"):
        pages.append(client.get(f"/accounts/{page}"))
    Authenticator.objects.filter(type="totp").delete()
    pages.append(client.get("/accounts/2fa/totp/activate/"))
    for response in pages:
        text = response.content.decode()
        assert response.status_code == 200
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert not re.search(r"""<style|\sstyle=|\son\w+=""", text)
        for tag in re.findall(r"<script[^>]*>", text):
            assert " src=" in tag or 'type="application/json"' in tag


# The way back


def test_a_lost_factor_is_reset_on_the_server(anna: User, seed: str, client: Client) -> None:
    enter(client)
    show_code(client, code_of(seed))
    bystander = Client()
    bystander.force_login(User.objects.create_user("bo", is_staff=True))
    call_command("reset_mfa", "anna")
    assert not Authenticator.objects.filter(user=anna).exists()
    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")
    assert bystander.get(SET_UP).status_code == 200
    assert "reset on the server" in LogEntry.objects.get().change_message
    assert enter(client).headers["Location"] == "/admin/"
    assert client.get("/admin/").headers["Location"] == SET_UP


def test_resetting_a_user_who_is_not_there_names_those_who_are(anna: User) -> None:
    with pytest.raises(CommandError, match="no user ana. Staff: anna"):
        call_command("reset_mfa", "ana")


def test_an_operator_resets_a_lost_factor_and_it_is_noted(
    anna: User, seed: str, settings: Any
) -> None:
    settings.STAFF_MFA = False
    url = reverse("admin:auth_user_act", args=[anna.pk, "reset-mfa"])
    operator = Client()
    operator.force_login(User.objects.create_user("bo", is_staff=True))
    assert operator.get(url).status_code == 403
    boss = User.objects.create_superuser("cy")
    operator.force_login(boss)
    assert "second_step" in operator.get(reverse("admin:auth_user_changelist")).content.decode()
    form = operator.get(url).context["form"]
    operator.post(url, {"key": form["key"].value()})
    assert not Authenticator.objects.filter(user=anna).exists()
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (boss, str(anna.pk))
    assert "factors removed: 1" in entry.change_message


# What nobody types


UNLIKELY = ("", " ", "\x00", "a\x00b", "\x1b[0m", "\ud800", "9" * 30, "å" * 5000, "x" * 5000)


def answers(client: Client, url: str, name: str, value: str, **more: str) -> str:
    """What a form says of a value; whatever it is, it is answered and not stumbled over."""
    client.raise_request_exception = False
    sent = urlencode({**more, name: value}, errors="surrogatepass")
    answer = client.post(url, sent, content_type="application/x-www-form-urlencoded", follow=True)
    page = answer.content.decode()
    assert answer.status_code < 500, url
    assert "violates" not in page and "constraint" not in page
    return page


@pytest.mark.parametrize("name", ["login", "password", "next"])
def test_whatever_is_typed_at_the_door_is_answered(anna: User, client: Client, name: str) -> None:
    for value in UNLIKELY:
        AccessAttempt.objects.all().delete()
        more = {"login": "anna", "password": "wrong", "next": ""}
        answers(client, "/accounts/login/", name, value, **more)
        assert not is_in(client)


def test_whatever_is_typed_at_the_second_step_is_answered(
    anna: User, seed: str, client: Client
) -> None:
    enter(client)
    for value in UNLIKELY:
        answers(client, SECOND_STEP, "code", value)
        answers(client, SECOND_STEP, "credential", value)
        answers(client, "/accounts/2fa/webauthn/login/", "credential", value)
        cache.clear()
    assert not is_in(client)


def test_whatever_is_typed_where_password_and_factors_are_changed_is_answered(
    anna: User, seed: str, client: Client
) -> None:
    enter(client)
    show_code(client, code_of(seed))
    assert is_in(client)
    new = {"oldpassword": PASSWORD, "password1": "another-horse-8", "password2": "another-horse-8"}
    for value in UNLIKELY:
        for name in new:
            answers(client, "/accounts/password/change/", name, value, **new)
        answers(client, "/accounts/reauthenticate/", "password", value)
        answers(client, "/accounts/2fa/reauthenticate/", "code", value)
        answers(client, "/accounts/2fa/webauthn/reauthenticate/", "credential", value)
        for name in ("name", "credential"):
            answers(client, "/accounts/2fa/webauthn/add/", name, value)
    assert anna.check_password(PASSWORD)
    assert User.objects.get().check_password(PASSWORD)


def test_whatever_is_typed_where_the_app_is_set_up_is_answered(anna: User, client: Client) -> None:
    enter(client)
    for value in UNLIKELY:
        answers(client, "/accounts/2fa/totp/activate/", "code", value)
    assert not is_in(client)


# The look of its pages


def test_every_page_to_sign_in_is_of_ours_and_none_in_the_look_of_the_library() -> None:
    ours = settings_as_shipped.BASE_DIR / "templates"
    views = {
        name: view for name, view in _views(urls.sign_in) if getattr(view, "template_name", None)
    }
    assert {"account_login", "mfa_index", "mfa_add_webauthn", "mfa_view_recovery_codes"} <= {*views}
    foreign = {}
    for name, view in views.items():
        template: Any = get_template(view.template_name)
        origin = template.origin.name
        if not Path(origin).is_relative_to(ours):
            foreign[name] = origin
    # A text file to keep, not a page.
    assert {*foreign} <= {"mfa_download_recovery_codes"}


def _views(patterns: Any) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns)
        else:
            yield str(pattern.name), getattr(pattern.callback, "view_class", None)
