from django.apps import AppConfig


class MergingConfig(AppConfig):
    name = "billing.merging"
    label = "merging"
