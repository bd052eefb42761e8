from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "billing.payments"
    label = "payments"

    def ready(self) -> None:
        """Payments hang on to invoicing, which must not know them: planned and paid back there.

        Orders want to know of money and cards that arrive, by whatever way, and balances that grow
        pay what is owed.
        """
        from billing.invoicing import documents, issuing
        from billing.payments import actions, balances, checkout, gateways, orders, outlook
        from customers import going_live

        going_live.ways_to_be_paid.append(lambda seller: bool(gateways.gateways_for(seller)))
        documents.charge_promises.append(outlook.will_be_charged)
        issuing.companions.append(actions.plan_payments)
        issuing.refunders.append(actions.refund_credit)
        issuing.balance_listeners.append(balances.settle_debts)
        actions.paid_listeners.append(orders.note_paid)
        checkout.method_listeners.append(orders.note_method)
