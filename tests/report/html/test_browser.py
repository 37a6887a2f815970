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

    def open_page(width=1280):
        runs = []
        scores = {"frod": 0.70, "full_ft": 0.72, "lora": 0.65}
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
    assert "70.50" in browser.find_elements("css selector", dot)[0].get_attribute("textContent")
    Select(browser.find_element("id", "tradeoffs-task")).select_by_visible_text("glue/rte")
    assert len(browser.find_elements("css selector", dot)) == 3
    differing = browser.find_element("id", "differences-table")
    Select(browser.find_element("id", "differences-b")).select_by_index(0)
    assert "are the same" in differing.text
    Select(browser.find_element("id", "differences-b")).select_by_index(2)
    assert "method.name" in differing.text and "full_ft" in differing.text
    assert browser.get_log("browser") == []


def test_the_legend_hides_a_curve(show):
    browser = show()
    lines = "#curves-score svg[role=img] path[stroke-width='2']"
    assert len(browser.find_elements("css selector", lines)) == 3
    browser.find_element("css selector", "#curves-score .legend button").click()
    assert len(browser.find_elements("css selector", lines)) == 2
    assert browser.find_element("css selector", "#curves-score .legend button").get_attribute("aria-pressed") == "false"
