"""The pages as a browser shows them: nothing fetched, no errors, nothing wider than the screen; and on paper."""

import contextlib

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
CONTRAST = """() => {
  const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = rgb => {
    const [r, g, b] = rgb.match(/[\\d.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const ratio = e => {
    const ink = light(getComputedStyle(e)[e instanceof SVGElement ? 'fill' : 'color']);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  };
  const bright = e => (e.getAttribute('style') || '').includes('--pl-bright');
  const texts = [...document.querySelectorAll('h1, p, figcaption, figure svg text')];
  return Math.min(...texts.filter(e => !bright(e)).map(ratio));
}"""


@pytest.fixture(scope="module")
def browser(chromium):
    with (
        playwright.sync_playwright() as started,
        contextlib.closing(started.chromium.launch(executable_path=chromium, args=QUIET)) as opened,
    ):
        yield opened


SHOWN = [(name, scheme) for name in ("classified", "regressed", "planar", "doctor/diagnosis")
         for scheme in ("light", "dark")]  # fmt: skip


@pytest.mark.parametrize(("name", "scheme"), [*SHOWN, ("chinese/planar", "light"), ("chinese/diagnosis", "dark")])
@pytest.mark.parametrize("width", [390, 1200])
def test_a_page_shows_without_errors_requests_or_overflow(browser, pages, name, scheme, width):
    page, errors, requests = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme), [], []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((pages / f"{name}.html").as_uri())
    try:
        assert not errors
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        widths = page.evaluate("[...document.querySelectorAll('figure svg')].map(e => e.getBoundingClientRect().width)")
        assert min(widths) > 250
        sizes = page.evaluate(
            """[...document.querySelectorAll('figure svg text')].map(e => {
            const m = e.getScreenCTM(); return Math.hypot(m.a, m.b) * parseFloat(getComputedStyle(e).fontSize); })"""
        )
        assert min(sizes) > 8
        assert page.evaluate(CONTRAST) > 4.5
    finally:
        page.close()


def test_dark_is_dark_and_light_is_light(browser, pages):
    for scheme, wanted in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(18, 22, 27)")):
        page = browser.new_page(color_scheme=scheme)
        page.goto((pages / "classified.html").as_uri())
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == wanted
        page.close()


def test_a_page_prints_on_paper_in_light_colours_with_whole_figures(browser, pages):
    page = browser.new_page(color_scheme="dark")
    page.goto((pages / "classified.html").as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") >= 3
    page.close()


def test_a_point_tells_its_number_under_the_pointer(browser, pages):
    page = browser.new_page()
    page.goto((pages / "regressed.html").as_uri())
    found = page.evaluate(
        """() => { document.documentElement.style.scrollBehavior = 'auto';
        const dot = document.querySelector('#training use.pl-tip');
        dot.scrollIntoView({block: 'center'});
        const box = dot.getBoundingClientRect();
        const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        return hit.querySelector('title')?.textContent; }"""
    )
    assert found.startswith("epoch ")
    page.close()


SHOWN = """() => [...document.querySelectorAll('.turn')].filter(g => getComputedStyle(g).visibility === 'visible')
  .map(g => g.querySelector('text').textContent.split(':')[0])"""
AT = "seconds => document.getAnimations().forEach(a => { a.currentTime = 1000 * seconds; })"


def test_a_film_shows_one_picture_at_a_time_and_rests_on_the_last(browser, pages):
    page = browser.new_page()
    page.goto((pages / "planar.html").as_uri())
    page.evaluate("document.getAnimations().forEach(a => a.pause())")
    seen = []
    for picture in range(9):  # the last one stays for three
        page.evaluate(AT, 0.6 * picture + 0.3)
        seen += page.evaluate(SHOWN)
    assert [words.split(",")[0] for words in seen] == ["at the start", *(f"epoch {i}" for i in range(1, 6)), *[
        "epoch 5", "epoch 5", "at the start"]]  # fmt: skip
    page.close()


def test_a_film_stops_under_the_pointer_and_tells_its_numbers(browser, pages):
    page = browser.new_page()
    page.goto((pages / "planar.html").as_uri())
    page.hover("svg.film")
    assert set(page.evaluate("document.getAnimations().map(a => a.playState)")) == {"paused"}
    found = page.evaluate(
        """() => { const box = document.querySelector('svg.film').getBoundingClientRect();
        const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        const turn = hit.closest('.turn');
        return [getComputedStyle(turn).visibility, turn.querySelector('title').textContent]; }"""
    )
    assert found[0] == "visible"
    assert found[1].endswith(" edges")
    page.close()


def test_a_film_stands_still_on_paper_and_where_no_motion_is_wanted(browser, pages):
    page = browser.new_page(reduced_motion="reduce")
    page.goto((pages / "planar.html").as_uri())
    for media in ("screen", "print"):
        page.emulate_media(media=media, reduced_motion="reduce" if media == "screen" else "no-preference")
        assert page.evaluate("document.getAnimations().length") == 0
        assert [words.split(",")[0] for words in page.evaluate(SHOWN)] == ["epoch 5"]
    page.close()
