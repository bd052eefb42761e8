from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)

from billing.desk import (
    ActionForm,
    BigReadOnly,
    Desk,
    PageAction,
    Panel,
    label_column,
    link,
    link_column,
    money,
)
from billing.invoicing.admin import InvoiceAdmin, document_link
from customers.admin import CustomerAdmin
from dunning.models import DunningCase, DunningChoice, DunningPolicy, DunningStep

STATUS_COLORS = {"open": "warning", "recovered": "success", "exhausted": "danger", "stopped": ""}


class StopForm(ActionForm):
    reason = forms.CharField(max_length=300, help_text="Such as: disputed by letter of 3 March.")


class Stop(PageAction):
    name = "stop"
    label = "Stop reminding"
    explanation = (
        "For a debt that is disputed, or settled between people: nothing more is sent or charged, "
        "and the customer has full access again."
    )
    permission = "dunning.stop_dunningcase"
    icon = "front_hand"
    form_class = StopForm

    def is_offered(self, obj: DunningCase) -> bool:
        return obj.status == DunningCase.Status.OPEN

    def run(self, obj: DunningCase, *, as_of: date, actor: str, **asked: Any) -> str:
        from dunning.cases import stop

        stop(obj, as_of=as_of, actor=actor, reason=asked["reason"])
        return f"Nobody is reminded of {obj.invoice} any more."


class Resume(PageAction):
    name = "resume"
    label = "Go on reminding"
    explanation = "Goes on with the next step, not before tomorrow."
    permission = "dunning.resume_dunningcase"
    icon = "play_arrow"

    def is_offered(self, obj: DunningCase) -> bool:
        return obj.status == DunningCase.Status.STOPPED

    def run(self, obj: DunningCase, *, as_of: date, actor: str, **asked: Any) -> str:
        from dunning.cases import resume

        case = resume(obj, as_of=as_of, actor=actor)
        return f"The next step is on {case.next_step_on}."


CASE_OF_INVOICE = Panel(
    "Reminders",
    rows=lambda invoice: DunningCase.objects.filter(invoice=invoice).select_related("next_step"),
    columns={
        "Case": link,
        "Late from": lambda case: case.late_from,
        "State": lambda case: case.get_status_display(),
        "Next": lambda case: case.next_step and case.next_step.get_kind_display(),
        "On": lambda case: case.next_step_on,
    },
    when_empty="None: it is not late.",
)
CASES_OF_CUSTOMER = Panel(
    "Reminders",
    rows=lambda customer: customer.dunning_cases.select_related("invoice").order_by("-id"),
    columns={
        "Case": link,
        "Invoice": lambda case: document_link(case.invoice),
        "Late from": lambda case: case.late_from,
        "State": lambda case: case.get_status_display(),
        "On": lambda case: case.next_step_on,
    },
    list_of=DunningCase,
    list_by="customer__id__exact",
    when_empty="None: nothing was ever late.",
)
ACTIONS = Panel(
    "Done",
    rows=lambda case: case.actions.order_by("id"),
    columns={
        "On": lambda action: action.done_on,
        "Step": lambda action: action.get_kind_display(),
        "Outcome": lambda action: action.outcome or "done",
    },
    when_empty="Nothing yet.",
)
STEPS_TO_COME = Panel(
    "To come",
    rows=lambda case: _to_come(case),
    columns={
        "Days": lambda step: step.days,
        "Step": lambda step: step.get_kind_display(),
    },
    when_empty="Nothing more.",
)
InvoiceAdmin.extend(panels=[CASE_OF_INVOICE])
CustomerAdmin.extend(panels=[CASES_OF_CUSTOMER])


def _to_come(case: DunningCase) -> Any:
    steps = DunningStep.objects.filter(policy=case.policy_id, since=case.since)
    done = case.actions.values_list("step_id", flat=True)
    return steps.exclude(pk__in=done) if case.next_step_id else steps.none()


@admin.register(DunningCase)
class DunningCaseAdmin(BigReadOnly):
    list_display = (
        "invoice_link",
        "customer_link",
        "state",
        "late_from",
        "next_step_on",
        "next_kind",
        "left",
    )
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("access", ChoicesDropdownFilter),
        ("seller", RelatedDropdownFilter),
        ("next_step_on", RangeDateFilter),
    )
    list_select_related = ("invoice", "customer", "next_step")
    search_fields = ("invoice__number__exact", "customer__name", "public_id__iexact")
    fields = (
        ("customer", "invoice"),
        ("status", "access"),
        ("late_from", "since"),
        ("next_step", "next_step_on"),
        ("policy", "closed_on"),
        ("reason", "public_id"),
    )
    readonly_fields = ("public_id",)
    panels = (ACTIONS, STEPS_TO_COME)
    page_actions = (Stop(), Resume())

    invoice_link = link_column("invoice")
    customer_link = link_column("customer", ordering="customer__name")
    state = label_column("status", STATUS_COLORS)

    @admin.display(description="next step")
    def next_kind(self, case: DunningCase) -> str:
        return case.next_step.get_kind_display() if case.next_step else "–"

    @admin.display(description="left to pay")
    def left(self, case: DunningCase) -> Any:
        return money(case.invoice.outstanding_minor, case.invoice.currency)


class StepInline(TabularInline):
    model = DunningStep
    extra = 0
    fields = ("since", "days", "kind")


class ChoiceInline(TabularInline):
    model = DunningChoice
    extra = 0
    autocomplete_fields = ("seller", "plan")


@admin.register(DunningPolicy)
class DunningPolicyAdmin(Desk):
    fixed_fields = ("seller", "code")
    list_display = ("name", "code", "seller_link", "steps_in_words")
    list_filter = (("seller", RelatedDropdownFilter),)
    search_fields = ("name", "code")
    autocomplete_fields = ("seller",)
    readonly_fields = ("public_id",)
    fieldsets = ((None, {"fields": (("name", "code"), ("seller", "public_id"))}),)
    inlines = (StepInline, ChoiceInline)

    seller_link = link_column("seller", ordering="seller__name")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("seller").prefetch_related("steps")

    @admin.display(description="after the due date")
    def steps_in_words(self, policy: DunningPolicy) -> str:
        due = [step for step in policy.steps.all() if step.since == "due"]
        return ", ".join(f"{step.days} {step.get_kind_display()}" for step in due)
