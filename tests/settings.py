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

from config import settings as base  # noqa: E402 - after the environment is clean
from config.settings import *  # noqa: E402, F403

atexit.register(shutil.rmtree, base.VAR_DIR, ignore_errors=True)
atexit.register(shutil.rmtree, base.PLACES.runtime, ignore_errors=True)
REDIS_FOR_CELERY = base.CELERY_BROKER_URL
CELERY_BROKER_URL = "memory://"  # a nudge goes nowhere; tests of the real queue ask for the fixture `redis_server`
# All tests come from one address.
API_RATES = {"reads": "1000000/min", "writes": "1000000/min", "what-ifs": "1000000/min", "boards": "1000000/min"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
