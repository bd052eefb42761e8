"""Who joins in where: every hook between apps, and every subscriber to events, in order.

An app never names one above it. Where the upper must act in the lower one's transaction, the lower
declares a hook (``hooks.py``); where it may act later, it hears of an event.
"""

from billing.api import objects
from billing.checkout import paying
from billing.desk import hooks as desk
from billing.events import hooks as events
from billing.events.recorder import one_by_one, subscribe
from billing.invoicing import hooks as invoicing
from billing.mail import news as mail
from billing.mail.words.orders import ORDER_COMPLETED
from billing.payments import from_balance, outlook, paying_out, planning, refunds
from billing.payments import hooks as payments
from billing.payments.gateways import registry
from billing.webhooks import bodies, fan_out
from customers import calendar
from customers import hooks as customers
from customers.actions import ADDRESS_CHANGED
from dunning import cases
from portal import news as portal


def connect() -> None:
    """Fill every hook; called once, when all apps are ready."""
    customers.can_be_paid.fill(registry.takes_payments)
    desk.seller_now.fill(calendar.now_on_pages)
    events.fanned_out.fill(fan_out.make_deliveries)

    invoicing.charge_promises.fill(outlook.will_be_charged)
    invoicing.after_issue.fill(planning.plan_payments)
    invoicing.refund_credit.fill(refunds.refund_credit)
    invoicing.invoices_settled.fill(paying.complete_paid_orders, cases.close_for)
    invoicing.balances_grew.fill(from_balance.settle_debts)
    invoicing.pay_out_of_ended.fill(paying_out.pay_out_of_ended)
    invoicing.payable_by_balance.fill(from_balance.payable_by_balance)
    invoicing.payable_out_of_ended.fill(paying_out.payable_out_of_ended)

    payments.payment_failed.fill(cases.note_failure)
    payments.method_changed.fill(paying.note_method, cases.note_method)
    payments.charge_vetoes.fill(cases.stopped_among)

    bodies.renderers.update(objects.renderers())
    # The names stand on deliveries that wait, so they stay.
    subscribe("mail", set(mail.NEWS), mail.on_events)
    subscribe("mail orders", {ORDER_COMPLETED}, one_by_one(mail.on_order))
    subscribe("mail old addresses", {ADDRESS_CHANGED}, one_by_one(mail.on_new_address))
    subscribe("portal", {portal.SIGN_IN_REQUESTED}, one_by_one(portal.mail_sign_in_link))
    subscribe("portal pay links", {portal.LINK_REQUESTED}, one_by_one(portal.mail_new_link))
