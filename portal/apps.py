from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        """Hear of who wants to sign in or to pay, to have them mailed."""
        from billing.events.recorder import one_by_one, subscribe
        from portal import news

        subscribe("portal", {news.SIGN_IN_REQUESTED}, one_by_one(news.mail_sign_in_link))
        subscribe("portal pay links", {news.LINK_REQUESTED}, one_by_one(news.mail_new_link))
