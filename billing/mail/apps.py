from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "billing.mail"
    label = "mail"
