"""The page of a report: it stands alone, escapes what users name, and is well formed."""

import base64
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from sklearn_bade.inspection import FairnessReport

report_of = FairnessReport.from_predictions
VOID = {"br", "img", "meta", "hr", "link", "input"}
NASTY = ["<b>x</b>", "$\\frac{1}", "_hidden", "a\"'&", "<script>alert(1)</script>"]


class Outline(HTMLParser):
    """Checks that tags are balanced, and collects them, links and texts."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.links, self.texts = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for name, v in attrs if name in ("src", "href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


def make_report(n_groups=2, names="abcdefghijklmno", seed=0, n_samples=400, **options):
    rng = np.random.RandomState(seed)
    y, codes = rng.randint(2, size=n_samples), rng.randint(n_groups, size=n_samples)
    models = options.pop("models", ["one", "two"])
    said = {m: np.where(rng.rand(n_samples) < 0.8, y, 1 - y) for m in models}
    truth = None if options.pop("no_truth", False) else y
    column = options.pop("column", "sex")
    groups = pd.DataFrame({column: np.array(list(names), dtype=object)[codes]})
    scores = {m: rng.rand(n_samples) for m in models}
    return report_of(truth, said, y_score=scores, sensitive_features=groups, **options)


def test_many_groups_are_in_tables_and_neither_drawn_nor_paired():
    names = [f"group {i}" for i in range(30)]
    page = make_report(30, names, n_samples=3000)._repr_html_()
    assert "<img" not in page
    assert "All pairs of groups" not in page
    assert "group 29" in page


class TestPage:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"n_groups": 12},
            {"n_groups": 1},
            {"models": ["only"]},
            {"no_truth": True},
            {"time": np.arange(400) // 200},
            {"names": ["x" * 300, "y " * 200]},
            {"names": [1, "1"]},
            {"names": [True, False]},
            {"names": [0.5, 2.0]},
        ],
    )
    def test_it_is_well_formed_and_names_all(self, options):
        report = make_report(**dict(options))
        outline = Outline(report._repr_html_())
        assert outline.tags.count("table") >= 5
        assert outline.tags.count("img") == 1
        for name in (*report.to_frame("groups")["group"].dropna(), *report.models_):
            assert str(name).strip() in outline.text

    @pytest.mark.parametrize("name", [0.5, ("strength", 0), None])
    def test_models_are_named_by_text(self, name):
        with pytest.raises(ValueError, match="must be text"):
            make_report(models=[name, "x"])

    def test_it_needs_no_other_file(self, tmp_path):
        path = tmp_path / "report.html"
        make_report(time=np.arange(400) // 200).save(path)
        page = path.read_text(encoding="utf-8")
        outline = Outline(page)
        assert page.startswith("<!DOCTYPE html>")
        assert {"html", "head", "body", "title"} <= set(outline.tags)
        assert not {"script", "link", "iframe"} & set(outline.tags)
        assert outline.links
        assert all(link.startswith("data:image/") for link in outline.links)
        assert not re.search(r"http|@import|url\(", page)

    def test_what_users_name_is_escaped(self):
        report = make_report(
            5,
            NASTY,
            models=["<i>m</i>", "_$m"],
            column='<u>"$',
            n_samples=1000,
        )
        page = report._repr_html_()
        outline = Outline(page)
        assert not {"b", "i", "u", "script"} & set(outline.tags)
        for name in (*NASTY, "<i>m</i>", "_$m", '<u>"$'):
            assert name in outline.text

    def test_labels_periods_and_models_less_others_are_escaped(self):
        rng = np.random.RandomState(0)
        labels = np.array(["<b>no</b>", "<em>&yes", "<q>may"])
        y, first, second = labels[rng.randint(3, size=(3, 300))]
        report = report_of(
            y,
            {"<s>1": first, "<s>2": second},
            sensitive_features=["<a>", "b"] * 150,
            time=["<p>1", "<p>2"] * 150,
        )
        outline = Outline(report._repr_html_())
        assert not {"b", "em", "q", "s", "a"} & set(outline.tags)
        assert "<s>2 less <s>1" in outline.text
        assert "<em>&yes" in outline.text
        assert "<p>2" in outline.text

    def test_pictures_are_xml_and_say_the_same_twice(self):
        pages = [make_report()._repr_html_() for _ in range(2)]
        assert pages[0] == pages[1]
        data = re.search(r"data:image/svg\+xml;base64,([^\"]+)", pages[0]).group(1)
        assert ElementTree.fromstring(base64.b64decode(data)).tag.endswith("svg")

    def test_no_figure_is_left_open(self):
        plt.close("all")
        make_report()._repr_html_()
        assert not plt.get_fignums()

    def test_without_matplotlib_there_are_tables_and_a_word(self, monkeypatch):
        for name in ("matplotlib", "matplotlib.figure"):
            monkeypatch.setitem(sys.modules, name, None)
        outline = Outline(make_report()._repr_html_())
        assert "img" not in outline.tags
        assert "matplotlib is not installed" in outline.text
        assert outline.tags.count("table") >= 5

    def test_small_and_unknown_groups_are_marked(self):
        groups = np.array(["a"] * 200 + ["tiny"] * 5 + [None] * 15, dtype=object)
        said = np.arange(220) % 2
        outline = Outline(report_of(said, said, sensitive_features=groups)._repr_html_())
        assert "(small)" in outline.text
        assert "unknown" in outline.text
        assert "15 of 220 rows" in outline.text

    def test_new_yorks_ratio_is_shown(self):
        selected = np.r_[np.arange(1000) < 543, np.arange(1000) < 447]
        report = report_of(None, selected, sensitive_features=["m"] * 1000 + ["f"] * 1000)
        assert "0.82" in report._repr_html_()

    def test_missed_four_fifths_stand_out(self):
        selected = np.r_[np.arange(1000) < 543, np.arange(1000) < 300]
        report = report_of(None, selected, sensitive_features=["m"] * 1000 + ["f"] * 1000)
        assert 'class="text bad">missed<' in report._repr_html_()

    @pytest.mark.parametrize("path", ["report.pdf", "report", "report.html.txt"])
    def test_it_is_saved_as_html_only(self, tmp_path, path):
        with pytest.raises(ValueError, match="html"):
            make_report().save(tmp_path / path)
        assert not (tmp_path / path).exists()

    def test_the_path_may_be_text(self, tmp_path):
        make_report().save(str(tmp_path / "Report.HTM"))
        assert "Fairness report" in (tmp_path / "Report.HTM").read_text(encoding="utf-8")

    def test_only_a_page_of_its_own_has_the_title_of_a_page(self, tmp_path):
        report = make_report()
        report.save(tmp_path / "report.html")
        assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<h1>") == 1
        assert "<h1>" not in report._repr_html_()

    def test_a_title_and_paragraphs_of_ones_own_come_first(self, tmp_path):
        path = tmp_path / "report.html"
        make_report().save(path, title="Loans <2026>", about=["Model 7.", "A & B answer."])
        page = path.read_text(encoding="utf-8")
        assert page.count("Loans &lt;2026&gt;") == 2  # in the head, and on the page
        assert page.index("<h1>") < page.index("Model 7.") < page.index("A &amp; B answer.")
        make_report().save(path, about="One.")
        assert ">One.<" in path.read_text(encoding="utf-8")

    def test_no_figure_shows_as_nan(self):
        rng = np.random.RandomState(0)
        y, groups = rng.randint(2, size=300), np.array(["a", "b", "c"])[np.arange(300) % 3]
        y[groups == "b"] = 0
        page = report_of(y, y, sensitive_features=groups)._repr_html_()
        assert not re.search(r"\bnan\b", Outline(page).text, flags=re.IGNORECASE)
