"""All of a process share one clock; the simulator's clock is on this machine, and is asked there."""

from __future__ import annotations

from hedging.engine import clock
from hedging.engine.clock import SimulatorClock


def test_the_simulator_is_asked_directly_whatever_proxy_the_environment_names(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    clock = SimulatorClock("http://127.0.0.1:5011")
    asked = clock.session.merge_environment_settings(clock.base_url, {}, stream=None, verify=None, cert=None)
    assert not asked["proxies"]


def test_all_of_a_process_share_one_clock(settings):
    settings.WORLD = "real"
    assert clock.market_clock() is clock.market_clock()
