"""The hosted checkout: an order is seen, placed, paid at the gateway, and over.

One address shows whichever of these the order is at, so the back button and a second tab find what
is there, and nothing is done twice.
"""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST, require_safe

from billing.base import clock
from billing.base.requests import client_address
from billing.checkout import offers, paying, placing
from billing.checkout.models import Order
from billing.checkout.offers import is_over
from billing.checkout.placing import Consent
from billing.engine.errors import BillingError, Refused
from billing.invoicing.changes import Preview, next_bill
from billing.invoicing.writing import Writer
from billing.payments.gateways.base import GatewayError, GatewayHeld
from billing.payments.models import CheckoutSession
from billing.tax import checks
from customers.calendar import now_of, today_of
from portal.by_script import go_to, in_place, is_by_script
from portal.limits import may_try
from portal.models import Attempt
from portal.pages import choose_language, in_language_of, keep_language, show
from portal.pay_forms import OrderForm
from portal.refusals import sentence_of
from portal.sign_in import ask_for_link
from portal.terms import (
    VERSION,
    Terms,
    card_of,
    digest_of,
    failure_in_words,
    price_in_words,
    terms_of,
)
from portal.views.links import leave_by, paid_by, pdf_of, return_address, token_page, way_back

USER_AGENT_MAX = 300
# So often an hour is the register of VAT numbers asked for one order.
NUMBERS_MAX = 10


@token_page
def checkout(request: HttpRequest, token: str) -> HttpResponse:
    """An order's page, at whichever point it is."""
    order = offers.find_order(token)
    if order is None:
        return show(request, "portal/pay/unknown.html", {}, status=404)
    if order.status == Order.Status.COMPLETE:
        return _show(request, order, "done", {"token": token, **_done(request, order)})
    if is_over(order, now_of(order.seller)):
        return _show(request, order, "expired", {}, status=410)
    if order.status == Order.Status.PLACED:
        if _is_again(request, order) and _keep_corrected(request, order):
            return _leave(request, order, token)
        return _pay(request, order, token)
    chosen = choose_language(request)
    answer = _order(request, order, token)
    if chosen:
        keep_language(answer, chosen)
    return answer


def _show(
    request: HttpRequest, order: Order, page: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    answer = show(
        request,
        f"portal/pay/{page}.html",
        {"order": order, "plan": order.plan, **context},
        seller=order.seller,
        customer=order.customer,
        usual=order.language,
        status=status,
    )
    return answer if page == "sum" else in_place(request, answer)


# Ordering


def _order(request: HttpRequest, order: Order, token: str) -> HttpResponse:
    with in_language_of(request, order.customer, order.language) as language:
        is_ordering, refusal = request.POST.get("act") == "order", ""
        form = OrderForm(
            order,
            request.POST if request.method == "POST" else None,
            is_ordering=is_ordering,
            network=client_address(request) or "",
        )
        form.is_valid()
        is_asking = request.POST.get("act") == "account"
        if is_asking:
            _ask_for_account(request, order, form)
        standing = _standing(order, form.vat_number, is_asking=form.is_bound)
        try:
            placing.refuse_unpayable(order.seller)
            seen = _quote(order, form)
        except BillingError:
            return _show(request, order, "unavailable", {}, status=409)
        is_valid = form.is_valid()
        describe = partial(
            terms_of,
            order,
            as_of=today_of(order.seller),
            number=form.vat_number,
            standing=standing,
        )
        terms = describe(seen)
        if is_ordering and is_valid and form.cleaned_data["seen"] == terms.digest:
            try:
                _place(request, order, form, terms, language)
                return _leave(request, offers.find_order(token) or order, token)
            except Refused as refused:
                refusal = refused.code
                # What was typed stays, with what is wrong with it and what it comes to now.
                if not form.refuse(refused) and refusal != "price_changed":
                    messages.error(request, sentence_of(refused))
            try:
                terms, is_valid = describe(_quote(order, form)), form.is_valid()
            except BillingError:
                refusal = "over"
            if refusal in _OVER:
                return go_to(request, _address(token))
        has_agreed = is_ordering or "consent" in request.POST
        is_other = has_agreed and (
            refusal == "price_changed" or form.cleaned_data.get("seen") != terms.digest
        )
    context = {
        "form": form,
        "terms": terms,
        "token": token,
        "is_other": is_other,
        "is_wrong": is_ordering and not is_valid,
        # Who has ticked the box for another sum has not ticked it for this one.
        "is_consented": "consent" in request.POST and request.POST.get("seen") == terms.digest,
    }
    if is_by_script(request) and not (is_ordering or is_asking):
        return _show(request, order, "sum", context)
    context["prices"] = _prices(request, order)
    status = 422 if context["is_wrong"] or refusal else 200
    return _show(request, order, "order", context, status=status)


# Refusals at placing that the order's own page explains: nothing that was typed is of use any more.
_OVER = frozenset({"over", "order_expired", "plan_inactive", "no_way_to_pay", "seller_not_ready"})


def _quote(order: Order, form: OrderForm) -> Preview:
    """What the order would come to. Where it cannot be billed in the country that was chosen, that
    is said of the country, and the sum is the one at home: whoever chose wrongly chooses again.
    """
    quote = partial(
        placing.quote,
        order,
        choice=form.choice,
        as_of=today_of(order.seller),
        actor=_actor(order),
    )
    try:
        return quote(form.details)
    except BillingError:
        home = str(order.seller.country)
        if not form.is_bound or form.details.country == home:
            raise
        seen = quote(replace(form.details, country=home, vat_number=""))
        form.refuse_country()
        return seen


def _standing(order: Order, number: str, *, is_asking: bool) -> str:
    """What is known of a VAT number, where that makes a difference; asked for before the order is.

    VAT is charged until the number is known to be valid, so a register that is away keeps nobody.
    """
    if not number or not checks.matters(order.seller, number):
        return ""

    def may_ask() -> bool:
        return is_asking and may_try(
            Attempt.Kind.NUMBER,
            order.public_id,
            times=NUMBERS_MAX,
            within=timedelta(hours=1),
            now=now_of(order.seller),
        )

    return checks.look_up(order.seller, number, may_ask)


def _ask_for_account(request: HttpRequest, order: Order, form: OrderForm) -> None:
    """Have a link mailed by which a customer of old orders as such, and say the same whether the
    address is one's or nobody's.
    """
    email = form.details.email
    if not email or order.customer is not None:
        form.ask_for_address()
        return
    try:
        ask_for_link(
            email,
            network=client_address(request) or "",
            now=clock.now(),
            seller=order.seller,
            order=order.public_id,
        )
    except Refused as refused:
        messages.error(request, sentence_of(refused))
        return
    said = pgettext(
        "pay",
        "If %(email)s belongs to a customer, a link to continue the order is on its way. It "
        "works once, within 15 minutes. You can also continue here.",
    )
    messages.info(request, said % {"email": email})


def _prices(request: HttpRequest, order: Order) -> list[tuple[str, str]]:
    """What each part of the plan costs, where there are several."""
    with in_language_of(request, order.customer, order.language):
        offered = order.plan.prices.filter(is_active=True, currency=order.currency).with_units()
        rows = [(price.name or order.plan.name, price_in_words(price)) for price in offered]
    return rows if len(rows) > 1 else []


def _place(
    request: HttpRequest, order: Order, form: OrderForm, terms: Terms, language: str
) -> None:
    """Place the order as it was agreed to. Raises as :func:`placing.place` does."""
    consent = Consent(
        text=terms.text,
        language=language,
        version=VERSION,
        ip_address=_address_of(request),
        user_agent=request.headers.get("User-Agent", "")[:USER_AGENT_MAX],
    )
    placing.place(
        order,
        form.details_in(language),
        form.choice,
        consent,
        as_of=today_of(order.seller),
        actor=_actor(order),
        agreed_minor=terms.today_minor,
    )


def _actor(order: Order) -> str:
    return f"customer:{order.customer.public_id}" if order.customer else f"order:{order.public_id}"


def _address_of(request: HttpRequest) -> str:
    try:
        return str(get_adapter().get_client_ip(request))
    except PermissionDenied:
        return ""


# Paying


def _is_again(request: HttpRequest, order: Order) -> bool:
    """Whether the form that has placed the order was sent a second time, as by a double click."""
    text = str(order.consent.get("text", ""))
    return request.POST.get("act") == "order" and request.POST.get("seen") == digest_of(text)


def _keep_corrected(request: HttpRequest, order: Order) -> bool:
    """Keep what was corrected before the form was sent again; False where it is another order."""
    with in_language_of(request, order.customer, order.language) as language:
        form = OrderForm(
            order, request.POST, is_ordering=True, network=client_address(request) or ""
        )
        form.is_valid()
        return placing.correct_details(
            order, form.details_in(language), as_of=today_of(order.seller), actor=_actor(order)
        )


def _why_again(request: HttpRequest) -> str:
    """What is to be said beside an order that was placed: another window has sent another choice,
    or the address says what went wrong at the gateway.
    """
    return "other" if request.method == "POST" else request.GET.get("problem", "")


def _pay(request: HttpRequest, order: Order, token: str) -> HttpResponse:
    """What is ordered and not paid yet, with the way to pay it."""
    page = paying.last_page(order)
    with in_language_of(request, order.customer, order.language) as language:
        write = Writer(language, order.currency)
        failure = page.failure if page and page.status == CheckoutSession.Status.OPEN else ""
        invoice = order.invoice
        left_minor = invoice.left_minor if invoice and invoice.is_collectable else 0
        context = {
            "token": token,
            "amount": write.money(left_minor) if invoice else "",
            "until": write.day(order.expires_at.date()),
            "failure": failure_in_words(failure) if failure else "",
            "problem": _problem(_why_again(request)),
        }
    return _show(request, order, "placed", context)


def _problem(said: str) -> str:
    return {
        "other": pgettext(
            "pay",
            "You have already ordered this, as shown here. What you chose afterwards in another "
            "window was not ordered.",
        ),
        "gateway": pgettext(
            "pay",
            "The card page cannot be reached right now. We have kept your order, and nothing has "
            "been taken. Try again in a moment.",
        ),
        "held": pgettext(
            "pay",
            "Card payments are not possible right now. We have kept your order, and nothing has "
            "been taken. Come back later today.",
        ),
        "waits": pgettext(
            "pay",
            "A payment of this order is under way, and we are tracking it. Check again in a few "
            "minutes.",
        ),
        "unasked": pgettext(
            "pay",
            "We have not been able to check yet whether you have paid. If you have, you do not "
            "need to do anything more, and this page will soon say so.",
        ),
    }.get(said, "")


@require_POST
@token_page
def card(request: HttpRequest, token: str) -> HttpResponse:
    """To the gateway's page, for what is ordered and not paid yet."""
    order = offers.find_order(token)
    if order is None or order.status != Order.Status.PLACED:
        return HttpResponseRedirect(_address(token))
    return _leave(request, order, token)


def _leave(request: HttpRequest, order: Order, token: str) -> HttpResponse:
    back = return_address(order.public_id)
    try:
        session = paying.open_page(
            order, as_of=today_of(order.seller), actor=_actor(order), return_url=back
        )
    except GatewayHeld:
        return go_to(request, _address(token, "held"))
    except GatewayError:
        return go_to(request, _address(token, "gateway"))
    except Refused as refused:
        is_waiting = refused.code == "payment_in_flight"
        return go_to(request, _address(token, "waits" if is_waiting else ""))
    if session is None:
        return go_to(request, _address(token))
    answer = leave_by(
        request, session.url, seller=order.seller, customer=order.customer, usual=order.language
    )
    return way_back(answer, order.public_id, _address(token), is_secure=request.is_secure())


def _address(token: str, problem: str = "") -> str:
    query = f"?problem={problem}" if problem else ""
    return reverse("pay:checkout", args=[token]) + query


# Done


def _done(request: HttpRequest, order: Order) -> dict[str, Any]:
    """What was bought, and what happens next; whoever has the link of old sees that it is done."""
    if not is_recent(order):
        return {}
    customer, subscription = order.customer, order.subscription
    assert customer is not None and subscription is not None
    as_of = today_of(order.seller)
    bill = next_bill(customer, as_of=as_of, subscription=subscription)
    payment = paid_by(order.invoice) if order.invoice else None
    with in_language_of(request, customer, order.language) as language:
        write = Writer(language, order.currency)
        return {
            "is_recent": True,
            "last_day": write.day(subscription.last_day) if subscription.last_day else "",
            "invoice": order.invoice,
            "card": card_of(customer),
            "payment": payment,
            "paid": write.money(payment.amount_minor) if payment else "",
            "next_amount": write.money(bill.to_pay_minor) if bill else "",
            "next_on": write.day(bill.on) if bill else "",
        }


def is_recent(order: Order) -> bool:
    return order.expires_at > now_of(order.seller)


@require_safe
@token_page
def receipt(request: HttpRequest, token: str) -> HttpResponse:
    """The receipt of what was paid at the start, as long as the page shows it."""
    order = offers.find_order(token)
    is_shown = order is not None and is_recent(order)
    payment = paid_by(order.invoice) if order and is_shown and order.invoice else None
    if payment is None:
        return HttpResponseRedirect(_address(token))
    return pdf_of(payment, f"{payment.public_id}.pdf")
