from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DunningConfig(AppConfig):
    name = "dunning"
    verbose_name = "late debts"

    def ready(self) -> None:
        """Policies that come along are there from the first migration on."""
        from dunning import policies

        post_migrate.connect(policies.ensure_shipped, sender=self)
