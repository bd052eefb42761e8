"""What the log keeps to itself, and what it leaves readable."""

import logging
import logging.config
from io import StringIO
from typing import Any

import pytest
from django.conf import settings

from billing.base.redaction import redacted

TOKEN = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF"  # noqa: S105 -- opens nothing.
LOGGING: dict[str, Any] = settings.LOGGING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Gone: /portal/enter/{TOKEN}/", "Gone: /portal/enter/…/"),
        (f"Not Found: /portal/s/{TOKEN}/", "Not Found: /portal/s/…/"),
        (f"Method Not Allowed (PUT): /pay/i/{TOKEN}/", "Method Not Allowed (PUT): /pay/i/…/"),
        (f"http://pay.example/pay/c/{TOKEN}/receipt.pdf", "http://pay.example/pay/c/…/receipt.pdf"),
        (f"/pay/m/{TOKEN}/again/", "/pay/m/…/again/"),
        (f"key sk_live_{TOKEN} and", "key sk_live_… and"),
        (f"pk_test_{TOKEN}", "pk_test_…"),
        (f"whsec_{TOKEN}=", "whsec_…"),
        (f"{{'Authorization': 'Bearer {TOKEN}'}}", "{'Authorization': 'Bearer …'}"),
        ("card 4242424242424242 refused", "card …4242 refused"),
        ("card 4242 4242 4242 4242", "card …4242"),
        ("card 5555-5555-5555-4444.", "card …4444."),
        # What is none of these stays as it is.
        ("Invoice 1042 of 1250.00 SEK", "Invoice 1042 of 1250.00 SEK"),
        ("OCR 1234567890123456", "OCR 1234567890123456"),
        ("evt_0123456789abcdef01234567", "evt_0123456789abcdef01234567"),
        ("2026-03-01 11:00:00,000 INFO", "2026-03-01 11:00:00,000 INFO"),
        ("/portal/invoices/inv_0123456789abcdef01234567/", None),
        ("bearer", None),
    ],
)
def test_a_line_of_the_log_is_redacted(text: str, expected: str | None) -> None:
    assert redacted(text) == (text if expected is None else expected)


def test_arguments_and_tracebacks_are_redacted_as_well() -> None:
    written = StringIO()
    handler = logging.StreamHandler(written)
    line = LOGGING["formatters"]["line"]
    configured = logging.config.DictConfigurator({"version": 1}).configure_formatter(dict(line))
    handler.setFormatter(configured)
    logger = logging.getLogger("test.redaction")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        raise ValueError(f"Bearer {TOKEN}")
    except ValueError:
        logger.exception("path=%s", f"/pay/i/{TOKEN}/")
    finally:
        logger.removeHandler(handler)
    assert TOKEN not in written.getvalue()
    assert "path=/pay/i/…/" in written.getvalue()
    assert "ValueError: Bearer …" in written.getvalue()


def test_every_handler_writes_redacted_lines() -> None:
    redacting = {"billing.monitoring.logs.Lines", "billing.monitoring.logs.Json"}
    assert {formatter["()"] for formatter in LOGGING["formatters"].values()} == redacting
    for handler in LOGGING["handlers"].values():
        assert handler["formatter"] in LOGGING["formatters"]
