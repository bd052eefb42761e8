"""Django's PostgreSQL, whose health is asked for without a round trip to the server.

Its place is called as it is because tools tell by the name what database this is.
"""

import select

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """Django asks ``SELECT 1`` at the first statement of every request. Here the socket says it."""

    def is_usable(self) -> bool:
        """Whether the connection still stands.

        A server that ended, and one that threw us out, have said so: something waits to be read.
        So might a change of the server's settings; then, and within a transaction, which may have
        failed, the server is asked.
        """
        raw = self.connection
        if raw is not None and raw.pgconn.transaction_status == TransactionStatus.IDLE:
            poll = select.poll()
            poll.register(raw.fileno(), select.POLLIN)
            if not poll.poll(0):
                return True
        return super().is_usable()
