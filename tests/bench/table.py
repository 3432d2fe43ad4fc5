"""Figures as one table for people. Computes nothing but texts."""

from rich.markup import escape
from rich.table import Table
from tests.bench.figures import Figure, Result


def number(value: float) -> str:
    """Return a number with about three digits that mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 1:
        return f"{value:.3g}"
    return f"{value:.3f}"


def ratio_text(figure: Figure) -> str:
    """Return `12% of <ceiling>`, or `3.1 x <floor>` for a cost above its floor; empty without a bound."""
    ratio = figure.ratio
    if ratio is None or figure.bound is None:
        return ""
    bound = f"{figure.bound.name} ({number(figure.bound.value)})"
    if figure.more_is_better or ratio < 1:
        return f"{ratio:.1%} of {bound}"
    return f"{ratio:.1f} x {bound}"


def aim_text(figure: Figure) -> str:
    """Return the aim and whether it is met."""
    if figure.aim is None:
        return ""
    sign = ">=" if figure.more_is_better else "<="
    misses_by = figure.misses_by
    verdict = "met" if misses_by is None else f"missed {misses_by:.2f} x"
    return f"{sign} {number(figure.aim)}: {verdict}"


def render(result: Result) -> Table:
    """Return the table of a run."""
    table = Table(title="PinAI Subnet benchmark", title_justify="left", pad_edge=False)
    table.add_column("measured")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit")
    table.add_column("aim")
    table.add_column("ratio to its bound")
    table.add_column("note")
    section = ""
    for figure in result.figures:
        if figure.section != section:
            section = figure.section
            table.add_section()
            table.add_row(f"[bold]{section}[/bold]")
        missed = figure.misses_by is not None
        aim = aim_text(figure)
        table.add_row(
            f"  {figure.name}",
            number(figure.value),
            figure.unit,
            f"[yellow]{aim}[/yellow]" if missed else aim,
            ratio_text(figure),
            escape(figure.note),
        )
    for name, reason in result.failures.items():
        table.add_section()
        table.add_row(f"[bold]{name}[/bold]", "-", "", "", "", f"[red]{escape(reason)}[/red]")
    return table
