"""The operator's front page."""

from dataclasses import replace
from typing import Any

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import pgettext

from billing.base import clock
from billing.desk.figures import rounded_money
from billing.desk.of_seller import is_of_all_sellers, of_seller, shown_seller
from billing.front_page.overview import Sums, chart_of, chart_title, shown_sums
from billing.front_page.scope import Scope
from billing.front_page.stops import PRESS, stops
from billing.front_page.waiting import Work, counted, kinds_of_work
from billing.jobs.queries import last_beat, tick_is_late


def stylesheet(request: HttpRequest) -> str:
    return static("desk.css")


def script(request: HttpRequest) -> str:
    return static("desk.js")


def icon(request: HttpRequest) -> str:
    return static("icon.svg")


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """How the company does, and what needs a hand, each with the list behind the number."""
    if request.user.has_perm("invoicing.view_invoice"):
        scope: Scope = request.desk_scope  # type: ignore[attr-defined]
        found, context["sums_at"] = shown_sums(clock.today(scope.time_zone), scope)
        context["sums"] = [_shown(sums) for sums in found]
        context["chart"] = chart_of(found[0]) if found else ""
        context["chart_title"] = chart_title(found[0]) if found else ""
        context["shows_sums"], context["are_tests"] = True, not scope.is_live
    if request.user.has_perm("jobs.view_jobrun"):
        beat_at = last_beat()
        context["tick"] = {
            "at": naturaltime(beat_at) if beat_at else pgettext("desk", "never"),
            "is_late": tick_is_late(),
            "url": reverse("admin:jobs_jobrun_changelist"),
        }
    kinds = [each for each in kinds_of_work() if request.user.has_perm(each.permission)]
    if seller := shown_seller(request):
        kinds = [_of(seller, each) for each in kinds]
    work = [each.context(count) for each, count in zip(kinds, counted(kinds), strict=True)]
    context["waiting"] = [each for each in work if each["count"]]
    context["idle"] = [each for each in work if not each["count"]]
    context["title"] = pgettext("desk", "Today")
    context["stops"] = stops(request)
    if request.user.has_perm(PRESS):
        context["kill_switch_url"] = reverse("admin:outbound_killswitch_add")
    return context


def _of(seller: Any, work: Work) -> Work:
    """A seller's share of a kind of work; where it is of all sellers, its note says so."""
    if is_of_all_sellers(work.waiting.model):
        return replace(work, counts_all_sellers=True)
    return replace(work, waiting=of_seller(work.waiting, seller))


def _shown(sums: Sums) -> list[tuple[str, str]]:
    return [
        (title, rounded_money(minor, sums.currency))
        for title, minor in (
            (pgettext("desk", "Billed this month, net"), sums.billed_minor),
            (pgettext("desk", "Collected this month"), sums.collected_minor),
            (pgettext("desk", "Overdue amount"), sums.overdue_minor),
        )
    ]
