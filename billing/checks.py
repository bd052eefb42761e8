"""Wrong settings, found at start: each with a hint that says what to set."""

import difflib
import logging
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import DatabaseError, connections
from django.http.request import validate_host

from billing.installation.postgres import VERSION_MIN
from billing.invoicing.fonts import missing_scripts
from billing.mail.transport import sender_address

KNOWN_VARIABLES = {
    "KVITT_ALLOWED_HOSTS",
    "KVITT_BEHIND_PROXY",
    "KVITT_BIND",
    "KVITT_DEBUG",
    "KVITT_DEMO",
    "KVITT_EMAIL_FROM",
    "KVITT_EMAIL_URL",
    "KVITT_ENV",
    "KVITT_LOG_FORMAT",
    "KVITT_LOG_LEVEL",
    "KVITT_MARK",
    "KVITT_METRICS_TOKEN",
    "KVITT_MIGRATE_IDLE_SECONDS",
    "KVITT_MIGRATE_LOCK_SECONDS",
    "KVITT_MIGRATE_STATEMENT_SECONDS",
    "KVITT_OUTBOUND",
    "KVITT_PG",
    "KVITT_PG_BIN",
    "KVITT_PROCESS",
    "KVITT_PUBLIC_URL",
    "KVITT_SANDBOX_HOOK_SECRET",
    "KVITT_SANDBOX_KEY",
    "KVITT_SANDBOX_URL",
    "KVITT_SECRET_KEY",
    "KVITT_SECRET_KEY_FALLBACKS",
    "KVITT_STAFF_MFA",
    "KVITT_TIME_ZONE",
    "KVITT_VAR",
    "KVITT_VIES_URL",
    "KVITT_WEBHOOK_ALLOWED_HOSTS",
    "KVITT_WEB_IDLE_SECONDS",
    "KVITT_WEB_LOCK_SECONDS",
    "KVITT_WEB_STATEMENT_SECONDS",
    "KVITT_WEB_THREADS",
    "KVITT_WEB_WORKERS",
    "KVITT_WORKERS",
    "KVITT_WORKER_IDLE_SECONDS",
    "KVITT_WORKER_LOCK_SECONDS",
    "KVITT_WORKER_STATEMENT_SECONDS",
}
CHOICES = {
    "KVITT_DEMO": {"on", "off"},
    "KVITT_ENV": {"development", "production"},
    "KVITT_MARK": {"on", "off"},
    "KVITT_OUTBOUND": {"on", "off"},
    "KVITT_PG": {"on", "off"},
    "KVITT_STAFF_MFA": {"on", "off"},
    "KVITT_LOG_FORMAT": {"json", "lines"},
    "KVITT_LOG_LEVEL": set(logging.getLevelNamesMapping()),
}
BOOLEANS = {"KVITT_DEBUG", "KVITT_BEHIND_PROXY"}
# What django-environ reads as true, and what people write when they mean false.
BOOLEAN_WORDS = {"true", "on", "ok", "y", "yes", "1", "false", "off", "n", "no", "0"}


@register
def every_kvitt_variable_is_known(**kwargs: Any) -> list[CheckMessage]:
    """A misspelt variable is otherwise a setting that silently does nothing."""
    found: list[CheckMessage] = []
    for name in sorted(os.environ):
        known = name.removesuffix("_FILE") in KNOWN_VARIABLES
        if name.startswith("KVITT_") and not known:
            near = difflib.get_close_matches(name, KNOWN_VARIABLES, n=1, cutoff=0)
            hint = f"Did you mean {near[0]}?"
            found.append(Warning(f"{name} is not a setting of Kvitt.", hint=hint, id="kvitt.W001"))
    return found


@register
def every_choice_is_one_of_those_offered(**kwargs: Any) -> list[CheckMessage]:
    """`KVITT_ENV=prod` must not quietly mean development."""
    found: list[CheckMessage] = []
    for name, choices in CHOICES.items():
        value = os.environ.get(name)
        if value is not None and value not in choices:
            hint = f"Set it to one of: {', '.join(sorted(choices))}."
            found.append(Error(f"{name}={value} is not understood.", hint=hint, id="kvitt.E002"))
    for name in sorted(BOOLEANS):
        value = os.environ.get(name)
        if value is not None and value.lower() not in BOOLEAN_WORDS:
            hint = "Set it to true or false."
            found.append(Error(f"{name}={value} is not understood.", hint=hint, id="kvitt.E002"))
    return found


@register(Tags.security)
def production_has_a_secret_key_and_host_names(**kwargs: Any) -> list[CheckMessage]:
    """Neither has a default that would be safe on the internet."""
    found: list[CheckMessage] = []
    if settings.IN_PRODUCTION and not os.environ.get("KVITT_SECRET_KEY") and not _from_file():
        found.append(
            Error(
                "KVITT_ENV=production needs KVITT_SECRET_KEY.",
                hint="Set it, or KVITT_SECRET_KEY_FILE, to 50 or more random characters: "
                "openssl rand -base64 48",
                id="kvitt.E003",
            )
        )
    if settings.IN_PRODUCTION and not settings.ALLOWED_HOSTS:
        found.append(
            Error(
                "KVITT_ENV=production needs KVITT_ALLOWED_HOSTS.",
                hint="Set it to the host names that Kvitt answers to, with commas between them: "
                "billing.example.com",
                id="kvitt.E004",
            )
        )
    return found


@register(deploy=True)
def documents_can_be_printed_in_every_script(**kwargs: Any) -> list[CheckMessage]:
    """A customer's name without a font is a row of squares on an invoice, which law wants whole."""
    missing = missing_scripts()
    if not missing:
        return []
    packages = " ".join(sorted(set(missing.values())))
    return [
        Warning(
            f"No font here can write {', '.join(missing)}: such names are printed as squares.",
            hint=f"Install fonts for those that your customers write: apt install {packages}",
            id="kvitt.W019",
        )
    ]


@register(Tags.security)
def production_knows_where_it_is_reached(**kwargs: Any) -> list[CheckMessage]:
    """Links in mails would otherwise lead to the reader's own machine."""
    if not settings.IN_PRODUCTION:
        return []
    hint = "Set it to the address that customers reach Kvitt at: https://billing.example.com."
    address = urlsplit(settings.PUBLIC_URL)
    if not {"KVITT_PUBLIC_URL", "KVITT_PUBLIC_URL_FILE"} & set(os.environ):
        what = "KVITT_ENV=production needs KVITT_PUBLIC_URL, which links in mails begin with."
    elif address.scheme != "https" or not address.hostname or address.query or address.fragment:
        what = f"KVITT_PUBLIC_URL={settings.PUBLIC_URL} is not an https address."
    elif not validate_host(address.hostname, settings.ALLOWED_HOSTS):
        what = (
            f"KVITT_PUBLIC_URL leads to {address.hostname}, which KVITT_ALLOWED_HOSTS does not "
            "name: every link in a mail would be answered 400."
        )
        hint = f"Add {address.hostname} to KVITT_ALLOWED_HOSTS, or correct the address."
    else:
        return []
    return [Error(what, hint=hint, id="kvitt.E017")]


def _from_file() -> bool:
    return bool(os.environ.get("KVITT_SECRET_KEY_FILE"))


@register(Tags.security)
def production_requires_a_second_factor(**kwargs: Any) -> list[CheckMessage]:
    """It is required there whatever the variable says; who set it should know."""
    if not settings.IN_PRODUCTION or os.environ.get("KVITT_STAFF_MFA", "on") == "on":
        return []
    return [
        Error(
            "KVITT_STAFF_MFA=off is for the demo; in production staff sign in with two factors.",
            hint="Unset it. Who has lost a factor gets a new start with: manage.py reset_mfa USER",
            id="kvitt.E009",
        )
    ]


@register(Tags.security)
def production_sends_no_webhooks_inside(**kwargs: Any) -> list[CheckMessage]:
    """Whoever may write an endpoint's address could otherwise reach what stands beside us."""
    if not settings.IN_PRODUCTION or not settings.WEBHOOK_ALLOWED_HOSTS:
        return []
    hosts = ",".join(settings.WEBHOOK_ALLOWED_HOSTS)
    return [
        Error(
            f"KVITT_WEBHOOK_ALLOWED_HOSTS={hosts} lets webhooks into the network that Kvitt is in.",
            hint="Unset it; in production webhooks go to public addresses over https only.",
            id="kvitt.E012",
        )
    ]


@register
def the_register_of_vat_numbers_is_an_address(**kwargs: Any) -> list[CheckMessage]:
    """What is no address never answers, and VAT would be charged for ever."""
    url = settings.VIES_URL
    if not url or url.startswith(("http://", "https://")):
        return []
    hint = "Unset it for the EU's own, or leave it empty to ask nobody."
    return [Error(f"KVITT_VIES_URL={url} is not an address.", hint=hint, id="kvitt.E016")]


@register
def the_time_zone_is_known(**kwargs: Any) -> list[CheckMessage]:
    """One that nobody knows would fail at the first page of the desk, not at the start."""
    if settings.DESK_TIME_ZONE in available_timezones():
        return []
    hint = "Use a name such as Europe/Stockholm."
    problem = f"KVITT_TIME_ZONE={settings.DESK_TIME_ZONE} is no time zone."
    return [Error(problem, hint=hint, id="kvitt.E019")]


@register
def the_sandbox_can_be_called(**kwargs: Any) -> list[CheckMessage]:
    """An address without its key would fail at the first customer, not at the start."""
    url, found = settings.SANDBOX_URL, list[CheckMessage]()
    if url and not url.startswith(("http://", "https://")):
        hint = "Set it to an address such as http://127.0.0.1:8099."
        found.append(
            Error(f"KVITT_SANDBOX_URL={url} is not an address.", hint=hint, id="kvitt.E010")
        )
    if url and not settings.SANDBOX_KEY:
        found.append(
            Error(
                "KVITT_SANDBOX_URL needs KVITT_SANDBOX_KEY.",
                hint="Set it, or KVITT_SANDBOX_KEY_FILE, to the --key of the sandbox.",
                id="kvitt.E011",
            )
        )
    if url and not settings.SANDBOX_HOOK_SECRET:
        found.append(
            Warning(
                "Without KVITT_SANDBOX_HOOK_SECRET no hook of the sandbox is believed.",
                hint="Set it to the sandbox's --hook-secret; until then its events are polled.",
                id="kvitt.W002",
            )
        )
    return found


@register
def mail_is_sent_from_an_address(**kwargs: Any) -> list[CheckMessage]:
    """What is no address breaks every mail, and the first one is late to learn that by."""
    sender = settings.DEFAULT_FROM_EMAIL
    address = sender_address()
    try:
        if address != "billing@localhost":
            validate_email(address)
        is_one = sender == address or sender.rstrip().endswith(f"<{address}>")
    except ValidationError:
        is_one = False
    if is_one:
        return []
    hint = "Set it to one address, alone or behind a name: billing@example.com."
    return [Error(f"KVITT_EMAIL_FROM={sender} is not an address.", hint=hint, id="kvitt.E018")]


@register(Tags.security, deploy=True)
def production_mails_its_customers(**kwargs: Any) -> list[CheckMessage]:
    """Without a provider, invoices and reminders would wait for a server on this machine."""
    found: list[CheckMessage] = []
    sender = sender_address()
    if not settings.EMAIL_URL:
        found.append(
            Error(
                "There is no KVITT_EMAIL_URL: mail has nowhere to go.",
                hint="Set it, or KVITT_EMAIL_URL_FILE, to your provider's server: "
                "smtp+tls://user:password@host:587.",
                id="kvitt.E014",
            )
        )
    if sender.endswith("@localhost"):
        found.append(
            Error(
                f"Mail from {sender} is taken by no provider.",
                hint="Set KVITT_EMAIL_FROM to an address that it may send for: "
                "billing@example.com.",
                id="kvitt.E015",
            )
        )
    if not settings.OUTBOUND:
        found.append(
            Warning(
                "KVITT_OUTBOUND=off: nothing leaves, neither mail nor charges; what is due waits.",
                hint="Unset it, unless this was restored from a backup beside the real one.",
                id="kvitt.W004",
            )
        )
    return found


@register
def the_database_is_postgresql(**kwargs: Any) -> list[CheckMessage]:
    """The guards are triggers and constraints that another engine would silently not have."""
    scheme, separator, _ = settings.DATABASE_URL.partition("://")
    if scheme in {"postgres", "postgresql"} and separator:
        return []
    return [
        Error(
            f"Kvitt does not run on DATABASE_URL={scheme}{separator}…: the guards against "
            "changed invoices and double billing are PostgreSQL's.",
            hint="Set it to postgres://user:password@host/name, or leave it unset: then Kvitt "
            "starts a PostgreSQL of its own.",
            id="kvitt.E005",
        )
    ]


@register
def the_folder_for_files_can_be_written(**kwargs: Any) -> list[CheckMessage]:
    """Logos, the generated key and the embedded database lie in KVITT_VAR."""
    folder = settings.VAR_DIR
    while not folder.exists():
        folder = folder.parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"KVITT_VAR is {settings.VAR_DIR}, where this user may not write.",
            hint="Set KVITT_VAR to a folder that the user who runs Kvitt owns.",
            id="kvitt.E006",
        )
    ]


@register(Tags.database)
def the_server_is_new_enough(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Asked with `check --database default`, and by `migrate`."""
    found: list[CheckMessage] = []
    for alias in databases or []:
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
                (version,) = cursor.fetchone()
        except DatabaseError as error:
            hint = "Is the server of DATABASE_URL up, and do user and password fit?"
            found.append(
                Error(f"The database does not answer: {error}", hint=hint, id="kvitt.E008")
            )
            continue
        if version < VERSION_MIN:
            hint = f"Move to PostgreSQL {VERSION_MIN} or newer."
            found.append(Error(f"The server is PostgreSQL {version}.", hint=hint, id="kvitt.E007"))
    return found
