from django.apps import AppConfig


class SealsConfig(AppConfig):
    name = "billing.seals"
    label = "seals"
