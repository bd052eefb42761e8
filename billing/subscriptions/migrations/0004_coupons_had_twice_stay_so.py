from django.db import migrations


class Migration(migrations.Migration):
    """What a shop has let one customer have more than once goes on being had so."""

    dependencies = [
        ("catalog", "0003_limits_of_coupons"),
        ("subscriptions", "0003_buyer_reference"),
    ]

    operations = [
        migrations.RunSQL(
            "UPDATE catalog_coupon SET is_once_per_person = false WHERE id IN ("
            " SELECT coupon_id FROM subscriptions_couponredemption"
            " GROUP BY coupon_id, customer_id HAVING count(*) > 1)",
            migrations.RunSQL.noop,
        )
    ]
