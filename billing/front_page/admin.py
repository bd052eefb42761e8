"""The pages of holds and of kill switches."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
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
                label="manage.py reconcile was run, and what it left to decide is decided",
                help_text="It compares payments, refunds and numbers with the gateways.",
            )


class GoOn(PageAction):
    name = "go-on"
    label = GO_ON
    explanation = (
        "With the next tick charges, mail, webhooks and documents go on where they stood. What the "
        "first hour after a restore tells customers may have been told before: it waits as mail in "
        "doubt until a person sends it again or settles it."
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
    list_display = ("code", "held_at", "released_at", "released_by")
    fields = (("code", "held_at"), "reason", ("released_at", "released_by"), "details")
    page_actions = (GoOn(),)
    ordering = ("-id",)


class PressForm(forms.ModelForm):
    """Whose charging, why, and that it is meant."""

    whose = forms.ModelChoiceField(
        Seller.objects.order_by("name"),
        required=False,
        empty_label="All sellers",
        label="Whose charging",
        widget=UnfoldAdminSelectWidget,
    )
    reason = forms.CharField(
        max_length=300,
        help_text="Others will ask: wrong prices since noon.",
        widget=UnfoldAdminTextInputWidget,
    )
    is_meant = forms.BooleanField(
        label="Stop it now",
        help_text="No card is charged and no payment page opens until charging is resumed. Late "
        "debts of customers whom we charge stand still. Emails, webhooks and refunds continue.",
        widget=UnfoldBooleanWidget,
    )

    class Meta:
        model = KillSwitch
        fields = ("reason",)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        seller = cleaned.get("whose")
        if on := switches_on().filter(seller=seller.public_id if seller else None).first():
            raise ValidationError(f"Charging is already stopped: {on.reason}")
        return cleaned


class Resume(PageAction):
    name = "resume"
    label = RESUME
    explanation = "What is planned is charged by the next tick."
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
        return switch.seller or "all sellers"

    @admin.display(description="state")
    def standing(self, switch: KillSwitch) -> str:
        return "off" if switch.off_at else "on"

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
        messages.success(request, f"{obj} is stopped.")
        return HttpResponseRedirect(reverse("admin:index"))
