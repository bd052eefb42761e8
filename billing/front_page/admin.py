"""The pages of holds and of kill switches."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import pgettext, pgettext_lazy
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from billing.desk.forms import ActionForm
from billing.desk.model_admin import ReadOnly
from billing.desk.page_actions import PageAction
from billing.front_page.stops import GO_ON, PRESS, RELEASE, RESUME
from billing.outbound import actions, mark
from billing.outbound.gate import switches_on
from billing.outbound.models import Hold, KillSwitch
from billing.payments.stopping import resume_charging, stop_charging
from billing.verification.reconciling import go_on
from customers.models import Seller


class GoOnForm(ActionForm):
    def ask(self) -> None:
        if self.obj.code in mark.CODES:
            self.fields["is_compared"] = forms.BooleanField(
                label=pgettext_lazy(
                    "desk", "manage.py reconcile has been run, and all that it left open is decided"
                ),
                help_text=pgettext_lazy(
                    "desk", "It compares payments, refunds and numbers with the gateways."
                ),
            )


class GoOn(PageAction):
    name = "go-on"
    label = GO_ON
    explanation = pgettext_lazy(
        "desk",
        "Charges, emails, webhooks and documents resume with the next tick. "
        "Emails of the first hour after a restore may have been sent before: "
        "they wait as unclear until a person sends them again or marks them as "
        "sent.",
    )
    permission = RELEASE
    icon = "play_arrow"
    form_class = GoOnForm

    def is_offered(self, obj: Hold) -> bool:
        return obj.released_at is None

    def run(self, obj: Hold, *, as_of: date, actor: str, **asked: Any) -> str:
        if obj.code in mark.CODES:
            go_on(actor=actor)
        else:
            actions.release(obj, actor=actor)
        return "Everything resumes with the next tick."


@admin.register(Hold)
class HoldAdmin(ReadOnly):
    kept_sentences = ("reason",)
    list_display = ("code", "held_at", "released_at", "released_by")
    fields = (("code", "held_at"), "reason", ("released_at", "released_by"), "details")
    page_actions = (GoOn(),)
    ordering = ("-id",)


class PressForm(forms.ModelForm):
    """Whose charging, why, and that it is meant."""

    whose = forms.ModelChoiceField(
        Seller.objects.order_by("name"),
        required=False,
        empty_label=pgettext_lazy("desk", "All sellers"),
        label=pgettext_lazy("desk", "For whom"),
        widget=UnfoldAdminSelectWidget,
    )
    reason = forms.CharField(
        label=pgettext_lazy("desk", "Reason"),
        max_length=300,
        help_text=pgettext_lazy(
            "desk", "Others will ask why. For example: wrong prices since noon."
        ),
        widget=UnfoldAdminTextInputWidget,
    )
    is_meant = forms.BooleanField(
        label=pgettext_lazy("desk", "Stop charging now"),
        help_text=pgettext_lazy(
            "desk",
            "No card is charged and no payment page opens until somebody resumes "
            "charging. Reminders to customers who pay by card wait as well. Emails, "
            "webhooks and refunds continue.",
        ),
        widget=UnfoldBooleanWidget,
    )

    class Meta:
        model = KillSwitch
        fields = ("reason",)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        seller = cleaned.get("whose")
        if on := switches_on().filter(seller=seller.public_id if seller else None).first():
            said = pgettext("desk", "Charging is already stopped: %(reason)s")
            raise ValidationError(said % {"reason": on.reason})
        return cleaned


class Resume(PageAction):
    name = "resume"
    label = RESUME
    explanation = pgettext_lazy("desk", "Planned charges are made with the next tick.")
    permission = PRESS
    icon = "play_arrow"
    variant = ActionVariant.PRIMARY

    def is_offered(self, obj: KillSwitch) -> bool:
        return obj.off_at is None

    def run(self, obj: KillSwitch, *, as_of: date, actor: str, **asked: Any) -> str:
        resume_charging(obj, actor=actor)
        return "Charging resumes with the next tick."


@admin.register(KillSwitch)
class KillSwitchAdmin(ReadOnly):
    """Pressed by adding one, let go by its button; what was is never edited."""

    form = PressForm
    list_display = ("whose", "standing", "on_at", "on_by", "off_at", "off_by", "reason")
    add_fieldsets = ((None, {"fields": ("whose", "reason", "is_meant")}),)
    fields = (("on_at", "on_by"), ("off_at", "off_by"), "reason", "seller")
    page_actions = (Resume(),)
    ordering = ("-id",)

    @admin.display(description="whose charging")
    def whose(self, switch: KillSwitch) -> str:
        return switch.seller or pgettext("desk", "all sellers")

    @admin.display(description="state")
    def standing(self, switch: KillSwitch) -> str:
        return pgettext("desk", "Resumed") if switch.off_at else pgettext("desk", "Stopped")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(PRESS)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.add_fieldsets

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        if obj is None:
            return PressForm
        return super().get_form(request, obj, change, form=forms.ModelForm, **options)

    def save_model(self, request: HttpRequest, obj: KillSwitch, form: Any, change: bool) -> None:
        made = stop_charging(
            reason=obj.reason,
            seller=form.cleaned_data["whose"],
            actor=f"user:{request.user.get_username()}",
        )
        obj.__dict__.update(made.__dict__)

    def response_add(self, request: HttpRequest, obj: KillSwitch, *args: Any) -> HttpResponse:
        if obj.seller:
            said = pgettext("desk", "Charging by %(seller)s is stopped.") % {"seller": obj.seller}
        else:
            said = pgettext("desk", "Charging by all sellers is stopped.")
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:index"))
