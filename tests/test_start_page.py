"""The code of docs/start.rst does what the page says."""

import re
import textwrap
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "start.rst"


def read_code():
    """Find the blocks of Python of the page, in their order."""
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE.read_text())
    return [textwrap.dedent(block) for block in blocks]


@pytest.mark.slow
def test_the_first_five_minutes_lead_to_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = {}
    for block in read_code():
        exec(compile(block, str(PAGE), "exec"), known)
    clf, X_test, y_test = known["clf"], known["X_test"], known["y_test"]
    of_control, of_chosen = clf.comparison_["disparity"][1:3]
    assert of_chosen < of_control / 2
    assert clf.score(X_test, y_test) > 0.65
    assert "impact ratio" in Path("report.html").read_text().lower()
    assert set(clf.predict(X_test)) == {"yes", "no"}
