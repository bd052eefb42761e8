from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)
from unfold.enums import ActionVariant

from billing.desk.columns import label_column, link_column
from billing.desk.figures import link
from billing.desk.model_admin import BigReadOnly
from billing.desk.page_actions import PageAction
from billing.desk.panels import Panel
from billing.invoicing.admin import CreditNoteAdmin, InvoiceAdmin
from billing.mail.about import mails_about, other_sendings
from billing.mail.actions import let_go, note_arrived, send_again
from billing.mail.composing import LOGO_ID
from billing.mail.looks import logo_of
from billing.mail.models import Message
from billing.mail.preview import isolated_page
from billing.mail.resending import resend
from customers.addressees import Addressees
from customers.admin import CustomerAdmin
from customers.persons import ids_with_merged

State = Message.State
COLORS = {
    "waiting": "info",
    "sending": "info",
    "sent": "success",
    "unclear": "warning",
    "failed": "danger",
    "print": "warning",
    "suppressed": "",
}


class SendAgain(PageAction):
    name = "send-again"
    label = "Send again"
    explanation = pgettext_lazy(
        "desk",
        "Writes the email again as things stand now, and sends it within a "
        "minute to those who get such emails now.",
    )
    permission = "mail.send_message"
    icon = "send"
    variant = ActionVariant.PRIMARY
    is_for_many = True

    def is_offered(self, obj: Message) -> bool:
        return obj.state in {State.FAILED, State.UNCLEAR, State.SUPPRESSED}

    def run(self, obj: Message, *, as_of: date, actor: str, **asked: Any) -> str:
        message = send_again(obj, as_of=as_of, actor=actor)
        to, copies = _joined(message.addressees)
        return f"Goes to {to} (copy to {copies})." if copies else f"Goes to {to}."


class Resend(PageAction):
    """Of a mail that was sent; the new one is a message of its own."""

    permission = "mail.send_message"
    is_as_it_was: ClassVar[bool]

    def is_offered(self, obj: Message) -> bool:
        return obj.state == State.SENT

    def run(self, obj: Message, *, as_of: date, actor: str, **asked: Any) -> str:
        again = resend(obj, as_of=as_of, actor=actor, is_as_it_was=self.is_as_it_was)
        to, copies = _joined(again.addressees)
        if copies:
            return f"Goes to {to} (copy to {copies}) within a minute."
        return f"Goes to {to} within a minute."


class SendAsItWas(Resend):
    name = "send-as-it-was"
    label = "Send again as it was"
    explanation = pgettext_lazy(
        "desk",
        "Sends the same email once more, to those who get such emails now. Its "
        "link works again, and its attachments are included.",
    )
    icon = "forward_to_inbox"
    variant = ActionVariant.PRIMARY
    is_as_it_was = True


class SendAnew(Resend):
    name = "send-anew"
    label = "Write again and send"
    explanation = pgettext_lazy(
        "desk",
        "Writes the email again as things stand now, and sends it within a "
        "minute to those who get such emails now.",
    )
    icon = "edit_note"
    is_as_it_was = False


class Settle(PageAction):
    name = "settle"
    label = "It has been sent"
    explanation = pgettext_lazy(
        "desk",
        "For an email that the provider shows as delivered, or a letter that has been printed "
        "and posted.",
    )
    permission = "mail.send_message"
    icon = "done_all"
    is_for_many = True

    def is_offered(self, obj: Message) -> bool:
        return obj.state in {State.UNCLEAR, State.PRINT}

    def run(self, obj: Message, *, as_of: date, actor: str, **asked: Any) -> str:
        note_arrived(obj, as_of=as_of, actor=actor)
        return "Kept as sent."


class LetGo(PageAction):
    name = "let-go"
    label = "Do not send"
    explanation = pgettext_lazy(
        "desk", "The customer does not get this email, and nobody is asked about it any more."
    )
    permission = "mail.send_message"
    icon = "block"
    is_for_many = True

    def is_offered(self, obj: Message) -> bool:
        return obj.state in {State.FAILED, State.UNCLEAR}

    def run(self, obj: Message, *, as_of: date, actor: str, **asked: Any) -> str:
        let_go(obj, as_of=as_of, actor=actor)
        return "It is not sent."


def in_words(addressees: Addressees) -> str:
    """``a@example.com, b@example.com (copy to c@example.com)``."""
    to, copies = _joined(addressees)
    if not copies:
        return to
    return pgettext("desk", "%(to)s (copy to %(copies)s)") % {"to": to, "copies": copies}


def _joined(addressees: Addressees) -> tuple[str, str]:
    """To whom it goes, and who gets a copy."""
    return ", ".join(addressees.to), ", ".join(addressees.cc)


def _again(message: Message) -> str | None:
    if message.resends_id is None:
        return None
    if message.is_as_it_was:
        return pgettext("desk", "as it was")
    return pgettext("desk", "written again")


COLUMNS: dict[str, Callable[[Message], object]] = {
    "Mail": link,
    "Kind": lambda message: message.get_kind_display(),
    "To": lambda message: in_words(message.addressees) or pgettext("desk", "on paper"),
    "State": lambda message: message.get_state_display(),
    "Sent": lambda message: message.sent_at,
    "Sent again": _again,
}
MAILS = Panel(
    "Mail",
    rows=lambda customer: (
        Message.objects.filter(customer__in=ids_with_merged(customer))
        .order_by("-id")
        .defer("text", "html")
    ),
    columns=COLUMNS,
    list_of=Message,
    list_by="customer__id__in",
    listed=ids_with_merged,
)
MAILS_OF_DOCUMENT = Panel(
    "Mail",
    rows=lambda document: mails_about(document).order_by("-id").defer("text", "html"),
    columns=COLUMNS,
)
SENDINGS = Panel(
    "Earlier and later emails",
    rows=lambda message: other_sendings(message).order_by("-id").defer("text", "html"),
    columns=COLUMNS,
    when_empty="It was not sent again.",
)
CustomerAdmin.extend(panels=[MAILS])
InvoiceAdmin.extend(panels=[MAILS_OF_DOCUMENT])
CreditNoteAdmin.extend(panels=[MAILS_OF_DOCUMENT])


@admin.register(Message)
class MessageAdmin(BigReadOnly):
    kept_sentences = ("last_error",)
    list_display = (
        "subject_or_kind",
        "customer_link",
        "kind",
        "addressees",
        "progress",
        "sent_at",
        "last_error",
    )
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("seller", RelatedDropdownFilter),
        ("sent_at", RangeDateFilter),
    )
    list_select_related = ("customer",)
    search_fields = (
        "typed",
        "customer__typed",
        "public_id__exact",
        "object__exact",
    )
    search_help_text = pgettext_lazy("desk", "An address, a name, or a public id such as inv_…")
    fields = (
        ("customer", "recipient"),
        ("also_to", "cc"),
        ("taken_for",),
        ("kind", "object"),
        ("state", "sent_at"),
        ("attempts", "next_attempt_at"),
        ("last_error", "language"),
        ("public_id", "recorded_at"),
    )
    readonly_fields = ("public_id", "recorded_at")
    page_actions = (SendAgain(), SendAsItWas(), SendAnew(), Settle(), LetGo())
    panels = (SENDINGS,)
    change_form_outer_after_template = "admin/mail/message.html"

    customer_link = link_column("customer", ordering="customer__name")
    progress = label_column("state", COLORS)

    @admin.display(description="email", ordering="subject")
    def subject_or_kind(self, message: Message) -> str:
        return str(message)

    @admin.display(description="to", ordering="recipient")
    def addressees(self, message: Message) -> str:
        return in_words(message.addressees)

    def get_queryset(self, request: HttpRequest) -> Any:
        found = super().get_queryset(request)
        return found.defer("text", "html") if self.is_list(request) else found

    def get_urls(self) -> list[URLPattern]:
        preview = path(
            "<path:object_id>/preview/",
            self.admin_site.admin_view(self.preview_view),
            name="mail_message_preview",
        )
        return [preview, *super().get_urls()]

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The HTML as it was sent, but for its link, in a frame that can do nothing."""
        message = self.get_object(request, object_id)
        if message is None:
            raise Http404
        if not self.has_view_permission(request, message):
            raise PermissionDenied
        return isolated_page(message.html, {LOGO_ID: logo_of(message.seller)})
