from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)

from billing.desk.columns import label_column, link_column
from billing.desk.figures import as_pages_write, link
from billing.desk.forms import ActionForm
from billing.desk.model_admin import BigReadOnly, Desk
from billing.desk.page_actions import PageAction
from billing.desk.panels import Panel
from billing.desk.rows import Rows
from billing.invoicing.admin import InvoiceAdmin
from billing.invoicing.panels import document_link, to_pay
from customers.admin import CustomerAdmin
from customers.calendar import by_today, with_today
from customers.persons import ids_with_merged
from dunning.cases import replan, resume, stop
from dunning.models import DunningCase, DunningChoice, DunningPolicy, DunningStep
from dunning.policies import Policies
from dunning.steps import CANCEL

STATUS_COLORS = {"open": "warning", "recovered": "success", "exhausted": "danger", "stopped": ""}


class StopForm(ActionForm):
    reason = forms.CharField(
        label=pgettext_lazy("desk", "Reason"),
        max_length=300,
        help_text=pgettext_lazy("desk", "For example: disputed by letter of 3 March."),
    )


class Stop(PageAction):
    name = "stop"
    label = "Stop reminding"
    explanation = pgettext_lazy(
        "desk",
        "For a debt that is disputed or settled in another way: nothing more is "
        "sent or charged, and the customer has full access again.",
    )
    permission = "dunning.stop_dunningcase"
    icon = "front_hand"
    form_class = StopForm

    def is_offered(self, obj: DunningCase) -> bool:
        return obj.status == DunningCase.Status.OPEN

    def run(self, obj: DunningCase, *, as_of: date, actor: str, **asked: Any) -> str:
        stop(obj, as_of=as_of, actor=actor, reason=asked["reason"])
        return f"Nobody is reminded of {obj.invoice} any more."


class Resume(PageAction):
    name = "resume"
    label = "Resume reminding"
    explanation = pgettext_lazy("desk", "Continues with the next step, tomorrow at the earliest.")
    permission = "dunning.resume_dunningcase"
    icon = "play_arrow"

    def is_offered(self, obj: DunningCase) -> bool:
        return obj.status == DunningCase.Status.STOPPED

    def run(self, obj: DunningCase, *, as_of: date, actor: str, **asked: Any) -> str:
        case = resume(obj, as_of=as_of, actor=actor)
        if case.status == DunningCase.Status.RECOVERED:
            return f"What the customer has with us has paid {obj.invoice}."
        return f"The next step is on {case.next_step_on}."


CASE_OF_INVOICE = Panel(
    "Reminders",
    rows=lambda invoice: DunningCase.objects.filter(invoice=invoice).select_related(
        "next_step", "invoice"
    ),
    columns={
        "Case": link,
        "Late from": lambda case: case.late_from,
        "State": lambda case: case.get_status_display(),
        "Next": lambda case: case.coming_step and case.coming_step.get_kind_display(),
        "On": lambda case: case.coming_step_on,
    },
    when_empty="None: it is not late.",
)
CASES_OF_CUSTOMER = Panel(
    "Reminders",
    rows=lambda customer: (
        DunningCase.objects.filter(customer__in=ids_with_merged(customer))
        .select_related("invoice")
        .order_by("-id")
    ),
    columns={
        "Case": link,
        "Invoice": lambda case: document_link(case.invoice),
        "Late from": lambda case: case.late_from,
        "State": lambda case: case.get_status_display(),
        "On": lambda case: case.coming_step_on,
    },
    list_of=DunningCase,
    list_by="customer__id__in",
    listed=ids_with_merged,
    when_empty="None: nothing was ever late.",
)
ACTIONS = Panel(
    "Steps taken",
    rows=lambda case: case.actions.order_by("id"),
    columns={
        "On": lambda action: action.done_on,
        "Step": lambda action: action.get_kind_display(),
        "Outcome": lambda action: as_pages_write(action.outcome) or pgettext("desk", "done"),
    },
    when_empty="Nothing yet.",
)
STEPS_TO_COME = Panel(
    "To come, unless it is paid",
    rows=lambda case: [(on, (on - case.late_from).days, step) for on, step in _to_come(case)],
    columns={
        "On": lambda row: row[0],
        "Days late": lambda row: row[1],
        "Step": lambda row: row[2].get_kind_display(),
    },
    when_empty="Nothing more.",
)
InvoiceAdmin.extend(panels=[CASE_OF_INVOICE])
CustomerAdmin.extend(panels=[CASES_OF_CUSTOMER])


def _to_come(case: DunningCase) -> list[tuple[date, DunningStep]]:
    """The steps from the next one on, with the days on which they fall as things stand."""
    on = case.coming_step_on
    if on is None or case.next_step_id is None:
        return []
    found = Policies(case.seller).steps_of(case)
    at = found.position(case.next_step_id)
    return [
        (on + timedelta(days=days - found.days[at]), step)
        for days, step in zip(found.days[at:], found.steps[at:], strict=True)
    ]


class WorkFilter(DropdownFilter):
    title = pgettext_lazy("desk", "work")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("today", pgettext("desk", "A step today")),
            ("suspended", pgettext("desk", "Suspended")),
            ("stopped", pgettext("desk", "Stopped")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        work = self.value()
        return WORK[work](queryset) if work in WORK else queryset


WORK: dict[str, Callable[[QuerySet], QuerySet]] = {
    "today": lambda debts: with_today(debts).filter(
        by_today("next_step_on"), status=DunningCase.Status.OPEN
    ),
    # One whose subscription has ended waits for its money only.
    "suspended": lambda debts: debts.filter(
        ~Q(actions__kind=CANCEL.name),
        status=DunningCase.Status.OPEN,
        access=DunningCase.Access.NONE,
    ),
    "stopped": lambda debts: debts.filter(status=DunningCase.Status.STOPPED),
}


@admin.register(DunningCase)
class DunningCaseAdmin(BigReadOnly):
    kept_sentences = ("reason",)
    list_display = (
        "invoice_link",
        "customer_link",
        "state",
        "late_from",
        "next_on",
        "next_kind",
        "access_left",
        "left",
    )
    list_filter = (
        WorkFilter,
        ("status", ChoicesDropdownFilter),
        ("access", ChoicesDropdownFilter),
        ("seller", RelatedDropdownFilter),
        ("next_step_on", RangeDateFilter),
    )
    list_select_related = ("invoice", "customer", "next_step")
    search_fields = ("invoice__number__exact", "customer__typed", "public_id__iexact")
    fields = (
        ("customer", "invoice"),
        ("status", "access"),
        ("late_from", "since", "charged_from"),
        ("next_kind", "next_on"),
        ("policy", "closed_on"),
        ("reason", "public_id"),
    )
    readonly_fields = ("next_kind", "next_on", "public_id")
    panels = (ACTIONS, STEPS_TO_COME)
    page_actions = (Stop(), Resume())

    invoice_link = link_column("invoice")
    customer_link = link_column("customer", ordering="customer__name")
    state = label_column("status", STATUS_COLORS)
    access_left = label_column(
        "access", {"full": "", "restricted": "warning", "none": "danger"}, "access"
    )

    @admin.display(description="next step")
    def next_kind(self, case: DunningCase) -> str:
        return case.coming_step.get_kind_display() if case.coming_step else "–"

    @admin.display(description="next step on", ordering="next_step_on")
    def next_on(self, case: DunningCase) -> date | None:
        return case.coming_step_on

    @admin.display(description="left to pay")
    def left(self, case: DunningCase) -> Any:
        return to_pay(case.invoice)


class StepInline(Rows):
    model = DunningStep
    fields = ("since", "days", "kind")


class ChoiceInline(Rows):
    model = DunningChoice
    autocomplete_fields = ("seller", "plan")


@admin.register(DunningPolicy)
class DunningPolicyAdmin(Desk):
    fixed_fields = ("seller", "code")
    list_display = ("name", "seller_link", "after_due", "after_failure", "open_cases")
    list_filter = (("seller", RelatedDropdownFilter),)
    search_fields = ("name", "code")
    autocomplete_fields = ("seller",)
    readonly_fields = ("public_id",)
    fieldsets = ((None, {"fields": (("name", "code"), ("seller", "public_id"))}),)
    inlines = (StepInline, ChoiceInline)

    seller_link = link_column("seller", ordering="seller__name")

    def get_queryset(self, request: HttpRequest) -> Any:
        found = super().get_queryset(request).select_related("seller")
        if not self.is_list(request):
            return found
        open_count = Count("cases", filter=Q(cases__status=DunningCase.Status.OPEN))
        return found.prefetch_related("steps").annotate(open_count=open_count)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What comes along serves everybody who has chosen no other."""
        is_shipped = obj is not None and obj.seller_id is None
        return not is_shipped and super().has_delete_permission(request, obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """A policy that was changed holds for the debts that are late already."""
        super().save_related(request, form, formsets, change)
        moved = replan(form.instance) if change else 0
        if moved:
            said = pgettext("desk", "Late debts that now follow the changed policy: %(count)s.")
            messages.info(request, said % {"count": moved})

    @admin.display(description="after the due date")
    def after_due(self, policy: DunningPolicy) -> str:
        return _in_words(policy, "due")

    @admin.display(description="after a failed payment")
    def after_failure(self, policy: DunningPolicy) -> str:
        return _in_words(policy, "failure")

    @admin.display(description="open debts", ordering="open_count")
    def open_cases(self, policy: Any) -> int:
        return int(policy.open_count)


def _in_words(policy: DunningPolicy, since: str) -> str:
    """A row of steps with their days,."""
    words: list[str] = []
    steps = sorted(policy.steps.all(), key=lambda step: (step.days, step.pk))
    for step in steps:
        if step.since == since:
            words.append(f"{step.days} {step.get_kind_display()}")
    return " · ".join(words) or pgettext("desk", "nothing")
