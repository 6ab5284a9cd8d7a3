"""The report, downloaded in a real browser and opened again without the internet."""

from browser import IN_CHROMIUM, open_measured
from playwright.sync_api import expect

pytestmark = IN_CHROMIUM


def test_the_report_is_downloaded_and_opens_offline_on_a_phone(page, server, chromium, tmp_path):
    ready = page.get_by_role("button", name="Download the report")
    open_measured(page, f"{server}/report", ready)
    with page.expect_download() as download:
        ready.click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "demo_report.html"

    context = chromium.new_context(viewport={"width": 390, "height": 800}, offline=True)
    phone, wrong = context.new_page(), []
    phone.on("console", lambda m: wrong.append(m.text))
    phone.on("pageerror", lambda e: wrong.append(str(e)))
    phone.on("requestfailed", lambda r: wrong.append(r.url))
    phone.goto(path.as_uri())
    expect(phone.get_by_role("heading", name="Beware of")).to_be_visible()
    expect(phone.locator("figure svg")).to_have_count(7)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert not wrong, wrong
