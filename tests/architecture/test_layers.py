"""The import contracts of pyproject.toml hold."""

import subprocess
import sys
from pathlib import Path

BASE = Path(__file__).parents[2]


def test_imports_go_down_only():
    script = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_logo=True))"
    done = subprocess.run([sys.executable, "-c", script], cwd=BASE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
