from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "billing.payments"
    label = "payments"

    def ready(self) -> None:
        """Payments hang on to invoicing, which must not know them: planned and paid back there.

        Orders want to know of money and cards that arrive, by whatever way.
        """
        from billing.invoicing import issuing
        from billing.payments import actions, checkout, orders

        issuing.companions.append(actions.plan_payments)
        issuing.refunders.append(actions.refund_credit)
        actions.paid_listeners.append(orders.note_paid)
        checkout.method_listeners.append(orders.note_method)
