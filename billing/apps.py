from django.apps import AppConfig
from django.db.backends.signals import connection_created


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        """Checks are known, hooks filled, labels translated: this app is the last to be ready."""
        from billing import checks, wiring  # noqa: F401 -- importing checks registers them.
        from billing.desk.labels import translate_labels
        from billing.installation.patience import limit_session

        connection_created.connect(limit_session)
        wiring.connect()
        translate_labels()
