from django.apps import AppConfig


class FrontPageConfig(AppConfig):
    name = "billing.front_page"
    label = "front_page"
