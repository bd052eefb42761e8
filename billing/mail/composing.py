"""From a letter to a mail: laid out as text and HTML, with logo, attachments and headers.

It is laid out twice: with the working link, to be sent, and without, to be kept.
"""

import email.policy
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.translation import pgettext

from billing.invoicing.writing import NO_BREAK
from billing.mail import looks
from billing.mail.actions import addressees_now
from billing.mail.letters import Astray, Attachment, Button, Letter, Occasion
from billing.mail.models import Message
from billing.mail.transport import bare_address, sender_address
from customers.calendar import now_of
from customers.links import Purpose, address_of, make_link
from customers.models import Seller
from customers.persons import staying_of

# The name of a file, what is in it, and of what kind that is.
type File = tuple[str, bytes, str]

# Stands in what is kept for the part of an address that opens something.
MASK = "•••"
SUBJECT_MAX = 300
LOGO_ID = "logo"
# What would break a line, or turn the direction of one.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Page:
    """A mail laid out: what is sent, or what is kept of it."""

    subject: str
    text: str
    html: str


class Mail(EmailMultiAlternatives):
    """A mail whose pictures belong to its HTML.

    They are attachments with an id, which is what backends that speak to a provider's API take; in
    a message they stand beside the HTML (multipart/related), as mail programs want them. Who has it
    already stands in its head like the others and is not sent it once more.
    """

    taken_for: frozenset[str] = frozenset()

    def recipients(self) -> list[str]:
        everybody: list[str] = super().recipients()
        return [each for each in everybody if bare_address(each) not in self.taken_for]

    def message(self, *, policy: Any = email.policy.default) -> EmailMessage:
        everything = self.attachments
        pictures = [each for each in everything if isinstance(each, MIMEPart)]
        self.attachments = [each for each in everything if each not in pictures]
        try:
            made = super().message(policy=policy)
        finally:
            self.attachments = everything
        html = made.get_body(("html",))
        if pictures and html is not None:
            html.make_related()
            for picture in pictures:
                html.attach(picture)
        assert isinstance(made, EmailMessage)
        return made


def page_of(occasion: Occasion, letter: Letter, url: str) -> Page:
    """Lay a letter out, with an address behind its button."""
    button = {"label": letter.button.label, "url": url} if letter.button else None
    seller = occasion.seller
    words: dict[str, Any] = {
        "language": occasion.language,
        "subject": one_line(letter.subject),
        "happened": plain(letter.happened),
        "next": plain(letter.next),
        "button": button,
        "details": [(plain(label), plain(value)) for label, value in letter.details],
        "closing": plain(letter.closing),
        "ask": plain(_whom_to_ask(occasion)),
        "sections": [
            (plain(section.heading), [plain(line) for line in section.lines])
            for section in letter.sections
        ],
        "attached": _attached(letter),
        "seller": _sender(seller),
        "accent": looks.accent_of(seller),
        "logo": f"cid:{LOGO_ID}" if looks.logo_of(seller) else "",
    }
    return Page(
        words["subject"][:SUBJECT_MAX],
        render_to_string("mail/letter.txt", words),
        render_to_string("mail/letter.html", words),
    )


def kept_page(occasion: Occasion, letter: Letter) -> Page:
    """What is kept: nobody gets in with it."""
    button, address = letter.button, MASK
    if button and button.purpose:
        address = address_of(button.purpose, MASK)
    return page_of(occasion, letter, address)


def compose(occasion: Occasion, letter: Letter) -> Mail:
    """The mail that is sent: its link is made and its attachments are printed here.

    Raises ``Astray``, and what printing raises; nothing has left the house then.
    """
    refuse_astray(occasion.message)
    attachments = printed(letter.attachments)
    page = page_of(occasion, letter, live_address(occasion, letter.button))
    return mail_of(occasion, page, attachments)


def refuse_astray(message: Message) -> None:
    """Raise ``Astray`` where one to whom it would go gets no such mail any more.

    It may have waited for days: its customer may have another address since, or have been merged
    into another, whose account a link in it would open.
    """
    todays = addressees_now(message.kind, message.customer, message.recipient).everybody
    known = {address.casefold() for address in todays}
    waiting = set(message.addressees.everybody).difference(message.taken_for)
    if any(address.casefold() not in known for address in waiting):
        raise Astray("The address that it was for no longer gets such emails.")


def printed(attachments: Iterable[Attachment]) -> list[File]:
    """Attachments as a mail takes them. Raises what printing raises."""
    return [
        (re.sub(r"[^\w.-]", "-", each.name), each.render(), "application/pdf")
        for each in attachments
    ]


def mail_of(occasion: Occasion, page: Page, attachments: Sequence[File]) -> Mail:
    """A page that is laid out as the mail that leaves."""
    message, seller = occasion.message, occasion.seller
    name = staying_of(message.customer).name
    mail = Mail(
        page.subject,
        page.text,
        from_email=_named(seller.name, settings.DEFAULT_FROM_EMAIL),
        to=[_named(name, address) for address in message.addressees.to],
        cc=[_named("", address) for address in message.addressees.cc],
        reply_to=[_named(seller.name, seller.email)] if seller.email else None,
        headers={
            "Message-ID": message_id(message),
            "Auto-Submitted": "auto-generated",
            # Exchange looks at this one, before it answers that somebody is on holiday.
            "X-Auto-Response-Suppress": "All",
        },
        attachments=list(attachments),
    )
    mail.taken_for = frozenset(message.taken_for)
    mail.attach_alternative(page.html, "text/html")
    if picture := looks.logo_of(seller):
        mail.attach(_picture(picture))
    return mail


def message_id(message: Message) -> str:
    """The id in the header: the same however often the message is sent."""
    address = sender_address().rpartition("@")[2]
    return f"<{message.public_id}@{address or urlsplit(settings.PUBLIC_URL).hostname}>"


def live_address(occasion: Occasion, button: Button | None) -> str:
    if button is None or not button.purpose:
        return button.url if button else ""
    # An invoice is paid by its own link; all else is looked after by the one that stays.
    is_to_pay = button.purpose == Purpose.PAY
    token = make_link(
        occasion.customer if is_to_pay else staying_of(occasion.customer),
        button.purpose,
        now=now_of(occasion.seller),
        subject=button.subject,
        return_url=occasion.told("return_url") or "",
        address=occasion.message.recipient if button.purpose == Purpose.SIGN_IN else "",
    )
    return address_of(button.purpose, token)


def _picture(picture: bytes) -> MIMEPart:
    part = MIMEPart(policy=email.policy.SMTP)
    part.set_content(picture, "image", "png", disposition="inline", cid=f"<{LOGO_ID}>")
    part.set_param("name", "logo.png")
    return part


def _named(name: str, address: str) -> str:
    """``"Name" <address>``, with nothing in it that ends a header."""
    spec = bare_address(one_line(address))
    username, _, domain = spec.rpartition("@")
    return str(Address(one_line(name)[:100], username, domain))


def _sender(seller: Seller) -> dict[str, Any]:
    place = NO_BREAK.join(filter(None, (seller.postal_code, seller.city)))
    address = [line for line in (seller.address_line1, seller.address_line2, place) if line]
    number = seller.organisation_number
    named = pgettext("mail", "Org. no. %(number)s") % {"number": number} if number else ""
    website = seller.website.removeprefix("https://").removeprefix("http://")
    return {
        "name": plain(seller.name),
        "footer": [
            plain(" · ".join([seller.legal_name or seller.name, *address])),
            plain(" · ".join(filter(None, [named, website]))),
        ],
    }


def _whom_to_ask(occasion: Occasion) -> str:
    seller = occasion.seller
    named = {"email": seller.email, "phone": seller.phone}
    if occasion.is_on_paper:
        ways = [way for way in named.values() if way]
        return pgettext("mail", "Questions? %(ways)s") % {"ways": " · ".join(ways)} if ways else ""
    if seller.email and seller.phone:
        said = pgettext("mail", "Questions? Reply to this email or call %(phone)s.")
    elif seller.phone:
        said = pgettext("mail", "Questions? Call %(phone)s.")
    else:
        said = pgettext("mail", "Questions? Reply to this email.")
    return said % named


def _attached(letter: Letter) -> str:
    if not letter.attachments:
        return ""
    names = ", ".join(each.name for each in letter.attachments)
    return pgettext("mail", "Attached: %(names)s") % {"names": names}


def plain(text: str) -> str:
    """A text without what would break its line; spaces that hold words together stay."""
    return _CONTROLS.sub(" ", str(text)).strip()


def one_line(text: str) -> str:
    """A text for a header: on one line, with plain spaces."""
    return " ".join(plain(text).split())
