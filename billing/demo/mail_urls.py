"""The demo's mailbox, under ``/demo/mail/``."""

from django.urls import path

from billing.demo import mail_views as views

urlpatterns = [
    path("", views.mailbox, name="demo_mail"),
    path("<slug:name>/", views.letter, name="demo_letter"),
    path("<slug:name>/html", views.letter_html, name="demo_letter_html"),
    path("<slug:name>/files/<int:number>", views.attachment, name="demo_attachment"),
]
