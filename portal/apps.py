from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        """Hear of who wants to sign in or to pay, and has bought, to have them mailed."""
        from billing.events.recorder import subscribe
        from portal import news
        from portal.sign_in import REQUESTED, mail_link

        subscribe("portal", {REQUESTED}, mail_link)
        subscribe("portal pay links", {news.LINK_REQUESTED}, news.mail_new_link)
        subscribe("portal orders", {news.ORDER_COMPLETED}, news.mail_what_was_bought)
