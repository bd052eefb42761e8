from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0005_addressees"),
    ]

    operations = [
        migrations.AlterField(
            model_name="accesslink",
            name="purpose",
            field=models.CharField(
                choices=[
                    ("sign_in", "signs in, emailed"),
                    ("portal", "signs in, given by the shop"),
                    ("pay", "pays an invoice"),
                    ("method", "changes the payment method"),
                    ("subscription", "looks after a subscription"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="customer",
            name="delivery",
            field=models.CharField(
                choices=[("email", "by email with PDF"), ("print", "printed")],
                default="email",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="customerevent",
            name="delivery",
            field=models.CharField(
                choices=[("email", "by email with PDF"), ("print", "printed")],
                default="email",
                max_length=10,
            ),
        ),
    ]
