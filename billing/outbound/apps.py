from django.apps import AppConfig


class OutboundConfig(AppConfig):
    name = "billing.outbound"
    label = "outbound"
