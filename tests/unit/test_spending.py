"""What was spent, as tables, charts, records and CSV."""

from __future__ import annotations

import csv
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import glm_jupyter
from glm_jupyter import spending
from glm_jupyter.answer import Answer
from glm_jupyter.api import catalogue
from glm_jupyter.api.errors import InputError
from glm_jupyter.api.events import Usage
from glm_jupyter.models import listing
from glm_jupyter.money.budget import Budgets
from glm_jupyter.money.ledger import Ledger
from glm_jupyter.money.sums import Line
from glm_jupyter.money.words import rounded
from glm_jupyter.render import chart
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.session import Session


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for model, endpoint, cost, currency, notebook in (
        ("glm-4.7", "bigmodel", "0.2", "RMB", "/home/ann/lesson 1.ipynb"),
        ("glm-4.7", "zai", "0.05", "USD", "/home/ann/lesson 1.ipynb"),
        ("glm-4.7-flash", "bigmodel", "0", "RMB", None),
        ("glm-new", "bigmodel", None, "RMB", "/home/ann/<b>.ipynb"),
    ):
        answer = Answer(model, endpoint)
        answer.usage = Usage(1000, 200, 1200, 10, 20)
        answer.cost = None if cost is None else Decimal(cost)
        answer.currency = currency
        ledger.finish(answer, "stop", notebook=notebook)
    return ledger


@pytest.fixture
def _current(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_current", Session(budgets=Budgets(ledger)))


def test_the_report_has_a_line_for_each_and_a_sum_for_each_currency(ledger: Ledger) -> None:
    table, rmb, usd = spending.report(ledger, "model", None)
    lines = [line.split() for line in table["text/plain"].splitlines()]
    assert ["bigmodel/glm-4.7", "1", "1,000", "10", "200", "20", "0.2", "RMB"] in lines
    assert ["bigmodel/glm-4.7-flash", "1", "1,000", "10", "200", "20", "free"] in lines
    assert ["bigmodel/glm-new", "1", "1,000", "10", "200", "20", "unknown"] in lines
    sums = [line[2:] for line in lines if line[:2] == ["all", "in"]]
    assert ["RMB", "3", "3,000", "30", "600", "60", "at", "least", "0.2", "RMB"] in sums
    assert ["USD", "1", "1,000", "10", "200", "20", "0.05", "USD"] in sums
    assert "0.2 RMB" in rmb["text/plain"]
    assert "0.05 USD" in usd["text/plain"]


def test_the_report_names_its_period_and_aligns_its_numbers(ledger: Ledger) -> None:
    table = spending.report(ledger, "model", None)[0]
    assert f"All notebooks, since {date.today().isoformat()}." in table["text/plain"]
    assert table["text/markdown"].splitlines()[1] == "| :--- |" + " ---: |" * 6
    lines = table["text/plain"].splitlines()
    ends = {len(line) for line in lines if line.endswith(("cost", "RMB", "USD", "-", "free"))}
    assert len(ends) == 1


def test_what_was_refused_is_not_called_free(ledger: Ledger) -> None:
    answer = Answer("glm-nope", "bigmodel")
    answer.cost = Decimal(0)
    ledger.finish(answer, "error 1211")
    (line,) = [
        line
        for line in spending.report(ledger, "model", None)[0]["text/plain"].splitlines()
        if "glm-nope" in line
    ]
    assert line.endswith("no cost")


@pytest.mark.parametrize(
    ("exact", "shown"),
    [
        ("12.3456789", "12.35"),
        ("0.0123456789", "0.0123"),
        ("0.00000123456", "0.00000123"),
        ("0.5", "0.5"),
        ("1200", "1200"),
        ("0", "0"),
    ],
)
def test_amounts_are_rounded_for_the_eye_and_kept_whole_for_programs(
    exact: str, shown: str, tmp_path: Path
) -> None:
    assert rounded(Decimal(exact)) == shown
    ledger = Ledger(tmp_path / "ledger.sqlite")
    answer = Answer("glm-4.7", "bigmodel")
    answer.usage = Usage(1, 1, 2)
    answer.cost, answer.currency = Decimal(exact), "RMB"
    ledger.finish(answer, "stop")
    spending.write_csv(ledger, tmp_path / "all.csv", None)
    assert f",{exact},RMB" in (tmp_path / "all.csv").read_text()


def test_charts_are_well_formed_and_told_in_words(ledger: Ledger) -> None:
    for by in ("model", "kind", "day", "notebook", "endpoint"):
        for bundle in spending.report(ledger, by, None)[1:]:
            root = ElementTree.fromstring(bundle["image/svg+xml"])
            assert by in root.attrib["aria-label"]
            picture = ElementTree.fromstring(bundle["text/html"].replace(">", "/>"))
            assert picture.attrib["alt"] == root.attrib["aria-label"]


def test_a_chart_can_be_read_on_any_ground() -> None:
    def light(colour: str) -> float:
        parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    root = ElementTree.fromstring(chart.rows("t", [chart.Bar("a", Decimal(1), "1 RMB")]))
    ground = root.attrib["style"].rpartition("background: ")[2]
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        assert (light(ground) + 0.05) / (light(text.attrib["fill"]) + 0.05) >= 4.5


def test_a_chart_is_as_large_as_it_is_drawn(ledger: Ledger) -> None:
    """As a picture without a size of its own it would be as wide as the notebook."""
    root = ElementTree.fromstring(spending.report(ledger, "day", None)[1]["image/svg+xml"])
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"


def test_what_is_to_be_typed_is_set_as_code() -> None:
    shown = listing(catalogue.models("glm-4-airx"))
    assert "<code>%glm use MODEL</code>" in shown["text/markdown"]
    assert "`%glm use MODEL`" in shown["text/plain"]


def test_by_notebook_shows_names_not_folders(ledger: Ledger) -> None:
    table = spending.report(ledger, "notebook", None)[0]
    assert "lesson 1.ipynb" in table["text/plain"]
    assert "/home" not in table["text/plain"]
    assert "<b>" not in table["text/markdown"]


def test_since_leaves_out_what_was_before(ledger: Ledger) -> None:
    tomorrow = datetime.now().astimezone().replace(year=2999)
    (bundle,) = spending.report(ledger, "model", tomorrow)
    assert "no request since 2999" in bundle["text/plain"]


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "1.2.2026", "0001-01-01", 5, ""])
def test_what_is_no_date_is_refused(since: Any) -> None:
    with pytest.raises(InputError) as refusal:
        spending.moment(since)
    assert date.today().isoformat() in refusal.value.remedy


def test_a_date_begins_at_local_midnight() -> None:
    moment = spending.moment("2026-11-22")
    assert moment == datetime(2026, 11, 22).astimezone() == spending.moment(date(2026, 11, 22))


@pytest.mark.usefixtures("_current")
def test_usage_is_a_frame_of_requests_or_of_sums() -> None:
    frame = glm_jupyter.usage()
    assert len(frame) == 4
    assert frame["cost"].dropna().sum() == Decimal("0.25")
    sums = glm_jupyter.usage(by="model").set_index(["model", "currency"])
    assert sums.loc[("zai/glm-4.7", "USD"), "cost"] == Decimal("0.05")
    assert list(glm_jupyter.usage(since="2999-01-01").columns) == list(frame.columns)


@pytest.mark.usefixtures("_current")
def test_usage_without_pandas_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "find_spec", lambda name: None)
    rows = glm_jupyter.usage(by="endpoint")
    assert [(row["endpoint"], row["currency"], row["requests"]) for row in rows] == [
        ("bigmodel", "RMB", 3),
        ("zai", "USD", 1),
    ]


@pytest.mark.usefixtures("_current")
def test_an_unknown_grouping_is_refused() -> None:
    with pytest.raises(InputError, match="colour"):
        glm_jupyter.usage(by="colour")


def test_csv_has_every_request_and_exact_costs(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "spent.csv"
    assert spending.write_csv(ledger, path, None) == 4
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["cost"] for row in rows] == ["0.2", "0.05", "0", ""]
    assert datetime.fromisoformat(rows[0]["begun"]).utcoffset() is not None


def test_csv_has_small_costs_without_an_exponent(ledger: Ledger, tmp_path: Path) -> None:
    answer = Answer("glm-4-flashx-250414", "bigmodel")
    answer.cost, answer.currency = Decimal("0.0000001"), "RMB"
    ledger.finish(answer, "stop")
    spending.write_csv(ledger, tmp_path / "spent.csv", None)
    assert ",0.0000001,RMB," in (tmp_path / "spent.csv").read_text()


def test_csv_that_cannot_be_written_says_so(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot write"):
        spending.write_csv(ledger, tmp_path / "nowhere" / "spent.csv", None)


def test_days_without_spending_are_in_the_chart() -> None:
    lines = [Line(day, "RMB", 1, cost=Decimal(1)) for day in ("2026-10-30", "2026-11-02")]
    bars = spending.day_bars(lines, "RMB")
    assert [(bar.label, bar.value) for bar in bars] == [
        ("2026-10-30", 1),
        ("2026-10-31", 0),
        ("2026-11-01", 0),
        ("2026-11-02", 1),
    ]


def test_the_last_days_are_drawn_only_where_they_cost_something() -> None:
    today = date.today().isoformat()
    lines = [Line(day, "RMB", 1, cost=Decimal(1)) for day in ("2001-01-01", today)]
    bars = spending.day_bars(lines, "RMB", days=14)
    assert [bar.value for bar in bars] == [0] * 13 + [1]
    assert spending.day_bars(lines[:1], "RMB", days=14) == []


@given(
    st.lists(
        st.builds(chart.Bar, st.text(max_size=60), st.decimals(0, 10**6, places=6), st.text()),
        max_size=8,
    )
)
def test_any_labels_make_a_well_formed_chart(bars: list[chart.Bar]) -> None:
    for draw in (chart.rows, chart.columns):
        root = ElementTree.fromstring(draw("Spending", bars))
        assert len(root.findall("{http://www.w3.org/2000/svg}rect")) == len(bars)
