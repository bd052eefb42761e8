from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "billing.mail"
    label = "mail"

    def ready(self) -> None:
        """Hear of what customers are mailed of."""
        from billing.events.recorder import one_by_one, subscribe
        from billing.mail import news

        subscribe("mail", set(news.NEWS), news.on_events)
        subscribe("mail orders", {news.ORDER_COMPLETED}, one_by_one(news.on_order))
