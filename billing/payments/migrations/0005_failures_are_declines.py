from django.db import migrations

# The gateway's word moves over, and a decline takes its place: as the list was when this was
# written. Code of before that still runs goes on writing the word alone; who reads it bears that.
KEEP_THE_WORD = """
    UPDATE payments_payment SET
        gateway_code = failure_code,
        failure_code = CASE
            WHEN failure_code IN (
                'card_declined', 'insufficient_funds', 'expired_card', 'lost_card', 'stolen_card',
                'pickup_card', 'restricted_card', 'invalid_account', 'incorrect_number',
                'card_not_supported', 'fraudulent', 'revocation_of_authorization',
                'authentication_failed', 'processing_error'
            ) THEN failure_code
            WHEN failure_code = 'authentication_required' THEN 'authentication_failed'
            ELSE 'declined'
        END
    WHERE failure_code <> '' AND gateway_code = ''
"""


class Migration(migrations.Migration):
    """By itself, since the column before it locks the table until its transaction ends."""

    dependencies = [("payments", "0004_payment_gateway_code")]

    operations = [migrations.RunSQL(KEEP_THE_WORD, migrations.RunSQL.noop)]
