"""What triggers of payments and their allocations ask, in PL/pgSQL."""

SETTLES_NOTHING = """
    IF EXISTS (SELECT FROM payments_paymentallocation
               WHERE payment_id = NEW.id AND state = 'settled') THEN
        RAISE EXCEPTION 'payment % was returned and still settles something', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""
SETTLES_NO_MORE_THAN_IT_HAS = """
    IF (SELECT sum(amount_minor) FROM payments_paymentallocation
        WHERE payment_id = NEW.payment_id AND state = 'settled')
       > (SELECT CASE WHEN state = 'returned' THEN 0 ELSE amount_minor END
          FROM payments_payment WHERE id = NEW.payment_id) THEN
        RAISE EXCEPTION 'payment % is allocated beyond its amount', NEW.payment_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF (SELECT p.currency <> i.currency OR p.customer_id <> i.customer_id
        FROM payments_payment p, invoicing_invoice i
        WHERE p.id = NEW.payment_id AND i.id = NEW.invoice_id) THEN
        RAISE EXCEPTION 'payment % and invoice % differ in currency or customer',
            NEW.payment_id, NEW.invoice_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""
