from django.apps import AppConfig


class OutboundConfig(AppConfig):
    name = "billing.outbound"
    label = "outbound"

    def ready(self) -> None:
        """Have every connection looked at, in whatever process it is opened."""
        from django.db.backends.signals import connection_created

        from billing.outbound.mark import look_at_connection

        connection_created.connect(look_at_connection, dispatch_uid="mark")
