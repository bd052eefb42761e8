"""The web server's way in: `gunicorn billing.wsgi`."""

import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

from billing.installation import patience

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing.settings")

patience.is_a("web")
application = get_wsgi_application()
# A web server does not run the checks that manage.py runs; wrong settings must stop it as well.
call_command("check")
