from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "billing.events"
    label = "events"
