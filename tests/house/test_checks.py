import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import CheckMessage
from django.test import override_settings

from billing import checks

ROOT = Path(__file__).resolve().parents[2]


def ids_and_hints(found: list[CheckMessage]) -> list[tuple[str | None, str | None]]:
    return [(message.id, message.hint) for message in found]


def test_a_misspelt_variable_is_answered_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVITT_ALOWED_HOST", "example.com")
    found = checks.every_kvitt_variable_is_known()
    assert ("kvitt.W001", "Did you mean KVITT_ALLOWED_HOSTS?") in ids_and_hints(found)


def test_a_variable_may_name_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVITT_SECRET_KEY_FILE", "/run/secrets/key")
    assert checks.every_kvitt_variable_is_known() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("KVITT_ENV", "prod"), ("KVITT_PG", "no"), ("KVITT_DEBUG", "maybe"), ("KVITT_LOG_LEVEL", "X")],
)
def test_a_value_that_is_not_understood_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    (message,) = checks.every_choice_is_one_of_those_offered()
    assert f"{name}={value} is not understood" in message.msg


def test_development_needs_no_setting() -> None:
    assert checks.production_has_a_secret_key_and_host_names() == []


@override_settings(IN_PRODUCTION=True, ALLOWED_HOSTS=[])
def test_production_needs_a_secret_key_and_host_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KVITT_SECRET_KEY", raising=False)
    found = checks.production_has_a_secret_key_and_host_names()
    assert [message.id for message in found] == ["kvitt.E003", "kvitt.E004"]


@pytest.mark.parametrize("url", ["sqlite:///db.sqlite3", "mysql://host/name", "nonsense"])
def test_a_database_without_our_guards_is_refused(url: str) -> None:
    with override_settings(DATABASE_URL=url):
        (message,) = checks.the_database_is_postgresql()
    assert "the guards" in message.msg


def test_postgresql_is_accepted() -> None:
    with override_settings(DATABASE_URL="postgresql://user@host/name"):
        assert checks.the_database_is_postgresql() == []


def test_a_folder_for_files_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with override_settings(VAR_DIR=tmp_path / "file" / "var"):
        assert [found.id for found in checks.the_folder_for_files_can_be_written()] == [
            "kvitt.E006"
        ]
    with override_settings(VAR_DIR=tmp_path / "not" / "yet"):
        assert checks.the_folder_for_files_can_be_written() == []


@pytest.mark.guard
@pytest.mark.django_db
def test_the_server_of_the_tests_is_new_enough() -> None:
    assert checks.the_server_is_new_enough(databases=["default"]) == []


@pytest.mark.django_db
def test_a_server_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "VERSION_MIN", 99)
    (message,) = checks.the_server_is_new_enough(databases=["default"])
    assert message.id == "kvitt.E007"


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py as a stranger would, with this environment alone."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_without_anything_set_names_both_settings(tmp_path: Path) -> None:
    done = manage("check", KVITT_ENV="production", KVITT_PG="off", KVITT_VAR=str(tmp_path))
    assert done.returncode != 0
    assert "kvitt.E003" in done.stderr
    assert "kvitt.E004" in done.stderr
    assert "Traceback" not in done.stderr


def test_sqlite_is_refused_without_a_traceback(tmp_path: Path) -> None:
    done = manage("check", DATABASE_URL="sqlite:///x", KVITT_VAR=str(tmp_path))
    assert "kvitt.E005" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_cannot_start_is_one_sentence(tmp_path: Path) -> None:
    done = manage("check", KVITT_VAR=str(tmp_path), KVITT_PG_BIN=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("kvitt: KVITT_PG_BIN=")
    assert done.stderr.count("\n") == 1


def test_help_starts_no_database(tmp_path: Path) -> None:
    done = manage("help", KVITT_VAR=str(tmp_path), KVITT_PG_BIN=str(tmp_path))
    assert done.returncode == 0


def test_production_sends_no_webhooks_inside() -> None:
    inside = ["127.0.0.1"]
    with override_settings(IN_PRODUCTION=True, WEBHOOK_ALLOWED_HOSTS=inside):
        (message,) = checks.production_sends_no_webhooks_inside()
    assert message.id == "kvitt.E012"
    with override_settings(IN_PRODUCTION=True, WEBHOOK_ALLOWED_HOSTS=[]):
        assert checks.production_sends_no_webhooks_inside() == []
    with override_settings(WEBHOOK_ALLOWED_HOSTS=inside):
        assert checks.production_sends_no_webhooks_inside() == []


def test_production_says_where_its_mail_goes() -> None:
    with override_settings(EMAIL_URL="", DEFAULT_FROM_EMAIL="billing@localhost", OUTBOUND=False):
        found = checks.production_mails_its_customers()
    assert [message.id for message in found] == ["kvitt.E014", "kvitt.E015", "kvitt.W004"]
    with override_settings(
        EMAIL_URL="smtp://mail.example.com:25", DEFAULT_FROM_EMAIL="a@example.com", OUTBOUND=True
    ):
        assert checks.production_mails_its_customers() == []


def test_what_is_no_address_of_the_register_of_vat_numbers_is_refused() -> None:
    with override_settings(VIES_URL="ec.europa.eu"):
        (message,) = checks.the_register_of_vat_numbers_is_an_address()
    assert message.id == "kvitt.E016"
    for url in ("", "https://ec.europa.eu/taxation_customs/vies/rest-api"):
        with override_settings(VIES_URL=url):
            assert checks.the_register_of_vat_numbers_is_an_address() == []


def test_every_variable_that_is_documented_is_known_and_the_other_way_round() -> None:
    documented = set[str]()
    pages = [*ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*"), ROOT / "compose.yaml"]
    for page in filter(Path.is_file, pages):
        documented |= set(re.findall(r"\bKVITT_[A-Z_]+[A-Z]\b", page.read_text()))
    # The examples of the API keep their reader's key in a variable of its own, and tests write
    # what they compare where one tells them to.
    of_others = {"KVITT_KEY", "KVITT_WRITE_EXAMPLES"}
    found = {name.removesuffix("_FILE") for name in documented} - of_others
    assert found == checks.KNOWN_VARIABLES


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (None, "needs KVITT_PUBLIC_URL"),
        ("http://billing.example.com", "is not an https address"),
        ("billing.example.com", "is not an https address"),
        ("https://other.example.com", "which KVITT_ALLOWED_HOSTS does not name"),
        ("https://billing.example.com", ""),
    ],
)
def test_production_knows_where_it_is_reached(
    url: str | None, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KVITT_PUBLIC_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("KVITT_PUBLIC_URL", url)
    with override_settings(
        IN_PRODUCTION=True, PUBLIC_URL=url or "", ALLOWED_HOSTS=["billing.example.com"]
    ):
        found = checks.production_knows_where_it_is_reached()
    assert [message.id for message in found] == (["kvitt.E017"] if sentence else [])
    assert all(sentence in message.msg for message in found)


@pytest.mark.parametrize(
    ("sender", "is_taken"),
    [
        ("billing@example.com", True),
        ("Shop <billing@example.com>", True),
        ('"Shop, the first" <billing@example.com>', True),
        ("Shop, the first <billing@example.com>", False),
        ("billing", False),
        ("Shop <a@b", False),
        ("", False),
    ],
)
def test_mail_is_sent_from_one_address(sender: str, is_taken: bool) -> None:
    with override_settings(DEFAULT_FROM_EMAIL=sender):
        found = checks.mail_is_sent_from_an_address()
    assert not found if is_taken else [message.id for message in found] == ["kvitt.E018"]


def test_the_example_of_the_environment_is_content_once_it_is_filled_in(tmp_path: Path) -> None:
    lines = (ROOT / "deploy" / "kvitt.env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    filled = example | {"KVITT_SECRET_KEY": "abcdefghij0123456789" * 3, "KVITT_PG": "off"}
    done = manage("check", "--deploy", KVITT_VAR=str(tmp_path), **filled)
    assert done.returncode == 0, done.stderr
    # What this machine lacks is no fault of the example.
    about_it = [line for line in done.stderr.splitlines() if "kvitt." in line]
    assert not [line for line in about_it if "kvitt.W019" not in line]
    without = {name: value for name, value in filled.items() if name != "KVITT_PUBLIC_URL"}
    assert "kvitt.E017" in manage("check", KVITT_VAR=str(tmp_path), **without).stderr
