"""Figures that scripts draw are written as the server writes them: the same grouping, rounding and words."""

from __future__ import annotations

from hedging.templatetags.hedging_format import duration, percent, rupees

VALUES = ["0", "0.004", "0.005", "-0.004", "0.05", "50.05", "99.95", "-50.05", "1.005", "2.675", "999.995", "1234.5",
          "-1234.56", "100000", "1234567.89", "98765432.1", "", None]  # fmt: skip
SECONDS = [0, 59, 60, 3599, 3600, 7265.9, None]


def test_scripts_write_figures_as_the_server_does(open_page):
    page = open_page("/")

    written = page.evaluate(
        """async ([values, seconds]) => {
          const { duration, grouped, percent, rupees } = await import("/static/hedging/js/format.js");
          return [values.map((v) => [percent(v), rupees(v), rupees(v, 2)]), seconds.map(duration)];
        }""",
        [VALUES, SECONDS],
    )

    assert written == [
        [[percent(v), rupees(v), rupees(v, 2)] for v in VALUES],
        [duration(s) for s in SECONDS],
    ]
