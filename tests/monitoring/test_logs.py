"""What the log says, and of which request."""

import json
import logging
import re
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest
from django.test import Client, RequestFactory

from billing.base.sql.authorship import acting_as
from billing.invoicing import printing
from billing.monitoring import context
from billing.monitoring.logs import Calm, Json, Lines
from tests.api.calling import Shop
from tests.factories import SellerFactory


def written(formatter: logging.Formatter, **more: Any) -> str:
    record = logging.LogRecord("kvitt", logging.ERROR, __file__, 1, "It failed", (), None)
    record.__dict__.update(more)
    Calm().filter(record)
    return formatter.format(record)


@pytest.fixture
def asked(rf: RequestFactory) -> Any:
    request = rf.get("/api/v1/invoices", headers={"X-Request-Id": "from-the-proxy-1"})
    yield context.begin(request)
    context.end()


def test_a_line_tells_which_request_it_belongs_to_and_who_asked(asked: context.Asked) -> None:
    from billing.api.keys import Caller

    assert written(Lines()).endswith("[request_id=from-the-proxy-1]")
    caller = Caller.__new__(Caller)
    for name, value in {"key_id": 1, "public_id": "key_1", "seller": SellerFactory.build()}.items():
        object.__setattr__(caller, name, value)
    asked.request.user = caller  # type: ignore[assignment]
    told = json.loads(written(Json()))
    assert told["request_id"] == "from-the-proxy-1"
    assert (told["actor"], told["api_key"]) == ("key:key_1", "key_1")
    assert told["seller"] == caller.seller.public_id
    assert (told["level"], told["message"]) == ("ERROR", "It failed")


@pytest.mark.django_db
def test_a_line_of_a_job_tells_which_job() -> None:
    with acting_as("job:send mail"):
        assert json.loads(written(Json()))["actor"] == "job:send mail"
        assert "[" not in written(Lines())
    assert "actor" not in json.loads(written(Json()))


def test_json_has_no_secrets_and_one_line_whatever_is_in_it(asked: context.Asked) -> None:
    try:
        raise ValueError("card 4242 4242 4242 4242\nand more")
    except ValueError:
        text = written(Json(), exc_info=sys.exc_info())
    assert "\n" not in text
    assert "4242 4242" not in text
    assert "ValueError" in json.loads(text)["traceback"]


@pytest.mark.parametrize("given", ["", "x", "a b c d e f g h", "x" * 65, "line\nbreak12"])
def test_an_id_that_is_none_is_not_repeated(rf: RequestFactory, given: str) -> None:
    request = rf.get("/", headers={"X-Request-Id": given})
    assert re.fullmatch(r"[0-9a-f]{16}", context.begin(request).id)
    context.end()


@pytest.mark.django_db
def test_every_answer_says_its_id() -> None:
    ids = {
        Client().get(path)["X-Request-Id"]
        for path in ("/healthz", "/portal/", "/no/such/page", "/api/v1/invoices", "/metrics")
    }
    assert len(ids) == 5
    shop = Shop(SellerFactory())
    assert shop.get("invoices")["X-Request-Id"]


@pytest.mark.django_db
def test_what_is_refused_is_one_line_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refused(request: HttpRequest) -> None:
        raise ZeroDivisionError

    try:
        refused(HttpRequest())
    except ZeroDivisionError:
        information = sys.exc_info()
    for status in (400, 403, 404, 503):
        text = written(Lines(), status_code=status, exc_info=information)
        assert "Traceback" not in text
    assert "Traceback" in written(Lines(), status_code=500, exc_info=information)


def test_what_passes_by_itself_is_no_error() -> None:
    assert json.loads(written(Json(), status_code=503))["level"] == "WARNING"
    assert json.loads(written(Json(), status_code=500))["level"] == "ERROR"


def test_glyphs_that_are_missing_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    logged = [["WARNING", f"Missing glyph: U+{number:04X}"] for number in range(15)]
    printing._tell([*logged, ["ERROR", "Failed to load image"]])
    assert [record.getMessage() for record in caplog.records] == [
        "Missing glyph: U+0000 (and 14 more of the kind)",
        "Failed to load image",
    ]


def test_no_command_loads_what_lays_out_pages_nor_prints_of_it() -> None:
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'billing.settings';"
        "os.environ['KVITT_PG'] = 'off'; import django; django.setup();"
        "import billing.urls, billing.schedule.tick;"
        "assert 'weasyprint' not in sys.modules; import weasyprint"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
