"""The page of a run."""

from __future__ import annotations

from markupsafe import Markup

from benchmarks.maps import charts, table
from benchmarks.maps.atlas import WAYS, Map
from benchmarks.maps.results import MapsResults
from benchmarks.reporting import figures
from benchmarks.reporting.templating import environment

__all__ = ["render"]


def render(results: MapsResults) -> str:
    """Return the page of a run."""
    return environment().get_template("maps.html.j2").render(maps=View(results))


class View:
    """What the template asks about a run."""

    ways = WAYS

    def __init__(self, results: MapsResults) -> None:
        self.results = results
        self.machine = results.machine
        self.sentence = table.sentence(results)
        self.noise = table.noise(results)
        self.titles = table.COLUMNS
        self.rows = table.rows(results)
        self.miss_titles = table.MISS_COLUMNS
        self.misses = [table.miss_cells(results, cell) for cell in table.misses(results)]

    def chart(self, one: Map) -> Markup:
        """Return a map."""
        return Markup(figures.svg(charts.draw(self.results, one), one.name))

    def columns(self) -> Markup | None:
        """Return the chart of im2col's memory, for wide and for narrow windows."""
        return figures.twice(lambda width: charts.columns(self.results, width), "columns")

    def caches(self) -> Markup | None:
        """Return the chart of cold caches, for wide and for narrow windows."""
        return figures.twice(lambda width: charts.caches(self.results, width), "caches")
