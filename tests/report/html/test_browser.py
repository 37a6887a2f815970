"""The page in a real browser: no error in the console, tables that sort, choices that draw, no sideways scrolling."""

import shutil

import pytest

from frod_bench.report.html.page import page
from frod_bench.report.summary import summarise

selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="there is no Chromium with its driver: apt install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def browser():
    from selenium.webdriver.chrome.service import Service

    options = selenium.ChromeOptions()
    options.binary_location = BROWSER
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def show(browser, store, tmp_path):
    """Return a function that opens the page of a few runs at a width and returns the browser."""
    layers = {f"block.{i}.{kind}": 0.1 + i for i in (0, 1) for kind in "qv"}

    def open_page(width=1280, more=()):
        runs = []
        scores = {"frod": 0.70, "full_ft": 0.72, "lora": 0.65}
        scores |= dict.fromkeys(more, 0.6)
        for task in ("glue/rte", "glue/sst2"):
            for method, score in scores.items():
                for seed in (0, 1):
                    angle = {"layers": layers} if method == "frod" else {"tan_alpha": None}
                    runs.append(store(method, task, seed, best=score + 0.01 * seed, **angle))
        file = tmp_path / "report.html"
        file.write_text(page(summarise(runs), "report"), encoding="utf-8")
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(file.as_uri())
        return browser

    return open_page


def column(browser, place):
    cells = f"table[data-table=matrix] tbody tr td:nth-child({place})"
    return [cell.text for cell in browser.find_elements("css selector", cells)]


@pytest.mark.parametrize("width", [1280, 400])
def test_it_opens_without_an_error_and_fits(show, width):
    browser = show(width)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    for figure in ("curves-score", "curves-loss", "angles-chart", "tradeoffs-parameters", "tradeoffs-time"):
        assert browser.find_elements("css selector", f"#{figure} svg path"), figure
    assert len(browser.find_elements("css selector", "#angles-layers tbody tr")) == 2


def test_a_click_on_a_heading_sorts_and_the_next_turns_it_round(show):
    browser = show()
    assert column(browser, 1) == ["frod", "full_ft", "lora"]
    head = browser.find_element("css selector", "table[data-table=matrix] th:nth-child(2)")
    head.find_element("css selector", "button").click()
    assert column(browser, 2) == ["72.50", "70.50", "65.50"]
    assert head.get_attribute("aria-sort") == "descending"
    head.find_element("css selector", "button").click()
    assert column(browser, 1) == ["lora", "frod", "full_ft"]
    assert head.get_attribute("aria-sort") == "ascending"
    assert browser.get_log("browser") == []


def test_choices_draw_anew(show):
    from selenium.webdriver.support.ui import Select

    browser = show()
    dot = "#tradeoffs-time svg title"
    shown = [each.get_attribute("textContent") for each in browser.find_elements("css selector", dot)]
    assert any(text.startswith("frod: 70.50 % (95 % over seeds: ") for text in shown)
    Select(browser.find_element("id", "tradeoffs-task")).select_by_visible_text("glue/rte")
    assert len(browser.find_elements("css selector", dot)) == 3
    differing = browser.find_element("id", "differences-table")
    Select(browser.find_element("id", "differences-b")).select_by_index(0)
    assert "are the same" in differing.text
    Select(browser.find_element("id", "differences-b")).select_by_index(2)
    assert "method.name" in differing.text and "full_ft" in differing.text
    assert browser.get_log("browser") == []


def colours(browser, figure, part):
    """Return the stroke or fill of every series in a figure, by method."""
    script = """return Object.fromEntries([...document.querySelectorAll(arguments[0] + ' .series')].map((group) => {
        const style = getComputedStyle(group.querySelector(arguments[1]));
        return [group.dataset.method, arguments[1] === '.line' ? style.stroke : style.fill];
    }))"""
    return browser.execute_script(script, figure, part)


def test_a_method_has_one_colour_everywhere(show):
    browser = show()
    curves, dots = colours(browser, "#curves-score", ".line"), colours(browser, "#tradeoffs-time", ".dot")
    assert curves == dots and len(set(curves.values())) == 3
    for place in ("table.best", "table[data-table=runs]"):
        method = browser.find_element("css selector", f"{place} tbody .method")
        dot = method.find_element("css selector", "i").value_of_css_property("background-color")
        name = method.get_attribute("textContent").strip()
        assert dot.replace("rgba", "rgb").replace(", 1)", ")") == curves[name]


def test_a_few_of_many_methods_are_in_colour_and_a_reader_can_pick_another(show):
    browser = show(more=("dora", "vera", "pissa"))
    lit = "#curves-score .series.lit"
    names = [each.get_attribute("data-method") for each in browser.find_elements("css selector", lit)]
    assert sorted(names) == ["frod", "full_ft", "lora"]
    assert len(set(colours(browser, "#curves-score", ".line").values())) == 4  # the other three are grey
    button = browser.find_element("css selector", "#curves-legend button[data-method=vera]")
    assert button.get_attribute("aria-pressed") == "false"
    button.send_keys("\ue007")  # Enter
    assert len(browser.find_elements("css selector", lit)) == 4
    pressed = browser.switch_to.active_element  # the legend was drawn anew and kept the focus
    assert (pressed.get_attribute("data-method"), pressed.get_attribute("aria-pressed")) == ("vera", "true")
    assert len(browser.find_elements("css selector", "#tradeoffs-time .series.lit")) == 4
    assert browser.get_log("browser") == []


def test_the_filter_leaves_the_rows_with_all_words(show):
    browser = show()
    browser.find_element("id", "filter").send_keys("LORA rte")
    wait(browser, lambda: browser.find_element("id", "filter-count").text)
    rows = browser.find_elements("css selector", "table[data-table=runs] tbody tr:not([hidden])")
    assert [row.get_attribute("textContent")[:12] for row in rows] == ["glue/rtelora"]
    assert not browser.find_element("css selector", "table[data-table=matrix]").is_displayed()  # none of its rows
    browser.find_element("id", "filter").send_keys("\ue003" * 8)
    wait(browser, lambda: not browser.find_element("id", "filter-count").text)
    assert browser.find_elements("css selector", "table.sortable tbody tr[hidden]") == []


def test_scores_are_seen_on_a_phone_without_scrolling_sideways(show):
    browser = show(400)
    browser.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for cell in (
        "table.best .score",
        "table[data-table=runs] tbody td:nth-child(3)",
        "table[data-table=matrix] td.number",
    ):
        right = "return document.querySelector(arguments[0]).getBoundingClientRect().right"
        assert 0 < browser.execute_script(right, cell) <= 400, cell


def test_intervals_are_drawn_and_no_line_joins_methods(show):
    browser = show()
    assert len(browser.find_elements("css selector", "#tradeoffs-time .whisker")) == 3
    assert browser.find_elements("css selector", "#tradeoffs-time .line") == []
    caption = browser.find_element("css selector", "#tradeoffs-time figcaption").text
    assert caption == "best (%) against seconds per epoch: mean of 2 tasks, 2 seeds"


def wait(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 10).until(lambda _: condition())
