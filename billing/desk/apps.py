from django.apps import AppConfig


class DeskConfig(AppConfig):
    name = "billing.desk"
    label = "desk"
