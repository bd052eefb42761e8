from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="meter",
            name="unit",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Shown after quantities and after “per”, such as kg, GB or h: an abbreviation, which is the same for one and for many. Empty: customers read “unit”.",
                max_length=20,
            ),
        ),
    ]
