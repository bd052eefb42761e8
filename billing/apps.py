from django.apps import AppConfig
from django.db.backends.signals import connection_created


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing import checks  # noqa: F401 -- importing registers them.
        from billing.installation.patience import limit_session

        connection_created.connect(limit_session)
