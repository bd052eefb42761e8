"""The way in: by a mailed link, which is pressed once more here, and the way out."""

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import pgettext, pgettext_lazy
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from billing.base import clock
from billing.base.requests import client_address
from billing.base.typed import Typed
from billing.engine.errors import Refused
from customers.links import Purpose, read_link, time_of, use_link
from customers.models import AccessLink, Customer, Seller
from customers.persons import staying_of
from portal.failures import too_many
from portal.pages import in_language_of, show
from portal.queries import accounts_at
from portal.sign_in import NETWORK_WITHIN, ask_for_link
from portal.views.accounts import ACCOUNTS_MAX, go_on, offer_before, offer_to, page_of
from portal.visits import Visit, begin, end, seller_asked_for, visit_of

ENTERS = (Purpose.SIGN_IN, Purpose.PORTAL)


class AddressForm(Typed):
    email = forms.EmailField(
        label=pgettext_lazy("portal", "Email address"),
        max_length=254,
        error_messages={
            "required": pgettext_lazy("portal", "Enter your email address."),
            "invalid": pgettext_lazy("portal", "Enter an address such as name@example.com."),
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
    )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if not email.isprintable():
            raise ValidationError(self.fields["email"].error_messages["invalid"])
        return email


@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for an address, and answer every address alike; who is signed in goes on."""
    visit = visit_of(request)
    if request.method != "POST" and visit is not None and not visit.only:
        return HttpResponseRedirect(_home_of(visit))
    seller = seller_asked_for(request)
    with in_language_of(request):
        form = AddressForm(request.POST if request.method == "POST" else None)
        context = {"form": form, "seller_asked": request.GET.get("seller", "") if seller else ""}
        if not form.is_valid():
            status = 422 if form.is_bound else 200
            return show(request, "portal/sign_in.html", context, seller=seller, status=status)
        return _sent(request, form.cleaned_data["email"], seller)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("token")
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """Say who is about to be signed in, and sign them in when they press the button.

    Programs that read mail follow its links, so that following one uses nothing up.
    """
    now = time_of(token)
    try:
        if request.method == "POST":
            link = use_link(token, *ENTERS, now=now)
        else:
            link = read_link(token, *ENTERS, now=now)
    except Refused as refusal:
        return _explain(request, refusal, token)
    if request.method == "POST":
        return _let_in(request, link)
    return _ask(request, link)


def _let_in(request: HttpRequest, link: AccessLink) -> HttpResponse:
    """To the page that the link leads to; whoever has several accounts chooses one first."""
    accounts = list(accounts_at(link.customer.seller_id, link.address)[:ACCOUNTS_MAX])
    # Of a person with an account, an order that nobody has paid is none.
    is_none = bool(accounts) and link.customer not in accounts
    customer, has_several = accounts[0] if is_none else link.customer, len(accounts) > 1
    order, visit = _order_of(link), visit_of(request)
    offer = offer_before(visit, link, order) if visit and order else ""
    if visit and offer:
        customer, has_several = visit.customer, False
    elif order and not has_several:
        offer = offer_to(request, customer, order)
    response = HttpResponseRedirect(page_of(offer) if offer else _home_of(None, link.subject))
    begin(
        request,
        response,
        customer,
        return_url=link.return_url,
        address=link.address,
        order=order,
        offer=offer,
    )
    if has_several:
        response["Location"] = reverse("portal:accounts")
    return response


def _order_of(link: AccessLink) -> str:
    """The public id of the order that a link leads on to; empty for one that only signs in."""
    return link.subject if link.subject.startswith("chk_") else ""


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("token")
def enter_subscription(request: HttpRequest, token: str) -> HttpResponse:
    """Open one subscription by its link, and nothing else of the customer's.

    In a browser where another customer is signed in, it is asked first.
    """
    try:
        link = use_link(token, Purpose.SUBSCRIPTION, now=time_of(token))
    except Refused as refusal:
        return _explain(request, refusal, token)
    visit = visit_of(request)
    response = HttpResponseRedirect(reverse("portal:subscription", args=[link.subject]))
    if visit is not None and visit.customer == link.customer and visit.only in ("", link.subject):
        return response
    if visit is not None and visit.customer != link.customer and request.method != "POST":
        return _ask(request, link)
    begin(request, response, link.customer, only=link.subject)
    return response


@require_POST
@sensitive_variables("token")
def ask_again(request: HttpRequest, token: str) -> HttpResponse:
    """Mail a new link to whom an old one was made for."""
    try:
        link = read_link(token, *ENTERS, Purpose.SUBSCRIPTION, now=time_of(token))
    except Refused as refusal:
        found = refusal.details.get("link")
        if not isinstance(found, AccessLink):
            return _explain(request, refusal, token)
        link = found
    with in_language_of(request, link.customer):
        email, seller = staying_of(link.customer).email, link.customer.seller
        return _sent(request, email, seller, link.customer, _order_of(link))


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    visit = visit_of(request)
    seller = visit.seller if visit else None
    with in_language_of(request, visit.customer if visit else None):
        response = show(request, "portal/signed_out.html", {"visit": visit}, seller=seller)
    end(request, response)
    return response


def _sent(
    request: HttpRequest,
    email: str,
    seller: Seller | None,
    customer: Customer | None = None,
    order: str = "",
) -> HttpResponse:
    """Have the links mailed, and say the same of every address."""
    network = client_address(request) or ""
    try:
        ask_for_link(email, network=network, now=clock.now(), seller=seller, order=order)
    except Refused:
        advice = pgettext(
            "portal",
            "Too many links have been requested from your network. Wait an hour, then try again.",
        )
        usual = customer.language if customer else ""
        return too_many(request, advice, int(NETWORK_WITHIN.total_seconds()), usual)
    # Whose link was old is not told the address that it was mailed to: the link may be anybody's.
    shown = "" if customer else email
    return show(request, "portal/sent.html", {"email": shown}, seller=seller)


def _ask(request: HttpRequest, link: AccessLink) -> HttpResponse:
    customer = link.customer
    accounts = accounts_at(customer.seller_id, link.address)
    context = {
        "link_customer": customer,
        "path": request.path,
        "has_several": accounts[:2].count() > 1,
    }
    with in_language_of(request, customer):
        return show(request, "portal/enter.html", context, seller=customer.seller)


def _explain(request: HttpRequest, refusal: Refused, token: str) -> HttpResponse:
    """Why a link opens nothing, and how to get one that does."""
    found = refusal.details.get("link")
    link = found if isinstance(found, AccessLink) else None
    customer = link.customer if link else None
    visit = visit_of(request)
    if visit is not None and link is not None and visit.is_whom_it_signs_in(link):
        order = "" if visit.only else _order_of(link)
        return HttpResponseRedirect(go_on(request, visit, order) if order else _home_of(visit))
    with in_language_of(request, customer):
        context = {
            "code": refusal.code,
            "can_mail": bool(customer and staying_of(customer).email),
            "token": token,
            "form": AddressForm(),
        }
        seller = customer.seller if customer else None
        status = 404 if refusal.code == "link_unknown" else 410
        return show(request, "portal/link.html", context, seller=seller, status=status)


def _home_of(visit: Visit | None, subject: str = "") -> str:
    only = visit.only if visit else subject
    if only.startswith("sub_"):
        return reverse("portal:subscription", args=[only])
    return reverse("portal:home")
