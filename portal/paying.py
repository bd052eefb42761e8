"""Ways out to the gateway's pages, and what became of it when the customer is back."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.engine.errors import Refused
from billing.invoicing.models import Invoice
from billing.payments.gateways.base import GatewayUnavailable, Purpose
from billing.payments.gateways.registry import choose_gateway
from billing.payments.models import CheckoutSession, Payment, PaymentAllocation
from billing.payments.sessions import start_payment, start_setup
from customers.models import Seller
from customers.persons import person_ids
from portal.pages import leave_for
from portal.visits import Visit


def way_to_pay(request: HttpRequest, visit: Visit, invoice: Invoice) -> HttpResponse:
    """To the page where an invoice is paid, or where a payment that waits for it is confirmed.

    Raises what :func:`start_payment` raises.
    """
    try:
        session = start_payment(
            invoice,
            gateway=_gateway_for(visit.seller, Purpose.PAY_ON_PAGE),
            as_of=visit.as_of,
            actor=visit.actor,
            return_url=_back(),
        )
    except Refused as refusal:
        waiting = _to_confirm(invoice) if refusal.code == "payment_in_flight" else ""
        if not waiting:
            raise
        return leave_for(request, waiting, seller=visit.seller, customer=visit.customer)
    return leave_for(request, session.url, seller=visit.seller, customer=visit.customer)


def way_to_add_card(request: HttpRequest, visit: Visit) -> HttpResponse:
    """To the page where a card is left. Raises what :func:`start_setup` raises."""
    session = start_setup(
        visit.customer,
        gateway=_gateway_for(visit.seller, Purpose.KEEP_METHOD),
        as_of=visit.as_of,
        actor=visit.actor,
        return_url=_back(),
    )
    return leave_for(request, session.url, seller=visit.seller, customer=visit.customer)


def session_of(visit: Visit, gateway_id: str) -> CheckoutSession | None:
    """The person's session that the gateway names, or else the last one."""
    found = CheckoutSession.objects.filter(customer__in=person_ids(visit.customer)).select_related(
        "payment", "customer__seller"
    )
    if gateway_id:
        return found.filter(gateway_id=gateway_id).first()
    return found.order_by("-pk").first()


def _to_confirm(invoice: Invoice) -> str:
    """Where the payment that is under way waits for its customer; empty where it does not."""
    payment = Payment.objects.filter(
        allocations__invoice=invoice,
        allocations__state=PaymentAllocation.State.IN_FLIGHT,
        state=Payment.State.REQUIRES_ACTION,
    ).first()
    return payment.action_url if payment else ""


def _gateway_for(seller: Seller, purpose: Purpose) -> str:
    gateway = choose_gateway(seller, purpose)
    if gateway is None:
        raise GatewayUnavailable(f"No gateway serves {seller}.")
    return gateway.name


def _back() -> str:
    return settings.PUBLIC_URL + reverse("portal:back")
