"""What all figures share: the template, the axes, the toolbar and the page to save."""

import plotly.graph_objects as go

HEIGHT = 240
SAVE_FORMATS = ("png", "svg")

# Small on purpose: Plotly's own template is 7 kB in every figure.
TEMPLATE = go.layout.Template(layout={"hovermode": "closest", "showlegend": False})
AXIS = {"automargin": False, "zeroline": False, "ticks": "outside", "ticklen": 4}
MARGIN = {"l": 66, "r": 66, "t": 8, "b": 44}  # the same everywhere: time axes lie under each other
CLEAR = "rgba(0,0,0,0)"  # the page's theme shows through


def figure(data: list[dict], *, x: dict, y: dict, height: int = HEIGHT, **layout) -> go.Figure:
    """A figure of these traces and axes in the house style.

    Built in one piece: every later ``update_*`` costs Plotly a millisecond.
    """
    look = {"template": TEMPLATE, "height": height, "margin": MARGIN}
    look |= {"paper_bgcolor": CLEAR, "plot_bgcolor": CLEAR, "xaxis": AXIS | x, "yaxis": AXIS | y}
    return unchecked(data, look | layout)


def unchecked(data: list[dict], layout: dict) -> go.Figure:
    """A figure without Plotly's check of every property, which takes a millisecond a figure.

    In tests each figure is compared with the one that Plotly has checked.
    """
    return go.Figure(data=data, layout=layout, _validate=False)


def time_axis(t0: float, t1: float) -> dict:
    """A time axis from ``t0`` to ``t1`` in s."""
    return {"title": {"text": "Time (s)"}, "range": [t0, t1]}


def labelled(ticks: list[float]) -> dict:
    """Ticks at these frequencies, written out: 2,000 and not 2k."""
    return {"tickvals": ticks, "ticktext": [f"{t:,.0f}" for t in ticks]}


def chart_config(name: str, save_as: str = "png") -> dict:
    """Plotly's toolbar: no logo, and a camera button that saves ``name`` as PNG or SVG."""
    return {
        "displaylogo": False,
        "modeBarButtonsToRemove": ["lasso2d", "autoScale2d"],
        "toImageButtonOptions": {"format": save_as, "filename": name, "scale": 2},
    }


def to_html(fig: go.Figure, title: str) -> bytes:
    """One HTML page that shows the figure without the internet; ``title`` is plain text."""
    from html import escape

    saved = go.Figure(fig)
    saved.update_layout(paper_bgcolor="white", plot_bgcolor="white", height=520)
    page = saved.to_html(include_plotlyjs=True, full_html=True, config={"displaylogo": False})
    head = f'<head><meta charset="utf-8"><title>{escape(title)}</title>'
    return page.replace("<head>", head, 1).encode()
