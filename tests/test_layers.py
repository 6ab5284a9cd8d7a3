"""Who may import whom, read from the imports themselves."""

import ast
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = [
    {"errors", "names", "params", "safe_text", "gate"},
    {"serving"},
    {"audio"},
    {"levels", "spectra"},
    {"views", "clean", "pitch", "segments", "player"},
    {"features", "quality", "compare", "datasets", "marks", "filters", "harm"},
    {"store", "jobs", "turns"},
    {"extract", "eda", "notes", "recipes", "models", "learn"},
    {"script", "figures", "report", "doctor"},
    {"cli", "__main__"},
]
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
FILES = sorted(ROOT.glob("core/**/*.py"))
PAGES = sorted(p for p in ROOT.glob("pages/**/*.py") if "shared" not in p.parts)


def imports(path: Path) -> set[str]:
    """Every module that a file imports, dotted; ``from core import x`` counts as core.x."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "core":
                found |= {f"core.{alias.name}" for alias in node.names}
    return found


def module_of(path: Path) -> str:
    """The layer's module; private modules (kernels, listings) stand outside the layers."""
    return path.relative_to(ROOT / "core").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_core_imports_only_what_stands_to_its_left(path):
    own = module_of(path)
    if own == "__init__":
        assert not {i for i in imports(path) if i.startswith("core.")}
        return
    if own.startswith("_") and own != "__main__":
        assert not {i for i in imports(path) if i.startswith("core.") and "._" not in i[5:]}
        return
    assert own in RANK, f"core/{own} has no layer: add it to LAYERS and to docs/architecture.md"
    for name in imports(path):
        parts = name.split(".")
        private = len(parts) > 1 and parts[1].startswith("_")
        if parts[0] == "core" and len(parts) > 1 and parts[1] != own and not private:
            assert RANK[parts[1]] <= RANK[own], f"{own} may not import core.{parts[1]}"
        assert parts[0] not in {"streamlit", "pages", "app"}, f"core imports {name}"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_are_thin(path):
    tree = ast.parse(path.read_text())
    assert len(path.read_text().splitlines()) <= 80
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.Lambda)]
    banned = {"numpy", "librosa", "scipy", "sklearn", "soundfile", "plotly", "duckdb"}
    assert not {i.split(".")[0] for i in imports(path)} & banned


def test_only_the_cache_module_caches():
    """But for the visitor's own folder, which is a session-wide resource."""
    for path in ROOT.glob("pages/**/*.py"):
        if not path.name.startswith("cache") and path.name != "session.py":
            assert "st.cache_" not in path.read_text(), path


@pytest.mark.parametrize(
    "module",
    ["core.audio", "core.clean", "core.compare", "core.datasets", "core.pitch", "core.segments"],
)
def test_importing_is_cheap(module):
    heavy = ["librosa", "sklearn", "numba", "noisereduce", "streamlit", "soundfile", "av", "scipy"]
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
