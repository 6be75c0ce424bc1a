# SPDX-License-Identifier: Apache-2.0
"""Colours of the page's figures, and a figure as SVG that takes them from the page.

A figure is drawn in colours nobody would choose, one for each role; in the SVG text
they become the page's CSS variables, so that one drawing serves light and dark.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.figure import Figure

MARKERS = "os^Dv*P<"
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))
HUES = 6
"""Number of hues the style sheet defines, ``--hue-0`` ...; each legible on both grounds."""

_ROLES = ("ink", "muted", "line", "ground", "quiet")
_STAND_IN = {role: f"#0100{n:02x}" for n, role in enumerate(_ROLES)}
_STAND_IN |= {f"hue-{n}": f"#0200{n:02x}" for n in range(HUES)}

PLACES = {
    "delivered": "quiet",
    "nic": "hue-0",
    "guard": "hue-5",
    "softnet": "hue-4",
    "frame queue": "hue-2",
    "bridge": "hue-3",
    "tap": "hue-1",
    "guest": "hue-2",
    "tap return": "hue-5",
    "nic transmit": "muted",
    "unexplained": "ink",
}
"""Where a frame ended, in the order of the path, and its colour."""
OWNERS = {
    "softirq": "hue-1",
    "ksoftirqd": "hue-4",
    "napi": "hue-5",
    "vhost": "hue-0",
    "vcpu": "hue-2",
    "qemu": "hue-3",
    "vfwd": "hue-2",
    "idle": "muted",
}
"""Who had the CPU, and the colour."""


def colour(role: str) -> str:
    """Return the stand-in for a role: ``ink``, ``hue-2``; unknown roles are muted."""
    return _STAND_IN.get(role, _STAND_IN["muted"])


def series_colour(number: int) -> str:
    """Return the stand-in for a series' colour."""
    return colour(f"hue-{number % HUES}")


def marker(number: int) -> str:
    """Return a series' marker, so that colour is never the only difference."""
    return MARKERS[number % len(MARKERS)]


@contextmanager
def pen() -> Iterator[None]:
    """Draw with our settings only, whatever matplotlibrc the user has."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": "vhostaccel",
                "text.parse_math": False,  # a name from a record may hold a dollar
                "font.size": 9,
                "axes.titlesize": 9.5,
                "axes.titlelocation": "left",
                "axes.titleweight": "bold",
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "axes.axisbelow": True,
                "grid.linewidth": 0.6,
                "lines.linewidth": 1.8,
                "lines.markersize": 5,
                "legend.frameon": False,
                "legend.handletextpad": 0.5,
                "grid.color": colour("line"),
                "text.color": colour("ink"),
                "axes.titlecolor": colour("ink"),
                "axes.labelcolor": colour("muted"),
                "axes.edgecolor": colour("muted"),
                "xtick.color": colour("muted"),
                "ytick.color": colour("muted"),
            }
        )
        yield


def to_svg(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an SVG element to be put into a page.

    Args:
        figure: the figure.
        name: unique in the page; ids inside the SVG begin with it.
        description: what a reader who cannot see it should be told.
    """
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]  # no XML prologue inside a page
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for role, stand_in in _STAND_IN.items():
        svg = svg.replace(stand_in, f"var(--{role})")
    # The page decides the size; the view box keeps the proportions.
    svg = re.sub(r' (?:width|height)="[0-9.]+pt"', "", svg, count=2)
    return svg.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)
