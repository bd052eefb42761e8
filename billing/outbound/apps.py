from django.apps import AppConfig


class OutboundConfig(AppConfig):
    name = "billing.outbound"
    label = "outbound"

    def ready(self) -> None:
        """Have every connection looked at, in whatever process it is opened."""
        from django.db.backends.signals import connection_created
        from django.db.models.signals import post_migrate

        from billing.outbound.mark import look_at_connection, look_at_new_tables

        connection_created.connect(look_at_connection, dispatch_uid="mark")
        post_migrate.connect(look_at_new_tables, sender=self, dispatch_uid="mark")
