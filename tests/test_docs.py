from pathlib import Path
import re

import pytest

from core.features import FEATURE_SETS, feature_set
from core.features.document import document

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "features.md"


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


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_dependency_has_its_licence_and_reason_and_no_other_is_listed(name):
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    run, test = page.split("## To run")[1].split("## To test")
    section = run if name == "requirements.txt" else test
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    listed = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows[2:]}
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    asked = {re.match(r"[a-z0-9-]+", line)[0] for line in lines if line[:1].isalpha()}
    assert set(listed) == asked
    assert all(licence and why for licence, why in listed.values())
    assert not [n for n, (licence, _) in listed.items() if re.search(r"\bA?GPL", licence)]
