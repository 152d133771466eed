"""The dashboard's budget: weight, server time, viewers, the chart, and memory of a page that stays open a whole day.

`make bench`, or `python -m benchmarks.bench_pages [--viewers 50] [--seconds 60] [--no-day] [--page docs/dashboard.md]`. The
product runs as `manage.py up` runs it, the pages are opened in the system's Chromium. Beside the chart stands its peer in
the same page: an SVG polyline of the same points. Figures are printed, never judged; a busy machine is slow for both.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import ProxyHandler, Request, build_opener

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import launch
from tests.browser.installation import Installation

_direct = build_opener(ProxyHandler({}))
_KB = 1000
_TICKS = os.sysconf("SC_CLK_TCK")
_MEASURED = "## Measured"
_WORDS = """## Measured

Written by `python -m benchmarks.bench_pages --page docs/dashboard.md` (`make bench` prints it).
"""
_DRAW = """
async () => {
  const { chart, axis, colour } = await import("/static/hedging/js/chart.js");
  const x = Array.from({ length: 750 }, (_, i) => 1796096700 + 30 * i), y = x.map((_, i) => 60 + 30 * Math.sin(i / 40));
  const place = document.createElement("div");
  document.querySelector("main").append(place);
  const times = { chart: [], svg: [] };
  for (let round = 0; round < 12; round += 1) {
    const began = performance.now();
    const drawn = chart(place, {
      options: (width) => ({ width, height: 320, series: [{}, { stroke: colour("--link") }], axes: [axis(), axis()] }),
      data: () => [x, y],
    });
    drawn.plot().root.getBoundingClientRect();
    await new Promise((done) => requestAnimationFrame(() => done()));
    times.chart.push(performance.now() - began);
    drawn.plot().destroy();
    const again = performance.now();
    const width = place.clientWidth;
    place.innerHTML = `<svg width="${width}" height="320"><polyline fill="none" stroke="black" points="${x.map((at, i) => `${(i * width) / 750},${320 - y[i] * 2}`).join(" ")}"/></svg>`;
    place.getBoundingClientRect();
    await new Promise((done) => requestAnimationFrame(() => done()));
    times.svg.push(performance.now() - again);
    place.replaceChildren();
  }
  place.remove();
  return times;
}
"""
_OBJECTS = "() => document.getElementsByTagName('*').length"


def weight(world: Installation) -> tuple[int, int]:
    """Return the compressed bytes of the first page with all that it loads, without the plotting library, and with it."""
    page = _fetch(world.base_url + "/")
    text = gzip.decompress(page) if page[:2] == b"\x1f\x8b" else page
    plain, plotting = len(page), 0
    found = set(re.findall(rb'(?:href|src)="(/static/[^"]+)"', text))
    asked: set[str] = set()
    while found:
        address = found.pop().decode()
        if address in asked:
            continue
        asked.add(address)
        body = _fetch(urljoin(world.base_url, address))
        if "/vendor/" in address:
            plotting += len(body)
            continue
        plain += len(body)
        script = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        for name in re.findall(rb'from "\./([a-z]+\.js)"', script):
            found.add(address.rpartition("/")[0].encode() + b"/" + name)
    return plain, plain + plotting


def _fetch(address: str) -> bytes:
    with _direct.open(Request(address, headers={"Accept-Encoding": "gzip"}), timeout=30) as answer:  # noqa: S310 - loopback
        body: bytes = answer.read()
        return body


def web_processes(world: Installation) -> list[int]:
    """Return the web server's processes of an installation."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            settings = (entry / "environ").read_bytes()
        except (OSError, NotADirectoryError):
            continue
        if any(b"gunicorn" in word for word in words) and str(world.var).encode() in settings:
            found.append(int(entry.name))
    return found


def processor_seconds(processes: list[int]) -> float:
    """Return the processor time that these processes have used."""
    total = 0
    for pid in processes:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


@contextmanager
def counted(world: Installation) -> Iterator[list[float]]:
    """Yield a list that holds wall seconds and processor seconds of the web server afterwards."""
    processes, taken = web_processes(world), list[float]()
    began, used = time.monotonic(), processor_seconds(processes)
    yield taken
    taken += [time.monotonic() - began, processor_seconds(processes) - used]


def server_time(world: Installation, address: str, rounds: int = 60) -> float:
    """Return the processor time of the web server for one request, in ms."""
    for _ in range(5):
        _fetch(world.base_url + address)
    with counted(world) as taken:
        for _ in range(rounds):
            _fetch(world.base_url + address)
    return 1000 * taken[1] / rounds


async def _viewer(world: Installation, *, every: float, until: float, start: float, answers: list[int]) -> None:
    address, tag = "/api/hedge/status?format=html&part=day", ""
    await asyncio.sleep(start)
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        head = (
            f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1:{world.port}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n"
        )
        writer.write((head + (f"If-None-Match: {tag}\r\n" if tag else "") + "\r\n").encode())
        answer = await reader.read()
        writer.close()
        answers.append(int(answer[9:12]))
        named = re.search(rb"\r\nETag: ([^\r]+)", answer, re.IGNORECASE)
        tag = named.group(1).decode() if named else tag
        await asyncio.sleep(every)


def viewers(world: Installation, *, count: int, every: float, seconds: float) -> tuple[float, list[int]]:
    """Let so many pages stay open; return the share of one core that serving them took, and the answers' statuses."""
    answers: list[int] = []

    async def all_of_them() -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(
            *(
                _viewer(world, every=every, until=until, start=every * number / count, answers=answers)
                for number in range(count)
            )
        )

    with counted(world) as taken:
        asyncio.run(all_of_them())
    return 100 * taken[1] / taken[0], answers


def open_page(browser: Browser, world: Installation) -> Page:
    page = browser.new_context(base_url=world.base_url, viewport={"width": 1280, "height": 800}).new_page()
    page.goto("/")
    page.locator("#course canvas").wait_for()
    return page


def heap(page: Page) -> tuple[float, int]:
    """Return what lives in the page after a collection: MB of script memory, and elements."""
    client = page.context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    used = client.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    client.detach()
    return used, int(page.evaluate(_OBJECTS))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--viewers", type=int, default=50)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument(
        "--no-day", action="store_true", help="leave out the page that stays open a whole simulated day"
    )
    options.add_argument("--page", type=Path, help="write what was measured into this page")
    asked = options.parse_args()
    told: list[str] = []

    def tell(words: str) -> None:
        print(words, flush=True)
        told.append(words)

    world = Installation()
    try:
        world.go_to("10:30")
        plain, all_of_it = weight(world)
        tell(
            f"weight of the first page, compressed: {plain / _KB:.1f} KB, with the plotting library {all_of_it / _KB:.1f} KB (budget 60, 120)"
        )
        tell(f"processor of the server for the first page: {server_time(world, '/'):.1f} ms (budget 20)")
        tell(
            f"processor of the server for one poll with news: {server_time(world, '/api/hedge/status?format=html'):.1f} ms"
        )
        for every in (5.0, 2.0):
            share, answers = viewers(world, count=asked.viewers, every=every, seconds=asked.seconds)
            told_old = sum(status == 304 for status in answers)
            tell(
                f"{asked.viewers} viewers who ask every {every:g} s: {share:.1f} % of one core, {len(answers)} answers, {told_old} of "
                f"them 'nothing new'{' (budget 15 %)' if every == 5 else ''}"
            )
        with sync_playwright() as playwright:
            browser = launch(playwright)
            times = open_page(browser, world).evaluate(_DRAW)
            drawn, peer = statistics.median(times["chart"]), statistics.median(times["svg"])
            tell(
                f"750 points drawn: {drawn:.1f} ms at the median, {max(times['chart']):.1f} at most (budget 50); peer, an SVG polyline: {peer:.1f}"
            )
            if not asked.no_day:
                world.restart(speed=100)
                page = open_page(browser, world)
                for minute in ("11:30", "12:30", "13:30", "14:30", "15:25"):
                    while f"{world.now():%H:%M}" < minute:
                        page.wait_for_timeout(500)  # lets the page live
                    used, elements = heap(page)
                    tell(f"page open since 10:30, at {minute}: {used:.2f} MB of script memory, {elements} elements")
            browser.close()
    finally:
        world.remove()
    if asked.page is not None:
        before = asked.page.read_text(encoding="utf-8").partition(_MEASURED)[0]
        asked.page.write_text(before + "\n".join([_WORDS, "```text", *told, "```"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
