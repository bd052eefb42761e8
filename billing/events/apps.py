from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "billing.events"
    label = "events"

    def ready(self) -> None:
        """Make ``any_of`` known to every field."""
        from billing.events import lookups  # noqa: F401
