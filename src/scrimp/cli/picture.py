"""Quality against cost as a picture: in the terminal by characters, as a PNG by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.text import Text

from scrimp.errors import ConfigError

if TYPE_CHECKING:
    from scrimp.routing.picture_points import Picture

WIDTH: Final = 64
HEIGHT: Final = 16
_SIGNS: Final = {
    "oracle": ("+", "cyan"),
    "blind mix": (".", "dim"),
    "score of now": ("-", "yellow"),
    "router": ("*", "bold green"),
    "score": ("*", "bold green"),
}
"""What is drawn later hides what was drawn before."""
_STYLES: Final = {
    "router": ("tab:green", "-"),
    "score": ("tab:green", "-"),
    "score of now": ("tab:olive", "-"),
    "blind mix": ("0.5", "--"),
    "oracle": ("tab:cyan", ":"),
}
_MODEL: Final = "O"
_OTHER: Final = ("-", "")
_MARGIN: Final = 0.05


class _Frame:
    """From numbers to places of a grid."""

    def __init__(self, picture: Picture) -> None:
        points = [*picture.models.values()]
        points += [point for line in picture.lines for point in line.points]
        self.left, self.right = 0.0, max(cost for cost, _ in points) * (1 + _MARGIN)
        low, high = min(quality for _, quality in points), max(quality for _, quality in points)
        room = max(high - low, 0.01) * _MARGIN
        self.bottom, self.top = low - room, high + room

    def place(self, cost: float, quality: float) -> tuple[int, int]:
        """Row from the top, column from the left."""
        column = (cost - self.left) / (self.right - self.left or 1.0) * (WIDTH - 1)
        row = (self.top - quality) / (self.top - self.bottom) * (HEIGHT - 1)
        return round(row), round(column)


def drawn(picture: Picture) -> list[Text]:
    """Lines of a terminal. Later signs hide earlier ones; models are on top."""
    frame = _Frame(picture)
    grid: list[list[tuple[str, str]]] = [[(" ", "")] * WIDTH for _ in range(HEIGHT)]
    for line in (one for name in _SIGNS for one in picture.lines if one.name == name):
        sign = _SIGNS.get(line.name, _OTHER)
        for before, after in zip(line.points, line.points[1:], strict=False):
            for cost, quality in _between(before, after):
                row, column = frame.place(cost, quality)
                grid[row][column] = sign
    for number, (cost, quality) in enumerate(picture.models.values()):
        row, column = frame.place(cost, quality)
        grid[row][column] = (_letter(number), "bold")
    lines = [_line(frame, row, cells) for row, cells in enumerate(grid)]
    axis = f"{'':>7}+{'-' * WIDTH}"
    ends = f"{'':>7} 0{'cost, 1 = ' + picture.best + ' always':^{WIDTH - 8}}{frame.right:.2f}"
    return [*lines, Text(axis, "dim"), Text(ends, "dim"), *_legend(picture)]


def write_png(picture: Picture, path: Path, title: str) -> None:
    """The same as an image. Raises ConfigError without matplotlib, OSError."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(
            f"a PNG needs pip install 'scrimp[pictures]' ({error.name} is missing); the picture in "
            "the terminal needs nothing"
        ) from error
    frame = _Frame(picture)
    figure = Figure(figsize=(8, 5.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)  # no display is asked for, and no global state is touched
    axes = figure.add_subplot()
    for line in picture.lines:
        colour, dash = _STYLES.get(line.name, ("tab:purple", "-"))
        costs, qualities = zip(*line.points, strict=True)
        axes.plot(costs, qualities, dash, color=colour, label=line.name)
    for name, (cost, quality) in picture.models.items():
        axes.plot([cost], [quality], "o", color="black")
        side, away = ("right", -6) if cost > frame.right / 2 else ("left", 6)
        place = (cost, quality)
        axes.annotate(name, place, textcoords="offset points", xytext=(away, -12), ha=side)
    axes.set_xlabel(f"cost, 1 = {picture.best} always")
    axes.set_ylabel("mean quality")
    axes.set_xlim(left=0)
    axes.grid(visible=True, alpha=0.3)
    axes.set_title(title)
    axes.legend(loc="lower right")
    figure.savefig(path, format="png")


def _between(one: tuple[float, float], two: tuple[float, float]) -> list[tuple[float, float]]:
    """Points close enough that no column is left out."""
    steps = WIDTH
    return [
        (one[0] + (two[0] - one[0]) * part / steps, one[1] + (two[1] - one[1]) * part / steps)
        for part in range(steps + 1)
    ]


def _line(frame: _Frame, row: int, cells: list[tuple[str, str]]) -> Text:
    every = (HEIGHT - 1) // 3
    quality = frame.top - (frame.top - frame.bottom) * row / (HEIGHT - 1)
    label = f"{quality:>6.3f} |" if row % every == 0 else f"{'':>6} |"
    return Text.assemble((label, "dim"), *cells)


def _letter(number: int) -> str:
    return chr(ord("A") + number % 26)


def _legend(picture: Picture) -> list[Text]:
    lines = [
        Text.assemble(
            "        ", (_letter(number), "bold"), f" {name}: {quality:.3f} at {cost:.3f}"
        )
        for number, (name, (cost, quality)) in enumerate(picture.models.items())
    ]
    signs = [_SIGNS.get(line.name, _OTHER) for line in picture.lines]
    told = [
        part
        for (sign, style), line in zip(signs, picture.lines, strict=True)
        for part in ((f"{sign} ", style), f"{line.name}   ")
    ]
    return [*lines, Text.assemble("        ", *told)]
