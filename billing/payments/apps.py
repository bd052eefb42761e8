from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "billing.payments"
    label = "payments"

    def ready(self) -> None:
        """Payments hang on to invoicing, which must not know them: planned and paid back there."""
        from billing.invoicing import issuing
        from billing.payments import actions

        issuing.companions.append(actions.plan_payments)
        issuing.refunders.append(actions.refund_credit)
