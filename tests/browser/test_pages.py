"""The pages in a real browser: nothing fails to load, nothing overflows, everything can be reached and read."""

import pytest

SCHEMES = ("light", "dark")
WIDTHS = (1200, 400)
PAGES = ("report", "index")


def opened(browser, scheme: str, width: int):
    return browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True, offline=True
    )


@pytest.fixture(params=[(scheme, width) for scheme in SCHEMES for width in WIDTHS], ids=lambda p: f"{p[0]}-{p[1]}")
def context(browser, request):
    one = opened(browser, *request.param)
    yield one
    one.close()


def open_page(context, address: str):
    """The page, with what it logged and asked the network for."""
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    return page, said, [url for url in asked if url != address]


@pytest.mark.parametrize("name", PAGES)
def test_page_opens_alone_and_without_errors(context, pages, name):
    page, said, asked = open_page(context, pages[name])
    assert said == []
    assert asked == []
    assert page.locator("h1").is_visible()


@pytest.mark.parametrize("name", PAGES)
def test_no_sideways_scroll(context, pages, name):
    page, _, _ = open_page(context, pages[name])
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= seen


@pytest.mark.parametrize(("scheme", "width"), list(zip(SCHEMES, WIDTHS, strict=True)))
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser, pages, axe, name, scheme, width):
    page, _, _ = open_page(opened(browser, scheme, width), pages[name])
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.evaluate(axe)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    page.context.close()
    assert [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in found] == []


def test_every_visible_chart_has_size_and_readable_text(context, pages):
    page, _, _ = open_page(context, pages["report"])
    charts = page.locator("svg[role=img]:visible")
    assert charts.count() >= 5
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('svg[role=img]')].filter(one => one.getBoundingClientRect().width)
           .map(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width * 12)"""
    )
    assert min(sizes) >= 9, "the smallest text of a chart, in pixels"


def test_marks_have_the_colours_of_their_theme(browser, pages):
    seen = {}
    for scheme in SCHEMES:
        context = browser.new_context(color_scheme=scheme)
        page, _, _ = open_page(context, pages["report"])
        read = "getComputedStyle(document.querySelector('{}')).{}"
        seen[scheme] = [
            page.evaluate(read.format(*one)) for one in (("body", "backgroundColor"), ("circle.m0", "fill"))
        ]
        context.close()
    assert seen["light"][0] != seen["dark"][0]
    assert seen["light"][1] != seen["dark"][1]


def test_the_keyboard_reaches_links_tables_and_details(browser, pages):
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page, _, _ = open_page(context, pages["report"])
    reachable = "main a, main summary, nav a, .skip"
    wanted = page.evaluate(f"[...document.querySelectorAll('{reachable}')].filter(one => one.checkVisibility()).length")
    reached = set()
    first = None
    for _ in range(400):
        page.keyboard.press("Tab")
        here = page.evaluate(
            """() => { const all = [...document.querySelectorAll('*')]; const one = document.activeElement;
                       return [all.indexOf(one), one.matches('a, summary'), one.textContent.slice(0, 40)] }"""
        )
        first = first or here
        if here[0] in reached:
            break
        if here[1]:
            reached.add(here[0])
    assert first[2] == "Skip to the results"
    assert len(reached) == wanted
    context.close()


def test_details_open_by_keyboard(browser, pages):
    context = browser.new_context()
    page, _, _ = open_page(context, pages["report"])
    summary = page.get_by_text("Differences as a table")
    summary.focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("table", name="Paired differences between arms").is_visible()
    context.close()


def test_print_is_light_and_has_no_navigation(browser, pages):
    context = browser.new_context(color_scheme="dark")
    page, _, _ = open_page(context, pages["report"])
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    context.close()
