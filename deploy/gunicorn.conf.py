"""The web server's settings: `gunicorn --config deploy/gunicorn.conf.py billing.wsgi`."""

import os

bind = os.environ.get("KVITT_BIND", "127.0.0.1:8000")
# About two processes for each core; each thread keeps one connection to PostgreSQL.
workers = int(os.environ.get("KVITT_WEB_WORKERS", "2"))
threads = int(os.environ.get("KVITT_WEB_THREADS", "8"))
# A thread is taken by a request that has arrived, not by a client that is slow to send it.
worker_class = "billing.installation.whole_requests.WholeRequests"
worker_connections = 1000
# A connection that waits costs no thread, so the proxy may be the one to close it.
keepalive = 130
timeout = 60
# At a reload or a stop, what was begun is answered first.
graceful_timeout = 30
max_requests = 2000
max_requests_jitter = 200
# It would be one file for all servers of an account, and nobody here talks to it.
control_socket_disable = True
