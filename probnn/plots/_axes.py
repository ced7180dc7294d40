"""What all plots share: axes, and styles that are told apart in colour and in grey."""

import inspect

# Okabe and Ito's colours, from dark to light and back, so that neighbours differ in grey too.
COLORS = ("#0072B2", "#E69F00", "#000000", "#56B4E9", "#D55E00", "#009E73", "#CC79A7")
# Eight of each, for seven colours: together they tell 56 apart.
LINES = (
    *("-", "--", ":", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))),
    (0, (7, 2, 1, 2, 1, 2)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
BAND = {"color": "#999999", "alpha": 0.3, "linewidth": 0}  # of what a right model may show
POINT = {"marker": ".", "linestyle": "none", "color": "black", "markersize": 4, "alpha": 0.5}
REFERENCE = {"color": "black", "linewidth": 1, "linestyle": (0, (4, 3))}

_AXES = """ax : matplotlib.axes.Axes, optional
    Where to draw; a new figure by default.

Returns
-------
matplotlib.axes.Axes"""


def axes(ax):
    """Return the axes to draw on: those given, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(6.4, 4.2), layout="constrained")[1]


def on_axes(plot):
    """Say of a plot, in place of `{axes}` in its docstring, that it draws on axes."""
    plot.__doc__ = plot.__doc__ and inspect.cleandoc(plot.__doc__).replace("{axes}", _AXES)
    return plot


def style(index):
    """Return the color and the line style of the line with this number."""
    return {"color": COLORS[index % len(COLORS)], "linestyle": LINES[index % len(LINES)]}


def legend_on_top(ax):
    """Draw the legend in a strip above the data, as wide as the axes."""
    count = len(ax.get_legend_handles_labels()[0])
    columns = min(count, 4 if count != 5 else 3)
    bottom, top = ax.get_ylim()
    small = {"fontsize": "small", "frameon": False}
    strip = 0.02 + 0.08 * -(-count // columns)
    ax.set_ylim(bottom, top + (top - bottom) * strip / (1.0 - strip))
    ax.legend(loc="upper center", ncols=columns, columnspacing=1.4, **small)
