from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        """Hear of who wants to sign in, to have them mailed a link."""
        from billing.events.recorder import subscribe
        from portal.sign_in import REQUESTED, mail_link

        subscribe("portal", {REQUESTED}, mail_link)
