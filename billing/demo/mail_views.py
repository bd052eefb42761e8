"""The mailbox of all the demo's customers, as their mail programs would show it."""

from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from billing.demo.visits import LANGUAGES, language_of, shop_or_404
from billing.mail import mailbox as box
from billing.mail.preview import isolated_page
from customers.models import Seller

SHOWN_MAX = 50


@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    """The newest mails; ``?to=`` those to somebody."""
    seller, language = shop_or_404(), language_of(request)
    recipient = request.GET.get("to", "").strip()[:200]
    found = box.newest(_folder(), recipient=recipient, limit=SHOWN_MAX)
    mails = [_row(mail, seller, language) for mail in found]
    context = {"mails": mails, "recipient": recipient, "shown_max": SHOWN_MAX}
    return _page(request, "demo/mailbox.html", language, context)


@require_safe
def letter(request: HttpRequest, name: str) -> HttpResponse:
    """One mail: as HTML, or with ``?as=text`` as text."""
    seller, language, mail = shop_or_404(), language_of(request), _mail(name)
    files = [
        {"number": number, "name": part.get_filename() or f"{number}"}
        for number, part in enumerate(mail.attachments())
    ]
    context = {
        "mail": _row(mail, seller, language),
        "reply_to": mail.header("Reply-To"),
        "text": mail.body("plain") if request.GET.get("as") == "text" else "",
        "files": files,
    }
    return _page(request, "demo/letter.html", language, context)


@require_safe
def letter_html(request: HttpRequest, name: str) -> HttpResponse:
    """The HTML of a mail, alone: its links open windows of their own, and no more."""
    shop_or_404()
    mail = _mail(name)
    pictures = {cid: bytes(part.get_payload(decode=True)) for cid, part in mail.pictures()}
    return isolated_page(mail.body("html"), pictures, has_working_links=True)


@require_safe
def attachment(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """An attached file, to be kept and not shown."""
    shop_or_404()
    files = _mail(name).attachments()
    if number >= len(files):
        raise Http404
    answer = HttpResponse(
        files[number].get_payload(decode=True), content_type="application/octet-stream"
    )
    filename = files[number].get_filename() or f"{number}"
    disposition = content_disposition_header(as_attachment=True, filename=filename)
    answer.headers["Content-Disposition"] = str(disposition)
    return answer


def _folder() -> Path:
    return settings.VAR_DIR / "mail"


def _mail(name: str) -> box.Mail:
    mail = box.read(_folder(), name)
    if mail is None:
        raise Http404
    return mail


def _row(mail: box.Mail, seller: Seller, language: str) -> dict[str, Any]:
    name, address = parseaddr(mail.header("To"))
    sender, _ = parseaddr(mail.header("From"))
    at = parsedate_to_datetime(mail.header("Date"))
    return {
        "name": mail.name,
        "subject": mail.header("Subject"),
        "to": name or address,
        "address": address,
        "sender": sender,
        "at": format_datetime(
            at, "d MMMM HH:mm", tzinfo=ZoneInfo(seller.time_zone), locale=language
        ),
    }


def _page(
    request: HttpRequest, template: str, language: str, context: dict[str, Any]
) -> HttpResponse:
    context = {"language": language, "languages": LANGUAGES, **context}
    with translation.override(language):
        answer = render(request, template, context)
    answer.headers["Content-Language"] = language
    return answer
