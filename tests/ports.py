"""Ports for servers of tests: of those that the kernel gives to nobody by itself, and in a range for each test process."""

from __future__ import annotations

import os
import random
import socket


def free_ports() -> int:
    """Return a port that is free and whose neighbour, which a simulator takes by default, is free too."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + 1_000 * (number % 12)
    begin = random.randrange(0, 1_000, 2)  # another checkout's tests look in the same range
    for offset in range(0, 1_000, 2):
        port = first + (begin + offset) % 1_000
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no free ports")
