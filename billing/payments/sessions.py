"""Pages of the gateway's where a customer leaves a card, or pays an invoice at once.

No card number comes here: the customer types it at the gateway and is sent back. A session is
written before the gateway is asked for it; its address is shown to nobody until the gateway has
answered, so one whose answer was lost can do no harm and is let go.
"""

from collections.abc import Iterable
from datetime import date, timedelta

from django.db import transaction

from billing.base import clock
from billing.base.leases import claim
from billing.engine.errors import Refused
from billing.events.troubles import Watch
from billing.invoicing.locks import lock_invoice, lock_invoices
from billing.invoicing.models import Invoice
from billing.outbound.gate import Held, Kind
from billing.outbound.turns import left_alone, time_is_up
from billing.payments.booking import tell
from billing.payments.charging import FIRST_CHECK, settle
from billing.payments.from_balance import settle_debts, settle_from_balance
from billing.payments.gateways import registry
from billing.payments.gateways.base import (
    Gateway,
    GatewayError,
    GatewayRefused,
    GatewayUnavailable,
    Session,
    may_leave,
)
from billing.payments.locks import lock_with_customer
from billing.payments.methods import keep_fetched_method
from billing.payments.models import (
    IN_FLIGHT,
    CheckoutSession,
    GatewayCustomer,
    Payment,
    PaymentAllocation,
)
from billing.payments.planning import refuse_in_flight
from customers.calendar import in_time_of, today_of
from customers.locks import lock_customer
from customers.models import Customer, Seller
from customers.persons import refuse_merged

CHECK = timedelta(minutes=10)
# Longer than any call lasts: nobody is opening it any more.
OPENING_MAX = timedelta(minutes=2)


def start_setup(
    customer: Customer,
    *,
    gateway: str,
    as_of: date,
    actor: str,
    return_url: str = "",
) -> CheckoutSession:
    """Open a page where the customer leaves a card; send them to its ``url``.

    One that is open and leads back to the same place is given again. Raises what the gateway's
    client raises, and :class:`Refused` ("customer_merged"); nothing is left open then.
    """
    may_leave(Kind.CARD, customer.seller.public_id)
    known = CheckoutSession.objects.filter(
        customer=customer,
        kind=CheckoutSession.Kind.SETUP,
        status=CheckoutSession.Status.OPEN,
        gateway=gateway,
        return_url=return_url_for(customer.seller, return_url),
    ).first()
    if known is not None:
        return known
    session = prepare_setup(
        customer, gateway=gateway, as_of=as_of, actor=actor, return_url=return_url
    )
    return open_session(session, as_of=as_of, actor=actor)


@transaction.atomic
def prepare_setup(
    customer: Customer,
    *,
    gateway: str,
    as_of: date,
    actor: str,
    return_url: str = "",
) -> CheckoutSession:
    """The first step of :func:`start_setup`, for who has a transaction open.

    Raises :class:`Refused` ("customer_merged").
    """
    refuse_merged(customer)
    return CheckoutSession.objects.create(
        customer=customer,
        kind=CheckoutSession.Kind.SETUP,
        gateway=gateway,
        return_url=return_url_for(customer.seller, return_url),
        next_check_at=clock.now() + OPENING_MAX,
    )


def start_payment(
    invoice: Invoice, *, gateway: str, as_of: date, actor: str, return_url: str = ""
) -> CheckoutSession:
    """Open a page where the customer pays all that is left of an invoice.

    What is planned for it waits meanwhile, and what the customer has with us pays first. The page
    that is open for this amount already is given again; one for another amount is closed at the
    gateway first. Raises :class:`Refused` ("invoice_not_open", "payment_in_flight") and what the
    gateway's client raises.
    """
    may_leave(Kind.CHARGE, invoice.seller.public_id)
    settle_from_balance(invoice.customer, as_of=as_of, actor=actor)
    open_one = CheckoutSession.objects.filter(
        status=CheckoutSession.Status.OPEN,
        payment__allocations__invoice=invoice,
        payment__allocations__state=PaymentAllocation.State.IN_FLIGHT,
    ).select_related("payment")
    if session := open_one.first():
        invoice.refresh_from_db()
        assert session.payment is not None
        asked_minor = invoice.left_minor if invoice.is_collectable else 0
        if session.payment.amount_minor == asked_minor:
            return session
        expire_session(session, as_of=as_of, actor=actor)
    session = prepare_payment(
        invoice, gateway=gateway, as_of=as_of, actor=actor, return_url=return_url
    )
    return open_session(session, as_of=as_of, actor=actor)


@transaction.atomic
def prepare_payment(
    invoice: Invoice, *, gateway: str, as_of: date, actor: str, return_url: str = ""
) -> CheckoutSession:
    """The first step of :func:`start_payment`: from here on the payment is in flight."""
    invoice = lock_invoice(invoice)
    if not invoice.is_collectable:
        raise Refused(f"Nothing is owed on {invoice}.", code="invoice_not_open")
    refuse_in_flight(invoice)
    payment = Payment.objects.create(
        seller=invoice.seller,
        customer=invoice.customer,
        currency=invoice.currency,
        amount_minor=invoice.left_minor,
        state=Payment.State.CREATED,
        gateway=gateway,
        submitted_at=clock.now(),
    )
    PaymentAllocation.objects.create(
        payment=payment,
        invoice=invoice,
        amount_minor=payment.amount_minor,
        state=PaymentAllocation.State.IN_FLIGHT,
    )
    return CheckoutSession.objects.create(
        customer=invoice.customer,
        kind=CheckoutSession.Kind.PAYMENT,
        payment=payment,
        gateway=gateway,
        return_url=return_url_for(invoice.seller, return_url),
        next_check_at=clock.now() + OPENING_MAX,
    )


def open_session(session: CheckoutSession, *, as_of: date, actor: str) -> CheckoutSession:
    """Have the gateway make the page of a prepared session, and keep its address."""
    try:
        gateway = registry.account(session.gateway, session.customer.seller)
        made = _made_at(gateway, session)
    except GatewayError as error:
        close(session.pk, as_of=as_of, actor=actor, failure=error.message)
        raise
    return _opened(session.pk, made, as_of, actor)


def _made_at(gateway: Gateway, session: CheckoutSession) -> Session:
    customer, payment = session.customer, session.payment
    owner = customer_at(gateway, customer)
    return gateway.open_session(
        session.public_id,
        customer=owner,
        reference=payment.public_id if payment else session.public_id,
        return_url=session.return_url,
        locale=customer.language,
        seller=customer.seller.public_id,
        seller_name=customer.seller.name,
        amount_minor=payment.amount_minor if payment else None,
        currency=payment.currency if payment else "",
    )


def customer_at(gateway: Gateway, customer: Customer) -> str:
    """The gateway's id of a customer, who is made known to it at the first need."""
    known = GatewayCustomer.objects.filter(customer=customer, gateway=gateway.name).first()
    if known is None:
        made = gateway.add_customer(
            customer.public_id,
            reference=customer.public_id,
            name=customer.name,
            email=customer.email,
        )
        known, _ = GatewayCustomer.objects.get_or_create(
            customer=customer, gateway=gateway.name, defaults={"gateway_id": made}
        )
    return known.gateway_id


@transaction.atomic
def _opened(session_id: int, made: Session, as_of: date, actor: str) -> CheckoutSession:
    session = _lock(session_id)
    session.move(
        CheckoutSession.Status.OPEN,
        gateway_id=made.gateway_id,
        url=made.url,
        next_check_at=clock.now() + CHECK,
    )
    if session.payment:
        session.payment.move(Payment.State.REQUIRES_ACTION, action_url=made.url)
    return session


# What comes of them


def complete_session(session: CheckoutSession, *, as_of: date, actor: str) -> CheckoutSession:
    """Ask the gateway what became of a session and write it: a card, a payment, or nothing.

    Any number of times, from wherever the customer comes back or the gateway tells of it.
    """
    if session.gateway_id is None:
        if clock.now() - session.recorded_at >= OPENING_MAX:
            close(session.pk, as_of=as_of, actor=actor, failure="It was never opened.")
        session.refresh_from_db()
        return session
    gateway = registry.account(session.gateway, session.customer.seller)
    made = gateway.get_session(session.gateway_id)
    _take_up(gateway, session, made, as_of, actor)
    session.refresh_from_db()
    return session


def complete_sessions(sessions: Iterable[CheckoutSession], *, as_of: date, actor: str) -> None:
    """Complete each of some sessions, as when their customer comes back.

    Raises what the gateway's client raises.
    """
    for session in sessions:
        complete_session(session, as_of=as_of, actor=actor)


def expire_session(session: CheckoutSession, *, as_of: date, actor: str) -> CheckoutSession:
    """Close a page so that nobody can pay in it any more, unless somebody has."""
    gateway = registry.account(session.gateway, session.customer.seller)
    try:
        made = gateway.expire_session(str(session.gateway_id))
    except GatewayRefused:
        return complete_session(session, as_of=as_of, actor=actor)
    _take_up(gateway, session, made, as_of, actor)
    session.refresh_from_db()
    return session


def _take_up(
    gateway: Gateway, session: CheckoutSession, made: Session, as_of: date, actor: str
) -> None:
    """Write what the gateway says of a session; what it names is fetched before any row is held."""
    payment, is_open = session.payment, made.status == "open"
    if payment is not None and made.charge:
        charge = gateway.get_charge(made.charge)
        if charge.status == "succeeded" and not is_open:
            settle(payment.pk, charge, as_of=as_of, actor=actor)
        if is_open:
            # The page stays open for another card; ours says why this one was refused.
            code = charge.failure_code
            CheckoutSession.objects.filter(
                pk=session.pk, status=CheckoutSession.Status.OPEN
            ).update(failure=registry.decline_of(gateway.name, code).value if code else "")
    if made.status == "complete" and made.payment_method:
        _keep_used(gateway, session, made.payment_method, as_of, actor)
    if not is_open:
        close(session.pk, as_of=as_of, actor=actor, is_complete=made.status == "complete")


def _keep_used(
    gateway: Gateway, session: CheckoutSession, method_id: str, as_of: date, actor: str
) -> None:
    """Keep the card that a session has used, where its customer has left it to be charged.

    Who pays one invoice by card has not said that we may charge it again.
    """
    customer = Customer.objects.select_related("seller").get(pk=session.customer_id)
    is_charged = customer.collection == Customer.Collection.AUTOMATIC
    if session.payment is not None and not is_charged:
        return
    kept = keep_fetched_method(customer, gateway.name, gateway.get_method(method_id), as_of, actor)
    if session.payment is not None:
        Payment.objects.filter(pk=session.payment.pk, payment_method=None).update(
            payment_method=kept
        )


@transaction.atomic
def close(
    session_id: int, *, as_of: date, actor: str, is_complete: bool = False, failure: str = ""
) -> None:
    """Close a session here; what nobody has paid in it is collected when it was to be before.

    Who looked at the page to leave another card, and did not, is not charged for having looked.
    """
    session = _lock(session_id)
    if session.status not in {CheckoutSession.Status.CREATING, CheckoutSession.Status.OPEN}:
        return
    session.move(
        CheckoutSession.Status.COMPLETE if is_complete else CheckoutSession.Status.EXPIRED,
        failure=failure[:300],
        next_check_at=None,
    )
    payment = session.payment
    if payment is None or payment.state not in IN_FLIGHT:
        return
    if is_complete:  # Paid, and not as it was asked for: the charge itself is asked about.
        payment.next_check_at = clock.now() + FIRST_CHECK
        payment.save(update_fields=["next_check_at"])
        return
    payment.move(Payment.State.CANCELED, action_url="", attention="")
    invoice_id = payment.allocations.values_list("invoice_id", flat=True)[0]
    payment.allocations.filter(state=PaymentAllocation.State.IN_FLIGHT).update(
        state=PaymentAllocation.State.RELEASED
    )
    invoice = lock_invoices([invoice_id])[0]
    tell("payment.canceled", payment, invoice, as_of, actor)
    settle_debts([session.customer_id], as_of, actor)


def check_sessions(actor: str, limit: int, seller: Seller | None = None) -> int:
    """Ask for sessions that have been open for a while; how many.

    Of one seller, or of all who have no clock of their own. Raises :class:`GatewayUnavailable`
    where the gateway cannot be asked.
    """
    watch = Watch("check pages", passing=(GatewayError,))
    for count in range(limit):
        session = None if time_is_up() else _claim(seller)
        if session is None:
            return count
        as_of = today_of(session.customer.seller)
        try:
            with watch.over(session.public_id):
                complete_session(session, as_of=as_of, actor=actor)
        except GatewayUnavailable:
            raise
        except (GatewayError, Held):
            continue  # Asked again at its next turn.
    return limit


def _claim(seller: Seller | None) -> CheckoutSession | None:
    now = clock.now()
    waiting = (
        CheckoutSession.objects.filter(
            in_time_of(seller, "customer__seller"),
            status__in=[CheckoutSession.Status.CREATING, CheckoutSession.Status.OPEN],
            next_check_at__lte=now,
        )
        .exclude(gateway__in=left_alone())
        .select_related("customer__seller", "payment")
        .order_by("next_check_at")
    )
    return claim(waiting, lambda session: {"next_check_at": now + CHECK})


def return_url_for(seller: Seller, given: str) -> str:
    """Where a page leads back to: the address that is given, or the seller's website.

    Raises :class:`Refused` ("no_return_url") where there is neither.
    """
    if not (given or seller.website):
        raise Refused(
            f"Where is the customer sent back to? Give {seller} a website first.",
            code="no_return_url",
        )
    return given or seller.website


def _lock(session_id: int) -> CheckoutSession:
    """A session as it now stands, with its payment, under the locks of customer and both."""
    found = CheckoutSession.objects.values_list("customer_id", "payment_id").get(pk=session_id)
    lock_customer(found[0])
    if found[1]:
        lock_with_customer(found[1])
    return (
        CheckoutSession.objects.select_for_update(of=["self"])
        .select_related("customer__seller", "payment__seller")
        .get(pk=session_id)
    )
