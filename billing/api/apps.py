from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "billing.api"
    label = "api"

    def ready(self) -> None:
        """Events tell of objects, which only those above them know how to show."""
        from billing.api import objects
        from billing.events import bodies

        bodies.renderers.update(objects.renderers())
