"""Every setting, in sections: read from the environment and `.env` (see .env.example), refused in one line when wrong."""

from __future__ import annotations

import ipaddress
import os
import socket
from datetime import date
from decimal import Decimal
from pathlib import Path

from config import logging as log_config
from config.env import SettingError, lasting_secret, read_environment
from config.local.places import places_of
from config.servers import REAL, SCHEMA, SIMULATOR, database_config, redis_addresses
from hedging.domain.policy import HedgePolicy

BASE_DIR = Path(__file__).resolve().parent.parent

# Another settings file than .env can be named, or none (empty): the tests do, so a person's .env never reaches them.
_env_file = os.environ.get("AUTO_HEDGE_ENV_FILE", ".env")
ENVIRONMENT = read_environment(BASE_DIR / _env_file if _env_file else None)
_env = ENVIRONMENT

# --- Place and address -----------------------------------------------------------------------------------------------

VAR_DIR = (BASE_DIR / Path(_env.text("VAR_DIR", "var")).expanduser()).resolve()
PLACES = places_of(VAR_DIR)
HOST = _env.text("HOST", "127.0.0.1")
PORT = _env.whole("PORT", 5010, least=1, most=65534)
SIM_PORT = _env.whole("SIM_PORT", PORT + 1, least=1, most=65535)  # the simulator always binds to loopback


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _own_names() -> list[str]:
    """Names under which a browser of this network reaches a server bound to every address. Sends nothing."""
    names = [socket.gethostname()]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: connecting UDP only picks the outgoing interface
            names.append(probe.getsockname()[0])
        except OSError:
            pass  # no network: the host name must do
    return names


LOOPBACK_BIND = _is_loopback(HOST)
_default_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
if not LOOPBACK_BIND:
    _default_hosts += tuple(_own_names()) if HOST in {"0.0.0.0", "::"} else (HOST,)  # nosec B104 # noqa: S104 - compared, not bound
ALLOWED_HOSTS = _env.words("ALLOWED_HOSTS", _default_hosts)
CSRF_TRUSTED_ORIGINS = _env.words("CSRF_TRUSTED_ORIGINS", ())
for _origin in CSRF_TRUSTED_ORIGINS:
    if "://" not in _origin:
        raise SettingError(f"CSRF_TRUSTED_ORIGINS holds {_origin!r}: write it with its scheme, like https://{_origin}")

# --- World: the simulator, or a real account behind OpenAlgo ------------------------------------------------------------

_openalgo_key = _env.key(
    "OPENALGO_API_KEY", without="the simulator is used. Put the key from OpenAlgo's API Key page to use a real account"
)
WORLD = REAL if _openalgo_key else SIMULATOR
OPENALGO_API_KEY = _openalgo_key or "simulator-key"  # the simulator listens on loopback and guards nothing
_openalgo_url = _env.url("OPENALGO_BASE_URL", "http://localhost:5000", schemes=("http", "https"))
OPENALGO_BASE_URL = _openalgo_url if WORLD == REAL else f"http://127.0.0.1:{SIM_PORT}"

SIM_SPEED = float(_env.decimal("SIM_SPEED", Decimal(60), least=Decimal("0.1"), most=Decimal(3600)))
SIM_SEED = _env.whole("SIM_SEED", 7, least=0, most=2**31 - 1)  # on 7 the fourth Tuesday entry needs a hedge
_sim_date = _env.text("SIM_DATE", "2026-12-01")  # a Tuesday on which NIFTY options expire
try:
    SIM_DATE = date.fromisoformat(_sim_date)
except ValueError:
    raise SettingError(f"SIM_DATE={_sim_date!r} is not a date: write it like 2026-12-01") from None
# Market seconds that pass in one second of wall time.
SPEED = SIM_SPEED if WORLD == SIMULATOR else 1.0

# --- Lids: what the environment permits at most (design.md, settings) ---------------------------------------------------

AUTO_HEDGE_ENABLED = _env.flag("AUTO_HEDGE_ENABLED", default=WORLD == SIMULATOR)
AUTO_HEDGE_DRY_RUN = _env.flag("AUTO_HEDGE_DRY_RUN", default=WORLD == REAL)
HEDGE_API_KEY = _env.key("HEDGE_API_KEY", without="writes over the API need a login")
HEDGE_DEV_MODE = _env.flag("HEDGE_DEV_MODE", default=False)
if HEDGE_DEV_MODE and WORLD == REAL and not AUTO_HEDGE_DRY_RUN:
    raise SettingError(
        "HEDGE_DEV_MODE=true opens the API and is refused with live orders: set it to false, or AUTO_HEDGE_DRY_RUN=true"
    )
if HEDGE_DEV_MODE and not LOOPBACK_BIND:
    raise SettingError(
        f"HEDGE_DEV_MODE=true opens the API and is refused on HOST={HOST}: set it to false, or HOST=127.0.0.1"
    )

# --- Policy: bounds of a decision; a session and the admin pages may override them ---------------------------------------

_zero, _hundred = Decimal(0), Decimal(100)
HEDGE_UTILIZATION_TRIGGER = _env.decimal("HEDGE_UTILIZATION_TRIGGER", Decimal(95), least=_zero, most=_hundred)
HEDGE_UTILIZATION_TARGET = _env.decimal("HEDGE_UTILIZATION_TARGET", Decimal(85), least=_zero, most=_hundred)
HEDGE_EXIT_TRIGGER = _env.decimal("HEDGE_EXIT_TRIGGER", Decimal(70), least=_zero, most=_hundred)
HEDGE_LOOKAHEAD_MINUTES = _env.whole("HEDGE_LOOKAHEAD_MINUTES", 5, least=1, most=120)
HEDGE_EXIT_BUFFER_MINUTES = _env.whole("HEDGE_EXIT_BUFFER_MINUTES", 15, least=0, most=240)
HEDGE_MIN_PREMIUM = _env.decimal("HEDGE_MIN_PREMIUM", Decimal("2.0"), least=Decimal("0.05"), most=Decimal(1000))
HEDGE_MAX_PREMIUM = _env.decimal("HEDGE_MAX_PREMIUM", Decimal("6.0"), least=Decimal("0.05"), most=Decimal(1000))
HEDGE_MAX_COST_PER_DAY = _env.decimal("HEDGE_MAX_COST_PER_DAY", Decimal(50000), least=_zero, most=Decimal(10**9))
HEDGE_COOLDOWN_SECONDS = _env.whole("HEDGE_COOLDOWN_SECONDS", 120, least=0, most=3600)
if not HEDGE_EXIT_TRIGGER <= HEDGE_UTILIZATION_TARGET <= HEDGE_UTILIZATION_TRIGGER:
    raise SettingError(
        f"HEDGE_EXIT_TRIGGER={HEDGE_EXIT_TRIGGER}, HEDGE_UTILIZATION_TARGET={HEDGE_UTILIZATION_TARGET} and "
        f"HEDGE_UTILIZATION_TRIGGER={HEDGE_UTILIZATION_TRIGGER} must rise in this order: correct the one that does not"
    )
if HEDGE_MIN_PREMIUM > HEDGE_MAX_PREMIUM:
    raise SettingError(
        f"HEDGE_MIN_PREMIUM={HEDGE_MIN_PREMIUM} is above HEDGE_MAX_PREMIUM={HEDGE_MAX_PREMIUM}: correct one of them"
    )
# What a decision starts from, before the overrides of its session.
HEDGE_POLICY = HedgePolicy(
    utilization_trigger_pct=HEDGE_UTILIZATION_TRIGGER,
    utilization_target_pct=HEDGE_UTILIZATION_TARGET,
    exit_trigger_pct=HEDGE_EXIT_TRIGGER,
    lookahead_minutes=HEDGE_LOOKAHEAD_MINUTES,
    exit_buffer_minutes=HEDGE_EXIT_BUFFER_MINUTES,
    min_premium=HEDGE_MIN_PREMIUM,
    max_premium=HEDGE_MAX_PREMIUM,
    max_cost_per_day=HEDGE_MAX_COST_PER_DAY,
    cooldown_seconds=HEDGE_COOLDOWN_SECONDS,
)

# --- Alerts ------------------------------------------------------------------------------------------------------------

_no_telegram = "alerts go to the console and the pages"
TELEGRAM_BOT_TOKEN = _env.key("TELEGRAM_BOT_TOKEN", without=_no_telegram)
TELEGRAM_CHAT_ID = _env.key("TELEGRAM_CHAT_ID", without=_no_telegram)

# --- Database ------------------------------------------------------------------------------------------------------------

_database_url = _env.database("DATABASE_URL")
DATABASE_IS_EMBEDDED = _database_url is None
DATABASE_SCHEMA = SCHEMA
DATABASES = {"default": database_config(given=_database_url, world=WORLD, places=PLACES)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Celery and Redis ------------------------------------------------------------------------------------------------------

_redis_url = _env.url("REDIS_URL", "", schemes=("redis", "rediss", "unix", "redis+socket")) or None
REDIS_IS_EMBEDDED = _redis_url is None
_redis = redis_addresses(given=_redis_url, world=WORLD, places=PLACES)
REDIS_URL = _redis.for_client
CELERY_BROKER_URL = _redis.for_celery

# --- Django ------------------------------------------------------------------------------------------------------------------

_secret_key = _env.key("SECRET_KEY", without="one made for this installation is used")
SECRET_KEY = _secret_key or lasting_secret(VAR_DIR / "secret_key")
DEBUG = False
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
INSTALLED_APPS = [
    "config.apps.GuardedAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "config.apps.PlumbingConfig",
    "notifications",
    "sessions_app",
    "schedule",
    "hedging.access",
    "hedging",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # pages, scripts and answers; it pads them against guessing by length
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "hedging.access.middleware.AccessMiddleware",
]
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
            ]
        },
    }
]
AUTHENTICATION_BACKENDS = ["hedging.access.backend.RolesBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
APPEND_SLASH = False  # a redirect would turn a POST into a GET; the routes accept both forms themselves
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_SCHEMA_CLASS": "hedging.api.describe.ApiSchema",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Auto-Hedge",
    "DESCRIPTION": "Margin hedging for people who sell index options: where the day stands, what was done, and orders by hand. "
    "Rupees are text with two places, times carry their zone, unknown is null and never 0.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["hedging.api.document.without_slashes"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "hedging.api.links.with_links"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "DISABLE_ERRORS_AND_WARNINGS": False,
}

# --- Browsers and callers: what they may send, keep and show (docs/security.md) -----------------------------------------------

# An https origin is named where a proxy with TLS stands before us: from then on cookies and pages are for TLS alone.
BEHIND_TLS = any(_origin.startswith("https://") for _origin in CSRF_TRUSTED_ORIGINS)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_SSL_REDIRECT = BEHIND_TLS
# Watchers and scripts on this machine speak plain HTTP to loopback, and a redirect would turn their POST into a GET.
SECURE_REDIRECT_EXEMPT = [r"^healthz/?$", r"^readyz/?$", r"^metrics/?$", r"^api/"]
SECURE_HSTS_SECONDS = (
    30 * 24 * 3600 if BEHIND_TLS else 0
)  # too short for the browsers' own lists, whatever `preload` says
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SESSION_ENGINE = "hedging.access.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600  # a trading day: who logs in before the open is asked again the next morning
OTP_TOTP_ISSUER = "Auto-Hedge"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # of a body without its files
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 5
# Of each caller, in each process: for fairness. A what-if asks the broker, of whose patience the engine needs its share: one
# every two seconds, of eight reads or so, is four of the fifty a second that OpenAlgo allows.
API_RATES = {"reads": "1200/min", "writes": "240/min", "what-ifs": "30/min", "boards": "20/min"}
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.logging.SecretFilter"

# --- Time, language, files -----------------------------------------------------------------------------------------------------

USE_TZ = True
TIME_ZONE = "Asia/Kolkata"  # shown everywhere; the database keeps UTC
LANGUAGE_CODE = "en-in"
USE_I18N = False
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # pages work without a collectstatic step
WHITENOISE_AUTOREFRESH = False

# --- Logging ---------------------------------------------------------------------------------------------------------------------

log_config.hide(
    _openalgo_key, HEDGE_API_KEY, TELEGRAM_BOT_TOKEN, SECRET_KEY, str(DATABASES["default"].get("PASSWORD") or "")
)
LOGGING = log_config.LOGGING
# Lines that a person should read at start-up: what was left out, and what happens instead.
NOTICES = tuple(dict.fromkeys(_env.notices))
