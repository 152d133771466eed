#!/usr/bin/env python3
"""Run a management command. A wrong setting or a server that cannot be reached is one line, not a traceback."""

import os
import sys


def main() -> None:
    """Run the command that the arguments name."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this is the line that tells an older Python so
        sys.exit(f"Python {sys.version.split()[0]} is too old: use 3.11 to 3.14 (`make setup` finds one).")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - may be missing
        from django.core.management import execute_from_command_line  # noqa: PLC0415
    except ImportError:
        sys.exit("The packages are not installed here: run `make setup`, then .venv/bin/python manage.py …")
    from django.db.utils import OperationalError  # noqa: PLC0415

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Setting refused: {error}")
    except OperationalError as error:
        from config.schema import why_unreachable  # noqa: PLC0415 - needs settings

        sys.exit(why_unreachable(error))


if __name__ == "__main__":
    main()
