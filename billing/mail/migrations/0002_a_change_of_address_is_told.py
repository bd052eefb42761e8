from django.db import migrations, models

KINDS = [
    ("order", "order confirmation"),
    ("invoice", "invoice"),
    ("credit_note", "credit note"),
    ("receipt", "receipt"),
    ("refund", "money paid back"),
    ("payment_failed", "payment failed"),
    ("action_needed", "action needed"),
    ("reminder", "reminder"),
    ("restricted", "access restricted"),
    ("suspended", "access suspended"),
    ("restored", "access restored"),
    ("renewal", "upcoming renewal"),
    ("trial_ending", "trial ending"),
    ("plan_changed", "plan changed"),
    ("paused", "paused"),
    ("resumed", "resumed"),
    ("canceled", "canceled"),
    ("cancel_undone", "canceling undone"),
    ("sign_in", "sign-in link"),
    ("address_changed", "address changed"),
]


class Migration(migrations.Migration):
    dependencies = [("mail", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=20),
        ),
    ]
