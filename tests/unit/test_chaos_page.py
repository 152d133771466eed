"""The page of the reliability proofs: each command writes its own part, and the parts stand in their order."""

from hedging.chaos.page import write_comparison, write_page, write_part


def test_each_command_replaces_its_own_part_and_leaves_the_others(tmp_path):
    page = tmp_path / "reliability.md"
    control = {"retry_three_times": {"schedules": 100, "breached": 60}}
    figures = {"schedules": 1200, "seconds": 20.0, "breaches": 0, "negative_controls": control}
    write_part(page, name="30-kills.md", text="## Kills")
    write_comparison(page, compared=50, seed=1, differing=2, seconds=10.0)
    write_comparison(page, compared=100, seed=1, differing=0, seconds=20.0)
    write_page(page, figures=figures, tally={"POST: 429": 7, "killed: before a commit": 3}, seed=1, jobs=2)
    text = page.read_text(encoding="utf-8")
    parts = [
        "# Reliability",
        "**1200 schedules, 0 with a breach**, in 20.0 s: 60 a second in 2 processes.",
        "60 of 100 (60 %)",
        "| 429 | 7 |",
        "| killed: before a commit | 3 |",
        "**100 schedules, 0 tables that differ**, in 20 s: 5.0 a second.",
        "## Kills",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "**50 schedules" not in text
