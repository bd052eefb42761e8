from django.apps import AppConfig


class StaffConfig(AppConfig):
    name = "billing.staff"
    label = "staff"
