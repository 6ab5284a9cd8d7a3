"""Models in real Chromium: train on the demo set, open the confusion matrix, hear a mistake."""

from browser import IN_CHROMIUM, SOUND, open_measured, settle, sound_url
from playwright.sync_api import expect

pytestmark = IN_CHROMIUM


def test_a_model_is_trained_its_matrix_opened_and_a_wrong_clip_heard(page, server):
    train = page.get_by_role("button", name="Train", exact=True)
    open_measured(page, f"{server}/train", train)
    name = page.get_by_label("Name", exact=True)
    name.fill("heard")
    name.press("Enter")
    settle(page)
    train.click()
    evaluate = page.get_by_role("button", name="Evaluate it")
    expect(evaluate).to_be_visible(timeout=90_000)
    settle(page)
    expect(page.get_by_text("Pitch only").first).to_be_visible()
    evaluate.click()
    expect(page.get_by_role("heading", name="Evaluate", exact=True)).to_be_visible()
    settle(page)
    page.get_by_role("radio", name="Errors").click()
    settle(page)
    expect(page.locator(SOUND)).to_have_count(1, timeout=30_000)
    first = sound_url(page.locator(SOUND))
    picked = page.locator(".st-key-evaluate_true input").input_value()
    # The other row of the same column: these two are drawn one under the other.
    plot = page.locator("[class*=st-key-evaluate_cells] .nsewdrag").first
    box = plot.bounding_box()
    row = 0.75 if picked == "female" else 0.25
    said = page.locator(".st-key-evaluate_said input").input_value()
    column = 0.06 if said == "female" else 0.94  # far from the middle of the cell
    page.mouse.move(box["x"] + column * box["width"], box["y"] + row * box["height"], steps=4)
    expect(page.locator("[class*=st-key-evaluate_cells] .hovertext").first).to_contain_text("clips")
    page.mouse.click(box["x"] + column * box["width"], box["y"] + row * box["height"])
    expect(page.locator(".st-key-evaluate_true input")).not_to_have_value(picked, timeout=30_000)
    settle(page)
    sound = page.locator(SOUND)
    expect(sound).to_have_count(1)
    assert sound_url(sound) != first
    assert page.request.get(sound_url(sound)).status == 200
