from django.apps import AppConfig
from django.db.backends.signals import connection_created


class EventsConfig(AppConfig):
    name = "billing.events"
    label = "events"

    def ready(self) -> None:
        """Make ``any_of`` known to every field, and every session ready for the triggers."""
        from billing.base.sql import lookups  # noqa: F401
        from billing.base.sql.authorship import prepare_session

        connection_created.connect(prepare_session)
