"""One visit to a data set in real Chromium: brush, look elsewhere, cut, read the ledger, a cell."""

from browser import IN_CHROMIUM, go, open_measured, settle
from playwright.sync_api import expect
from test_browser_correlations import click_cell
from test_browser_distributions import chart, drag

pytestmark = IN_CHROMIUM


def visit(page, name: str) -> None:
    """Open another page by the menu, as a visitor does."""
    page.get_by_test_id("stSidebarNavLink").filter(has_text=name).first.click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible(timeout=60_000)
    settle(page)


def test_what_is_brushed_and_cut_is_seen_on_the_other_pages(page, server):
    open_measured(page, f"{server}/distributions?view=Histogram", chart(page, "histogram_"))
    drag(page, "histogram_", 0.05, 0.7, "sel=")
    sentence = page.locator("strong").filter(has_text="of 194 clips")
    expect(sentence).to_contain_text("Pitch, median (Hz)")
    words = sentence.inner_text()
    page.get_by_role("radio", name="Outliers").click()
    settle(page)
    drag(page, "outliers_", 0.2, 0.9, "rules=")
    kept = page.get_by_test_id("stMetric").filter(has_text="Clips kept")
    expect(kept).to_be_visible()
    left, of = kept.inner_text().split("\n")[-1].split(" of ")
    assert 0 < int(left) < int(of) < 194
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    expect(page.locator(".st-key-losses_gender")).to_contain_text("Clips lost (%)")
    visit(page, "Correlations")
    expect(sentence).to_have_text(words)
    assert "sel=" in page.url
    click_cell(page, 12, 4)
    said = "Harmonics-to-noise ratio (dB) against Signal-to-noise ratio (dB)"
    expect(page.get_by_text(said).first).to_be_visible(timeout=30_000)


def test_tables_cannot_be_saved_past_the_escaped_download(page, server):
    open_measured(page, f"{server}/distributions?view=Histogram", chart(page, "histogram_"))
    go(page, f"{server}/browse")
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible(timeout=60_000)
    table.hover()
    toolbar = page.get_by_test_id("stElementToolbarButton")
    expect(toolbar.filter(visible=True).first).to_be_attached()
    saving = page.locator('button[aria-label^="Download as CSV"]')
    expect(saving).to_have_count(1)
    expect(saving).to_be_hidden()
    expect(page.get_by_role("button", name="Download CSV")).to_be_visible()
