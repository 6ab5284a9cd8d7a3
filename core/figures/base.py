"""What all figures share: the template, the toolbar and the page to save."""

import plotly.graph_objects as go

HEIGHT = 240
SAVE_FORMATS = ("png", "svg")
TIME_TITLE = "Time (s)"

# Small on purpose: Plotly's own template is 7 kB in every figure.
TEMPLATE = go.layout.Template(layout={"hovermode": "closest", "showlegend": False})
AXIS = {"automargin": False, "zeroline": False, "ticks": "outside", "ticklen": 4}
MARGIN = {"l": 66, "r": 66, "t": 8, "b": 44}  # the same everywhere: time axes lie under each other


def blank(height: int = HEIGHT) -> go.Figure:
    """An empty figure in the house template, transparent so that the page's theme shows."""
    clear = "rgba(0,0,0,0)"
    layout = {"template": TEMPLATE, "height": height, "margin": MARGIN}
    layout |= {"paper_bgcolor": clear, "plot_bgcolor": clear, "xaxis": AXIS, "yaxis": AXIS}
    return go.Figure(layout=layout)


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
