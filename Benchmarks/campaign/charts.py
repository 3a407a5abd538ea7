"""SVG, drawn by hand: bars for comparisons, lines for scaling. Readable on light and dark pages."""

from __future__ import annotations

import math
from html import escape

COLORS = ["#2f6fed", "#e4572e", "#2e9e6b", "#8e5bd0", "#c98a00", "#5b6470"]
STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#24292f}.small{font-size:11px;fill:#57606a}"
    ".title{font-weight:600;font-size:15px}line{stroke:#d0d7de}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#8b949e}line{stroke:#30363d}}</style>"
)


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def document(width: int, height: int, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join([head, STYLE, *parts, "</svg>", ""])


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(content)}</text>'


def bars(title: str, unit: str, values: list[tuple[str, float]], highlight: str = "sluice") -> str:
    """One bar for each; by the logarithm, and saying so, when the largest is more than 50 times the smallest."""
    width, left, row, right = 760, 210, 26, 90
    largest, smallest = max(value for _, value in values), min(value for _, value in values)
    by_logarithm = smallest > 0 and largest / smallest > 50
    floor = math.log10(smallest) - 0.3 if by_logarithm else 0.0
    span = (math.log10(largest) - floor) if by_logarithm else largest
    parts = [text(12, 24, title, "title"), text(12, 42, unit + (", logarithmic" if by_logarithm else ""), "small")]
    for index, (name, value) in enumerate(values):
        y = 56 + index * row
        share = ((math.log10(value) - floor) if by_logarithm else value) / span if span else 0
        length = max(2.0, share * (width - left - right))
        color = COLORS[0] if name.startswith(highlight) else COLORS[5]
        parts.append(text(left - 8, y + 15, name, anchor="end"))
        parts.append(f'<rect x="{left}" y="{y + 3}" width="{length:.1f}" height="{row - 8}" rx="2" fill="{color}"/>')
        parts.append(text(left + length + 6, y + 15, number(value)))
    return document(width, 56 + len(values) * row + 12, parts)


def lines(title: str, x_name: str, y_name: str, series: dict[str, list[tuple[float, float]]]) -> str:
    """Lines over a logarithmic axis; the other begins at 0."""
    width, height, left, top, right, bottom = 760, 340, 70, 56, 20, 56
    points = [point for line in series.values() for point in line]
    low, high = (math.log10(edge(x for x, _ in points)) for edge in (min, max))
    ceiling = nice(max(y for _, y in points) * 1.1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - low) / (high - low or 1)
        return left + across * (width - left - right), height - bottom - y / ceiling * (height - top - bottom)

    parts = [text(12, 24, title, "title"), text(12, 42, y_name, "small")]
    for step in range(5):
        value = ceiling * step / 4
        _, y = place(points[0][0], value)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - right}" y2="{y:.1f}"/>')
        parts.append(text(left - 6, y + 4, number(value) if value else "0", "small", "end"))
    for x in sorted({x for x, _ in points}):
        parts.append(text(place(x, 0)[0], height - bottom + 16, f"{x:,.0f}", "small", "middle"))
    parts.append(text((left + width - right) / 2, height - bottom + 34, x_name, "small", "middle"))
    for index, (name, line) in enumerate(series.items()):
        color = COLORS[index % len(COLORS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in sorted(line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += ['<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>'.format(*place(x, y), color) for x, y in line]
        parts.append(f'<rect x="{left + index * 220}" y="{height - 18}" width="10" height="10" fill="{color}"/>')
        parts.append(text(left + index * 220 + 16, height - 9, name, "small"))
    return document(width, height, parts)


def nice(value: float) -> float:
    """The next of 1, 2, 4, 6, 8 times a power of ten, so that quarters of it are readable."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)
