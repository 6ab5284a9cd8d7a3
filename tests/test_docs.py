from pathlib import Path

import pytest

from core.features import FEATURE_SETS, feature_set
from core.features.document import document

PAGE = Path(__file__).resolve().parents[1] / "docs" / "features.md"


def test_the_page_of_features_is_what_the_generator_prints():
    again = "run: python -m core.features.document > docs/features.md"
    assert PAGE.read_text(encoding="utf-8") == document(), again


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_every_feature_is_on_the_page_once(name):
    page = PAGE.read_text(encoding="utf-8")
    section = page.split(f"## {name}, ")[1].split("\n## ")[0]
    for spec in feature_set(name).specs:
        assert section.count(f"\n| `{spec.name}` |") == 1, spec.name


def test_every_row_of_a_table_has_six_cells():
    rows = [line for line in document().splitlines() if line.startswith("|")]
    assert rows and {row.replace("\\|", "").count("|") for row in rows} == {7}
