"""A mail once more in the words in which it was sent, whatever holds by now.

What is kept of a mail has no working link and no attachments, but says what the link was for and
what was attached: so the one is made anew and the others are printed again.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse

from billing.invoicing.pdf import render_invoice
from billing.mail.composing import MASK, Page, live_address, mail_of, printed, refuse_astray
from billing.mail.letters import Attachment, Button, Letter, Occasion, Unneeded
from billing.mail.models import Message
from billing.mail.words import write
from billing.mail.words.common import document_of
from billing.payments.models import Payment
from billing.payments.receipts import render_receipt

# An address with the part masked that opened something, or the mask alone.
_MASKED = re.compile(rf"(?:https?://[^\s\"<>]*)?{MASK}[^\s\"<>]*")


@dataclass(frozen=True, slots=True)
class Written:
    """A mail that is about to leave: what is kept of it, and itself unless it is printed."""

    kept: dict[str, Any]
    mail: EmailMessage | None


def kept_of(page: Page, letter: Letter) -> dict[str, Any]:
    """What a message keeps of what it says, by the names of its fields."""
    return {
        "subject": page.subject,
        "text": page.text,
        "html": page.html,
        "link_purpose": letter.button.purpose if letter.button else "",
        "link_subject": letter.button.subject if letter.button else "",
        "papers": [f"{each.of} {each.name}" for each in letter.attachments],
    }


def as_it_was(occasion: Occasion) -> Written:
    """The words of the mail that this one sends again, with a link and papers that work.

    A link to a gateway's page that is there no more leads to the portal. Raises ``Astray``.
    """
    before = occasion.message.resends
    assert before is not None
    refuse_astray(occasion.message)
    button, papers = _button_of(occasion, before), [_paper(each) for each in before.papers]
    page = Page(before.subject, before.text, before.html)
    address = live_address(occasion, button)
    live = Page(page.subject, _unmasked(page.text, address), _unmasked(page.html, address))
    kept = {
        "subject": page.subject,
        "text": page.text,
        "html": page.html,
        "link_purpose": before.link_purpose,
        "link_subject": before.link_subject,
        "papers": before.papers,
    }
    return Written(kept, mail_of(occasion, live, printed(papers)))


def _unmasked(text: str, address: str) -> str:
    return _MASKED.sub(lambda _: address, text)


def _button_of(occasion: Occasion, before: Message) -> Button | None:
    if MASK not in before.text:
        return None
    if before.link_purpose:
        return Button("", purpose=before.link_purpose, subject=before.link_subject)
    try:
        return write(occasion).button
    except Unneeded:
        return Button("", url=f"{settings.PUBLIC_URL}{reverse('portal:home')}")


def _paper(said: str) -> Attachment:
    public_id, _, name = said.partition(" ")
    if public_id.startswith("pay_"):
        payment = Payment.objects.get(public_id=public_id)
        return Attachment(name, public_id, lambda: render_receipt(payment))
    document = document_of(public_id)
    return Attachment(name, public_id, lambda: render_invoice(document))
