"""The settings of the tests: Kvitt's own, on a throw-away database unless DATABASE_URL is set.

pytest-django imports settings before any conftest, so the database starts here. pytest-xdist's
workers and commands run by tests inherit the environment, and with it the same server.
"""

import atexit
import contextlib
import os
import tempfile

from billing.installation import postgres

_until_exit = contextlib.ExitStack()
atexit.register(_until_exit.close)
if "DATABASE_URL" not in os.environ:
    os.environ["DATABASE_URL"] = _until_exit.enter_context(postgres.throwaway())
if "KVITT_VAR" not in os.environ:
    os.environ["KVITT_VAR"] = _until_exit.enter_context(tempfile.TemporaryDirectory())

# Tests make, empty and drop databases, and so do the processes that they start.
os.environ.setdefault("KVITT_MARK", "off")

from billing.settings import *  # noqa: E402, F403

# Argon2 is slow on purpose; a suite signs in often.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Tests of pages put a user into the session, as no person can; tests of signing in turn it on.
STAFF_MFA = False

# Tests move the clock; those of clocks turn it on.
COMPARES_CLOCKS = False

# No test asks the world; those of VIES start one of their own.
VIES_URL = ""

# A static file is looked for when it is asked for; each test's client would list all of them anew.
WHITENOISE_AUTOREFRESH = True
