"""One subscription: what it is, and what its customer may do with it."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods, require_safe

from billing.engine.errors import BillingError, Refused
from billing.invoicing.changes import Changed
from billing.subscriptions import actions, coupons, pausing
from billing.subscriptions.agreements import Contract, load_contracts
from billing.subscriptions.allowed_changes import WITHDRAWAL, deeds_of, plans_for, withdraws_until
from billing.subscriptions.coupons import coupon_for
from billing.subscriptions.items import planned_change_on
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from portal.cards import cards_of, items_on, period_on, price_in_words
from portal.deeds import Deed, do, seen_of
from portal.forms import PAUSE_DAYS_MAX, CancelForm, ChangeForm, CouponForm, PauseForm
from portal.limits import may_try, new_key, was_sent
from portal.models import Attempt
from portal.next_payment import day_of, lines_of, next_payment_of
from portal.queries import balances_of, oldest_debt_of, usable_method
from portal.refusals import sentence_of
from portal.visits import Visit, for_subscriptions, show_to
from portal.words import price_of, with_tax

READS_AND_SENDS = ["GET", "HEAD", "POST"]
COUPON_TIMES, COUPON_WITHIN = 20, timedelta(hours=1)


@require_safe
@for_subscriptions
def subscription(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    found = visit.subscription(public_id)
    (card,) = cards_of([found], visit.as_of)
    contract = load_contracts([found.pk])[found.pk]
    deeds = deeds_of(found, visit.as_of)
    is_suspended = _is_suspended(found)
    context = {
        "card": card,
        "deeds": deeds,
        "next": next_payment_of(visit, usable_method(visit.customer), found),
        "has_usage": bool(card.usage),
        "scheduled": _scheduled(contract, visit),
        "is_suspended": is_suspended,
        # Who came by a link to this subscription alone has no way to the invoices.
        "debt": oldest_debt_of(found) if is_suspended and not visit.only else None,
        "term_ends": day_of(found.ends_on) if found.ends_on and not found.cancels_on else "",
    }
    return show_to(request, visit, "portal/subscription.html", context, section="home")


@require_http_methods(READS_AND_SENDS)
@for_subscriptions
def change(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    """Another plan, or another number of what is counted."""
    found = visit.subscription(public_id)
    contract = load_contracts([found.pk])[found.pk]
    items = items_on(contract, visit.as_of)
    had = {item.price.code: item.quantity for item in items}
    plans = plans_for(found)
    asked = _asked(request)
    form = ChangeForm(found, plans, had, {"plan": found.plan.public_id, "when": "now"} | asked)
    period = period_on(contract, visit.as_of)
    agreed = price_in_words(contract, found.plan, items)
    context = {
        "form": form,
        "plans": [_choice(plan, form, agreed, found.currency) for plan in plans],
        "period_end": day_of(period.end),
        "when": form.data.get("when"),
        "button": pgettext("portal", "Change the subscription"),
    }
    is_same = form.is_valid() and form.is_same() and not _scheduled(contract, visit)
    deed = None
    if form.is_valid() and not is_same:
        is_later = form.cleaned_data["when"] == "period_end"
        deed = Deed(
            "change",
            found,
            partial(
                actions.change,
                found,
                as_of=visit.as_of,
                actor=visit.actor,
                # Who asks for more of what they have keeps the price that they agreed to.
                plan=None if form.chosen.pk == found.plan_id else form.chosen,
                quantities=form.quantities,
                when=form.cleaned_data["when"] or "now",
            ),
            asked=f"{form.asked} {period.end}" if is_later else form.asked,
        )
    said = pgettext("portal", "The subscription has been changed.")
    return _act(request, visit, found, deed, "portal/change.html", context, said)


@require_http_methods(READS_AND_SENDS)
@for_subscriptions
def coupon(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    """A code that takes something off: what it comes to, and then it is there."""
    found = visit.subscription(public_id)
    asked = _asked(request)
    form = CouponForm(asked if "code" in asked else None)
    deed = None
    if form.is_valid():
        try:
            deed = _redeeming(visit, found, form.cleaned_data["code"])
        except BillingError as error:
            form.add_error("code", sentence_of(error))
    context = {"form": form, "button": pgettext("portal", "Apply the code")}
    said = pgettext("portal", "The discount applies from the next invoice on.")
    return _act(request, visit, found, deed, "portal/coupon.html", context, said)


@require_http_methods(READS_AND_SENDS)
@for_subscriptions
def pause(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    """No service for a while; days that are paid for come back."""
    found = visit.subscription(public_id)
    form = PauseForm(visit.as_of, {"length": "open"} | _asked(request))
    deed = None
    if form.is_valid():
        deed = Deed(
            "pause",
            found,
            partial(
                pausing.pause,
                found,
                as_of=visit.as_of,
                actor=visit.actor,
                until=form.cleaned_data["until"],
            ),
            asked=str(form.cleaned_data["until"] or ""),
        )
    context = {
        "form": form,
        "length": form.data.get("length"),
        "until": form.data.get("until", ""),
        "first": (visit.as_of + timedelta(days=1)).isoformat(),
        "last": (visit.as_of + timedelta(days=PAUSE_DAYS_MAX)).isoformat(),
        "button": pgettext("portal", "Pause the subscription"),
    }
    said = pgettext("portal", "The subscription is paused.")
    return _act(request, visit, found, deed, "portal/pause.html", context, said)


@require_http_methods(READS_AND_SENDS)
@for_subscriptions
def resume(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    found = visit.subscription(public_id)
    deed = Deed(
        "resume", found, partial(pausing.resume, found, as_of=visit.as_of, actor=visit.actor)
    )
    context = {"button": pgettext("portal", "Resume the subscription")}
    said = pgettext("portal", "The subscription resumes today.")
    return _act(request, visit, found, deed, "portal/resume.html", context, said)


@require_http_methods(READS_AND_SENDS)
@for_subscriptions
def cancel(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    """One page and one button; the question on it need not be answered."""
    found = visit.subscription(public_id)
    form = CancelForm(_asked(request))
    end = period_on(load_contracts([found.pk])[found.pk], visit.as_of).end
    deed = None
    if form.is_valid():
        deed = Deed(
            "cancel",
            found,
            partial(
                actions.cancel,
                found,
                as_of=visit.as_of,
                actor=visit.actor,
                reason=form.cleaned_data["reason"],
            ),
            # Whoever agreed to the day that the page showed has not agreed to another one.
            asked=end.isoformat(),
        )
    context = {
        "form": form,
        "reasons": form.REASONS.items(),
        "balances": balances_of(visit.customer),
        "last_day": day_of(found.last_day_before(end)),
        "button": pgettext("portal", "Cancel the subscription"),
        "is_danger": True,
    }
    said = pgettext(
        "portal", "The subscription is canceled. You can undo the cancellation until it ends."
    )
    return _act(request, visit, found, deed, "portal/cancel.html", context, said)


@require_http_methods(READS_AND_SENDS)
@for_subscriptions
def undo(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    """Take a cancellation back, until the end."""
    found = visit.subscription(public_id)
    deed = Deed(
        "undo", found, partial(actions.undo_cancel, found, as_of=visit.as_of, actor=visit.actor)
    )
    context = {"button": pgettext("portal", "Keep the subscription")}
    said = pgettext("portal", "The subscription continues as before.")
    return _act(request, visit, found, deed, "portal/undo.html", context, said)


@require_http_methods(READS_AND_SENDS)
@for_subscriptions
def undo_change(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    """Take a planned change back, until its day."""
    found = visit.subscription(public_id)
    deed = Deed(
        "undo_change",
        found,
        partial(actions.undo_change, found, as_of=visit.as_of, actor=visit.actor),
        asked=str(planned_change_on(found, visit.as_of)),
    )
    context = {"button": pgettext("portal", "Keep it as it is")}
    said = pgettext("portal", "The planned change is undone.")
    return _act(request, visit, found, deed, "portal/undo_change.html", context, said)


@require_http_methods(READS_AND_SENDS)
@for_subscriptions
def withdraw(request: HttpRequest, visit: Visit, public_id: str) -> HttpResponse:
    """A consumer's withdrawal: it ends today, and what is paid for the days to come goes back."""
    found = visit.subscription(public_id)
    deed = Deed(
        "withdraw",
        found,
        partial(
            actions.cancel,
            found,
            as_of=visit.as_of,
            actor=visit.actor,
            when="now",
            is_refunded=True,
            reason=WITHDRAWAL,
        ),
    )
    until = withdraws_until(found)
    context = {
        "customer": visit.customer,
        "until": day_of(until) if until else "",
        "button": pgettext("portal", "Confirm the withdrawal"),
        "is_danger": True,
    }
    said = pgettext("portal", "You have withdrawn from the contract, and it has ended.")
    return _act(request, visit, found, deed, "portal/withdraw.html", context, said)


def _act(
    request: HttpRequest,
    visit: Visit,
    found: Subscription,
    deed: Deed | None,
    template: str,
    context: Mapping[str, Any],
    said: str,
) -> HttpResponse:
    """Do what was asked for and go back to the subscription; else the page, with what it costs."""
    name = template.removeprefix("portal/").removesuffix(".html")
    problem, key = "", request.POST.get("key", "").replace("\0", "")
    is_done = bool(key) and was_sent(visit.customer, key)
    if is_done or name not in deeds_of(found, visit.as_of):
        return _no_longer(request, found, is_done=is_done)
    is_sent = request.method == "POST" and request.POST.get("act") != "show"
    if deed is not None and is_sent:
        try:
            seen = request.POST.get("seen", "")
            changed = do(deed, visit, key=key, seen=seen)
        except BillingError as error:
            if error.code == "form_already_sent":
                return _no_longer(request, found, is_done=True)
            problem = sentence_of(error)
        else:
            return _after(request, visit, changed, said)
    shown = {**_outcome(deed, visit), **context, "found": found, "path": request.path}
    shown |= {"problem": problem or shown["problem"], "is_refused": is_sent}
    status = 422 if is_sent else 200
    return show_to(request, visit, template, shown, section="home", status=status)


def _outcome(deed: Deed | None, visit: Visit) -> dict[str, Any]:
    """The three lines and what the button sends, or why there is none."""
    if deed is None:
        return {"lines": [], "problem": ""}
    try:
        seen = seen_of(deed, visit)
    except BillingError as error:
        return {"lines": [], "problem": sentence_of(error)}
    return {
        "lines": lines_of(seen),
        "key": new_key(),
        "seen": deed.seen(seen.outcome),
        "problem": "",
    }


def _after(request: HttpRequest, visit: Visit, changed: Changed, said: str) -> HttpResponse:
    messages.success(request, said)
    for document in changed.documents:
        to_pay = document.is_collectable and not document.bill_to.get("auto")
        if to_pay and not visit.only:
            return HttpResponseRedirect(reverse("portal:invoice", args=[document.public_id]))
    return _back_to(changed.subscription)


def _no_longer(request: HttpRequest, found: Subscription, *, is_done: bool) -> HttpResponse:
    """Back to the subscription, which is no longer what the page was about."""
    if is_done:
        messages.info(request, pgettext("portal", "That has already been done."))
    else:
        messages.info(request, pgettext("portal", "That cannot be done right now."))
    return _back_to(found)


def _back_to(found: Subscription) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:subscription", args=[found.public_id]))


def _redeeming(visit: Visit, found: Subscription, code: str) -> Deed:
    """What gives a subscription a coupon. Codes cannot be guessed one after the other."""
    if not may_try(
        Attempt.Kind.COUPON,
        visit.customer.public_id,
        times=COUPON_TIMES,
        within=COUPON_WITHIN,
        now=visit.now,
    ):
        raise Refused("Too many codes were tried.", code="too_many_attempts")
    known = coupon_for(found, code, as_of=visit.as_of)

    def redeem() -> Subscription:
        coupons.redeem_coupon(
            visit.customer, known, subscription=found, as_of=visit.as_of, actor=visit.actor
        )
        return found

    return Deed("coupon", found, redeem, asked=str(known.pk))


def _asked(request: HttpRequest) -> dict[str, str]:
    """What was sent, each name once."""
    sent = request.POST if request.method == "POST" else request.GET
    return {name: str(value) for name, value in sent.items()}


def _choice(plan: Plan, form: ChangeForm, agreed: str, currency: str) -> dict[str, Any]:
    """A plan to choose, with what it costs at as many units as there are.

    Who keeps a plan keeps its prices as they were ``agreed``, though others pay new ones.
    """
    offered = getattr(plan, "offered", [])
    parts = [
        (price.terms(), Decimal(form.had.get(price.code, price.quantity))) for price in offered
    ]
    price = with_tax(price_of(plan, parts, currency), offered) if parts else ""
    is_present = plan.pk == form.subscription.plan_id
    return {
        "public_id": plan.public_id,
        "name": plan.name,
        "price": agreed if is_present else price,
        "is_present": is_present,
        "is_chosen": plan.pk == form.chosen.pk,
    }


def _is_suspended(found: Subscription) -> bool:
    """Whether access was closed because of a debt; what has not begun, or is over, has none."""
    Status = Subscription.Status
    has_begun = found.status not in {Status.INCOMPLETE, Status.ENDED}
    return has_begun and found.access == Subscription.Access.NONE


def _scheduled(contract: Contract, visit: Visit) -> str:
    """What begins on a later day, in a sentence; empty where nothing does."""
    later = [item for item in contract.agreement.items if item.start > visit.as_of]
    if not later:
        return ""
    first = min(later, key=lambda item: item.start)
    terms = contract.terms[first.price.ref]
    said = pgettext("portal", "From %(day)s: %(plan)s.")
    return said % {"day": day_of(first.start), "plan": terms.plan_name}
