"""Where mail goes, as the settings say: no model is known here, for settings read this first."""

from email.utils import parseaddr
from pathlib import Path
from typing import Any

import environ
from django.conf import settings

# A provider that does not answer holds the sweep up for so long, and nothing else.
TIMEOUT_SECONDS = 20
SMTP = "billing.mail.smtp.EmailBackend"
MAILBOX = "billing.mail.mailbox.EmailBackend"
_DJANGO_SMTP = "django.core.mail.backends.smtp.EmailBackend"


def mailer_of(url: str, var_dir: Path, *, in_production: bool) -> dict[str, Any]:
    """An entry of Django's ``MAILERS`` for an address such as ``smtp+tls://user:word@host:587``.

    Without one, mail is written into files, which the demo shows; in production it goes to the
    server of this machine. Raises django-environ's error for a scheme that it does not know.
    """
    if not url and not in_production:
        return {"BACKEND": MAILBOX, "OPTIONS": {"folder": var_dir / "mail"}}
    config = environ.Env.email_url_config(url or "smtp://localhost:25")
    if config["EMAIL_BACKEND"] != _DJANGO_SMTP:
        return {"BACKEND": config["EMAIL_BACKEND"]}
    return {
        "BACKEND": SMTP,
        "OPTIONS": {
            "host": config["EMAIL_HOST"],
            "port": config["EMAIL_PORT"],
            "username": config["EMAIL_HOST_USER"],
            "password": config["EMAIL_HOST_PASSWORD"],
            "use_tls": config.get("EMAIL_USE_TLS", False),
            "use_ssl": config.get("EMAIL_USE_SSL", False),
            "timeout": TIMEOUT_SECONDS,
        },
    }


def bare_address(text: str) -> str:
    """The address alone, of ``Shop <billing@example.com>`` as of ``billing@example.com``."""
    return parseaddr(text)[1] or text


def sender_address() -> str:
    """The address that all mail is sent from; its name is each seller's."""
    return bare_address(settings.DEFAULT_FROM_EMAIL)
