"""Settings of the tests: a `var` of their own, no `.env`, and nothing from a person's shell but addresses of servers."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# No test may read a real key or write beside a person's data, whatever the shell or .env say.
_OURS = ("AUTO_HEDGE_", "HEDGE_", "OPENALGO_", "SIM_", "TELEGRAM_")
_NAMED = {"HOST", "PORT", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SECRET_KEY", "VAR_DIR"}
for _name in [name for name in os.environ if name.startswith(_OURS) or name in _NAMED]:
    del os.environ[_name]
os.environ["AUTO_HEDGE_ENV_FILE"] = ""
os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="auto-hedge-tests-")
os.environ["SECRET_KEY"] = "only-for-tests"

from config.settings import *  # noqa: E402, F403 - after the environment is clean

atexit.register(shutil.rmtree, VAR_DIR, ignore_errors=True)  # noqa: F405
atexit.register(shutil.rmtree, PLACES.runtime, ignore_errors=True)  # noqa: F405
REDIS_FOR_CELERY = CELERY_BROKER_URL  # noqa: F405
CELERY_BROKER_URL = "memory://"  # a nudge goes nowhere; tests of the real queue ask for the fixture `redis_server`
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
