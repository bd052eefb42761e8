from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "billing.mail"
    label = "mail"

    def ready(self) -> None:
        """Hear of what customers are mailed of."""
        from billing.events.recorder import subscribe
        from billing.mail import news

        subscribe("mail", set(news.NEWS), news.on_event)
        subscribe("mail orders", {news.ORDER_COMPLETED}, news.on_order)
