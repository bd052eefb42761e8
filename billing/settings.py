"""Every setting, read from the environment. `billing.checks` says what is wrong with them.

With nothing set, Kvitt runs on this machine alone: for development, the demo and the tests.
`KVITT_ENV=production` demands a secret key and host names, and HTTPS. Any name may end in `_FILE`
and hold the path of a file with the value, as container secrets do.
"""

import platform
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from django.urls import reverse_lazy
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from billing.installation import postgres, secret_key
from billing.mail.transport import mailer_of

env = environ.FileAwareEnv()

# The house
BASE_DIR = Path(__file__).resolve().parent.parent
IN_PRODUCTION = env("KVITT_ENV", default="development") == "production"
VAR_DIR = BASE_DIR / env("KVITT_VAR", default="var")
# How this machine knows its database again; see `billing.outbound.mark`.
KEEPS_MARK = IN_PRODUCTION or env("KVITT_MARK", default="on") != "off"
MARKS_DIR, MARK_MACHINE = VAR_DIR / "marks", platform.node()
# Whether the tick holds its clock against others'; a played clock agrees with nobody's.
COMPARES_CLOCKS = True
DEBUG = env.bool("KVITT_DEBUG", default=False)
ROOT_URLCONF = "billing.urls"
WSGI_APPLICATION = "billing.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "billing.desk.site.SiteConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",  # Whose Swedish is found in what is installed alone.
    "django.contrib.postgres",
    "pgtrigger",
    "pghistory",
    "django_q",
    "django_countries",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "billing.desk",
    "billing.outbound",
    "billing.events",
    "billing.webhooks",
    "billing.seals",
    "billing.jobs",
    "customers",
    "catalog",
    "billing.ledger",
    "billing.tax",
    "billing.subscriptions",
    "billing.usage",
    "billing.invoicing",
    "billing.payments",
    "billing.checkout",
    "dunning",
    "billing.merging",
    "billing.mail",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "billing.api",
    "portal",
    "billing.staff",
    "billing.front_page",
    "billing",
]
MIDDLEWARE = [
    "billing.monitoring.requests.follow",
    "billing.api.answers.in_json",
    "billing.jobs.views.health",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "billing.desk.csp.admin_csp",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "billing.base.history.History",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "billing.staff.second_step.require_mfa",
    "billing.front_page.scope.at_the_desk",
    "axes.middleware.AxesMiddleware",
]

# Database: the given one, or our own PostgreSQL, started here and left running.
DATABASE_URL = env("DATABASE_URL", default="")
if not DATABASE_URL:
    starts = env("KVITT_PG", default="on") != "off"
    DATABASE_URL = (postgres.ensure_running if starts else postgres.database_url)(VAR_DIR)
if DATABASE_URL.startswith(("postgres://", "postgresql://")):
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
    DATABASES["default"]["ENGINE"] = "billing.installation.postgresql"
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # For what `billing.base.sql.prepared` sends; Django's own cursors prepare nothing.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("prepare_threshold", 2)
else:  # A check refuses it with a hint; another engine would first fail for a missing driver.
    DATABASES = {"default": {"ENGINE": "django.db.backends.dummy"}}

# How long a lock, a statement and an idle transaction may last, in seconds and 0 for ever; see
# `billing.installation.patience`. A worker's statements are those of whole batches.
PATIENCE_S = {
    "web": {
        "lock_timeout": env.int("KVITT_WEB_LOCK_SECONDS", default=4),
        "statement_timeout": env.int("KVITT_WEB_STATEMENT_SECONDS", default=20),
        "idle_in_transaction_session_timeout": env.int("KVITT_WEB_IDLE_SECONDS", default=30),
    },
    "worker": {
        "lock_timeout": env.int("KVITT_WORKER_LOCK_SECONDS", default=10),
        "statement_timeout": env.int("KVITT_WORKER_STATEMENT_SECONDS", default=600),
        "idle_in_transaction_session_timeout": env.int("KVITT_WORKER_IDLE_SECONDS", default=120),
    },
    "migrate": {
        "lock_timeout": env.int("KVITT_MIGRATE_LOCK_SECONDS", default=10),
        "statement_timeout": env.int("KVITT_MIGRATE_STATEMENT_SECONDS", default=0),
        "idle_in_transaction_session_timeout": env.int("KVITT_MIGRATE_IDLE_SECONDS", default=0),
    },
}

# Limits of attempts and codes that were used count for all processes, so they are in the database.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# Who may sign in; `billing.staff` says how. A second factor is required wherever it matters: the
# variable is for the demo, and a check refuses it in production.
STAFF_MFA = IN_PRODUCTION or env("KVITT_STAFF_MFA", default="on") != "off"
SECRET_KEY = env("KVITT_SECRET_KEY", default="")
if not SECRET_KEY and not IN_PRODUCTION:
    SECRET_KEY = secret_key.secret_key(VAR_DIR)
# Keys of before: what they sealed and signed is still read, while all new is under the one above.
SECRET_KEY_FALLBACKS = env.list("KVITT_SECRET_KEY_FALLBACKS", default=[])
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "billing.staff.sign_in.StaffBackend",
]
LOGIN_URL = LOGOUT_REDIRECT_URL = "account_login"
# A working day, and no longer than the browser is open.
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
ACCOUNT_ADAPTER = "billing.staff.sign_in.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 5 * 60
# Passwords are counted by axes; "login_failed" is for codes, tried by who knows the password.
# Codes of the second step are counted by browser: what counts by user would let a thief of the
# password keep its owner out (`billing.staff.second_step.CodeForm`).
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip",
    "second_step": "5/5m/key,30/d/key",
}
MFA_FORMS = {
    "authenticate": "billing.staff.second_step.CodeForm",
    "reauthenticate": "billing.staff.second_step.CodeAgainForm",
}
MFA_ADAPTER = "billing.staff.second_step.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Kvitt"
# Elsewhere than in production browsers take http://localhost for safe, and so do we.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IN_PRODUCTION
# Who guesses locks out a name from their own address only, and only for a while: otherwise anybody
# could keep anybody out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "billing.base.requests.client_address"
AXES_USERNAME_CALLABLE = "billing.staff.attempts.client_name"
AXES_LOCKOUT_TEMPLATE = "account/locked.html"
AXES_ENABLE_ADMIN = False
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "login", "csrfmiddlewaretoken"]
# The proxy appends the address that it saw; without one, what a client says of itself is nothing.
BEHIND_PROXY = env.bool("KVITT_BEHIND_PROXY", default=False)
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if BEHIND_PROXY else 0

# What history has kept is never edited either.
PGHISTORY_APPEND_ONLY = True

# What the browser may do
ALLOWED_HOSTS = env.list(
    "KVITT_ALLOWED_HOSTS",
    default=[] if IN_PRODUCTION else ["localhost", ".localhost", "127.0.0.1", "[::1]"],
)
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "portal.failures.form_refused"
SECURE_CSP: dict[str, list[str]] = {
    "default-src": [CSP.SELF],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
# Unfold's Alpine evaluates expressions from attributes; the rest of the site needs neither.
ADMIN_CSP: dict[str, list[str]] = SECURE_CSP | {
    "script-src": [CSP.SELF, CSP.UNSAFE_EVAL],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "img-src": [CSP.SELF, "data:"],
}
if IN_PRODUCTION:
    CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = ["^healthz$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    if BEHIND_PROXY:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# HSTS for subdomains and preloading are promises about a whole domain, which its owner must make.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# Where customers and shops reach us: links in mails begin with it.
PUBLIC_URL = env("KVITT_PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")

# Hosts inside our own network that webhooks may be sent to, also over http: none, but for the demo
# and tests, where the receiver is on this machine.
WEBHOOK_ALLOWED_HOSTS = env.list("KVITT_WEBHOOK_ALLOWED_HOSTS", default=[])

# Language and time
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("sv", _("Swedish"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"
# In whose time the desk shows what concerns sellers of several time zones.
DESK_TIME_ZONE = env("KVITT_TIME_ZONE", default="UTC")
FORMAT_MODULE_PATH = ["billing.desk.formats"]

# Pages and files
FORM_RENDERER = "billing.desk.quick_forms.QuickForms"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {
                "desk": "billing.desk.template_tags",
                "passkeys": "billing.staff.passkeys",
            },
        },
    }
]
STATIC_URL = "static/"
# Collected for production only; elsewhere WhiteNoise serves files from where they lie.
STATIC_ROOT = BASE_DIR / ".static" if IN_PRODUCTION else None
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not IN_PRODUCTION
MEDIA_ROOT = VAR_DIR / "files"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IN_PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# Work that goes on by itself; `billing.schedule` says which. Rows are the truth and the queue a
# hint, so a hint is never tried again, and results are in our own JobRun. The broker takes one for
# lost when `retry` is over, though it may only have waited its turn: three timeouts at most.
WORKERS = env.int("KVITT_WORKERS", default=2)
Q_CLUSTER = {
    "name": "kvitt",
    "orm": "default",
    "workers": WORKERS,
    "queue_limit": WORKERS,
    "bulk": 1,
    "timeout": 600,
    "retry": 3 * 600 + 120,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    "poll": 1,
    "guard_cycle": 1,
}

# The gateway that moves no money, a process of its own: `python -m billing.sandbox`
SANDBOX_URL = env("KVITT_SANDBOX_URL", default="")
SANDBOX_KEY = env("KVITT_SANDBOX_KEY", default="")
SANDBOX_HOOK_SECRET = env("KVITT_SANDBOX_HOOK_SECRET", default="")

# VIES, where the EU's VAT numbers are looked up; empty for an installation that asks nobody.
VIES_URL = env(
    "KVITT_VIES_URL", default="https://ec.europa.eu/taxation_customs/vies/rest-api"
).rstrip("/")

# Mail, and where it is sent from; off for what was restored from a backup and must reach nobody.
EMAIL_URL = env("KVITT_EMAIL_URL", default="")
MAILERS = {"default": mailer_of(EMAIL_URL, VAR_DIR, in_production=IN_PRODUCTION)}
DEFAULT_FROM_EMAIL = env("KVITT_EMAIL_FROM", default="billing@localhost")
OUTBOUND = env("KVITT_OUTBOUND", default="on") != "off"

# Whether /demo shows visitors around, with its passwords; the demo turns it on for its processes.
IN_DEMO = not IN_PRODUCTION and env("KVITT_DEMO", default="off") == "on"

# The shops' API; `billing.api` says more. One form of request and answer, and no session: without
# a cookie that counts, nothing can be forged across sites.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["billing.api.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["billing.api.authentication.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["billing.api.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "billing.api.parsing.AlwaysJSON",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "billing.api.schema.Schema",
    "EXCEPTION_HANDLER": "billing.api.answers.handle",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Kvitt API",
    "VERSION": "1",
    "DESCRIPTION": "Amounts are whole numbers of the currency's smallest unit, beside `currency`; "
    "unit prices and quantities are decimals in texts. Days are `YYYY-MM-DD`, in the seller's "
    "calendar; spans are half-open. A POST with an `Idempotency-Key` counts once however often it "
    "is sent. Errors are `{type, errors: [{code, detail, attr}]}`.",
    "TAGS": [
        {"name": "customers", "description": "Who is billed."},
        {"name": "plans", "description": "What is sold."},
        {"name": "subscriptions", "description": "What customers have agreed to."},
        {"name": "usage", "description": "What is measured and billed by quantity."},
        {"name": "invoices", "description": "What customers owe."},
        {"name": "credit notes", "description": "What comes back."},
        {"name": "payments", "description": "Money on its way, or arrived."},
        {"name": "one-off items", "description": "What is bought once."},
        {"name": "coupons", "description": "What takes something off."},
        {"name": "checkout sessions", "description": "Pages where somebody orders and pays."},
        {"name": "portal sessions", "description": "Links to a customer's own pages."},
        {"name": "access", "description": "May a customer use it?"},
        {"name": "events", "description": "What happened."},
        {"name": "webhook endpoints", "description": "Where a shop is told of it."},
        {"name": "test clocks", "description": "The time of a test seller."},
    ],
    "OAS_VERSION": "3.1.0",
    "PATH_CONVERTER_OVERRIDES": {"key": str},
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVERS": [{"url": PUBLIC_URL}],
    "PREPROCESSING_HOOKS": ["billing.api.schema.of_shops"],
    "POSTPROCESSING_HOOKS": [
        "billing.api.webhook_schema.with_webhooks",
        "drf_spectacular.hooks.postprocess_schema_enums",
        "billing.api.error_schema.with_error_codes",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AllocationStatus": "billing.payments.models.PaymentAllocation.State",
        "CheckoutStatus": "billing.checkout.models.Order.Status",
        "DunningAccess": "dunning.models.DunningCase.Access",
        "DunningStatus": "dunning.models.DunningCase.Status",
        "DeliveryStatus": "billing.webhooks.models.WebhookDelivery.State",
        "DocumentKind": "billing.invoicing.models.Invoice.Kind",
        "DocumentStatus": "billing.invoicing.models.Invoice.Status",
        "LineKind": "billing.invoicing.models.InvoiceLine.Kind",
        "PaymentStatus": "billing.payments.models.Payment.State",
        "SubscriptionStatus": "billing.subscriptions.models.Subscription.Status",
        "TestClockStatus": "billing.api.resources.test_clocks.STATUSES",
        "UsageStatus": "billing.api.resources.usage.STATUSES",
    },
    "COMPONENT_SPLIT_REQUEST": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# The operator's desk; `billing.front_page` fills it
LOGIN_REDIRECT_URL = "admin:index"
UNFOLD = {
    "SITE_TITLE": "Kvitt",
    "SITE_HEADER": "Kvitt",
    "SITE_SUBHEADER": pgettext_lazy("desk", "Billing"),
    "SITE_SYMBOL": "receipt_long",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "billing.front_page.page.icon"}
    ],
    "STYLES": ["billing.front_page.page.stylesheet"],
    "SCRIPTS": ["billing.front_page.page.script"],
    "DASHBOARD_CALLBACK": "billing.front_page.page.front_page",
    "COMMAND": {"search_callback": "billing.front_page.search.search"},
    "ACCOUNT": {
        "navigation": [
            {
                "title": pgettext_lazy("desk", "Second step"),
                "link": reverse_lazy("mfa_index"),
            },
            {
                "title": pgettext_lazy("desk", "Change password"),
                "link": reverse_lazy("account_change_password"),
            },
        ]
    },
    "GLOBAL_CALLBACK": "billing.front_page.menu.shell",
}

# What it says while it runs
LOG_FORMAT = env("KVITT_LOG_FORMAT", default="lines")
# What collects logs wants a line for each request; a person has the proxy's.
LOGS_REQUESTS = LOG_FORMAT == "json"
# Who may read `/metrics`; without one, only this machine, and not through a proxy.
METRICS_TOKEN = env("KVITT_METRICS_TOKEN", default="")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "billing.monitoring.logs.Lines",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        },
        "json": {"()": "billing.monitoring.logs.Json"},
    },
    "filters": {"calm": {"()": "billing.monitoring.logs.Calm"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "json" if LOG_FORMAT == "json" else "line",
            "filters": ["calm"],
        }
    },
    "root": {"handlers": ["console"], "level": env("KVITT_LOG_LEVEL", default="INFO")},
    "loggers": {
        # It tells of every hint; the jobs tell of what was done.
        "django-q": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        # They tell of each step of a page, and begin to when they are imported.
        "weasyprint": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},
        # Django's own handlers would write it a second time.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
    },
}
