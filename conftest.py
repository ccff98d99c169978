"""What pytest adds to its report: the seconds that each chapter took."""

from collections import defaultdict


def pytest_terminal_summary(terminalreporter) -> None:
    """Print, for each notebook, the seconds of its cells, the kernel's start and its end included."""
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            notebook = (getattr(report, "nodeid", None) or "").partition("::")[0]
            if notebook.endswith(".ipynb"):
                seconds[notebook] += getattr(report, "duration", 0.0)
    if not seconds:
        return
    terminalreporter.section("seconds per chapter")
    for notebook, value in sorted(seconds.items()):
        terminalreporter.write_line(f"{value:7.1f}  {notebook}")
    terminalreporter.write_line(f"{sum(seconds.values()):7.1f}  together (the workers share them)")
