#!/bin/sh
# Look for unsafe calls in the code, then for known holes in what the locks pin. A finding fails; a service that cannot be
# asked is one line, and no failure.
set -u
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# Its warnings speak of parts of a line that an exception names and that are no finding by themselves.
if .venv/bin/bandit -q -c pyproject.toml -r config hedging notifications schedule sessions_app manage.py 2>"$said"; then
    echo "bandit: no unexplained finding"
else
    cat "$said"
    exit 1
fi

for lock in requirements/main.lock requirements/dev.lock; do
    pinned=$(grep -c '^[A-Za-z0-9._-]*==' "$lock")
    if .venv/bin/pip-audit --require-hashes --disable-pip --no-deps --progress-spinner off --timeout 10 -r "$lock" >"$said" 2>&1; then
        unknown=$(grep -c 'could not be audited' "$said")
        if [ "$unknown" -gt 0 ]; then
            echo "pip-audit: its service could not be asked about $unknown of $pinned packages of $lock: they were not checked"
        else
            echo "pip-audit: no known hole in the $pinned packages of $lock"
        fi
    elif grep -q -E 'ServiceError|ConnectionError|Max retries|ProxyError|timed out|Could not connect|Failed to (resolve|establish)' "$said"; then
        echo "pip-audit: its service could not be asked about the $pinned packages of $lock: they were not checked"
    else
        cat "$said"
        exit 1
    fi
done
