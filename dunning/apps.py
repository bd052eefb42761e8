from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DunningConfig(AppConfig):
    name = "dunning"
    verbose_name = "late debts"

    def ready(self) -> None:
        """Dunning hangs on to payments, which must not know it: news of failures and of money."""
        from billing.invoicing import issuing
        from billing.payments import actions, balances, charging, checkout
        from dunning import cases, policies

        charging.failure_listeners.append(cases.note_failure)
        balances.vetoes.append(cases.stopped_among)
        issuing.settled_listeners.append(cases.note_settled)
        actions.paid_listeners.append(cases.note_paid)
        checkout.method_listeners.append(cases.note_method)
        post_migrate.connect(policies.ensure_shipped, sender=self)
