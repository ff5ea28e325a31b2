"""A report as one HTML file that needs no other: styles and pictures are inside."""

import base64
import datetime
from html import escape
from io import BytesIO
from itertools import product

import numpy as np
import pandas as pd

from ...utils import __version__

# Inches of a picture: as wide as a telephone's screen shows in letters that can be read.
PICTURE_SIZE = 4.6, 3.9
# Groups whose picture can be read and whose pairs, 190 of them, somebody may look through.
MOST_GROUPS = 20
STYLE = """
.bade {font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff;
  max-width: 62rem; margin: 0 auto; padding: 0 1rem}
.bade h1, .bade .title {font-size: 1.6rem; font-weight: 600; margin: 1.2rem 0 .2rem}
.bade h2 {font-size: 1.25rem; margin: 2.2rem 0 .4rem; border-bottom: 1px solid #ccc}
.bade h3 {font-size: 1.05rem; margin: 1.4rem 0 .2rem}
.bade p, .bade ul {margin: .4rem 0; max-width: 46rem}
.bade .wide {overflow-x: auto; margin: .5rem 0 1rem}
.bade table {border-collapse: collapse; font-size: .875rem; background: #fff}
.bade th, .bade td {padding: .25rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #e4e4e4}
.bade thead th {white-space: normal; max-width: 8rem}
.bade th:first-child, .bade td:first-child {position: sticky; left: 0; background: #fff}
.bade th.text, .bade td.text {text-align: left}
.bade thead th {border-bottom: 2px solid #888; vertical-align: bottom}
.bade .limits {color: #595959; font-size: .8rem}
.bade .bad {color: #a40000; font-weight: 600}
.bade .small {color: #595959}
.bade summary {cursor: pointer; margin: .5rem 0; font-weight: 600}
.bade img {width: 100%; max-width: 35rem; height: auto}
"""
DISPARITY_NAMES = {
    "average_odds": "average odds",
    "equalized_odds": "equalized odds",
    "demographic_parity": "demographic parity",
    "equal_opportunity": "equal opportunity",
}
RATE_NAMES = {
    "selection": "selected",
    "true_positive": "true positive rate",
    "false_positive": "false positive rate",
    "precision": "precision",
    "accuracy": "accuracy",
    "scoring": "score above the median",
}


def write_html(report, title=None, about=()):
    """Write a report, as a page with a title, or as a part of another page without."""
    parts = [
        _paragraph("Fairness report", "title")
        if title is None
        else f"<h1>{escape(str(title))}</h1>",
        *[_paragraph(text) for text in about],
        _paragraph(
            f"{report.n_rows_} rows; {_models_in_words(report.models_)}. Intervals have a "
            f"confidence of {100 * report._options['confidence']:g}%, each by itself."
        ),
        _list(report.notes_),
        *[_attribute(report, name) for name in report.attributes_],
        "<h2>How to read this</h2>",
        _list(EXPLANATIONS),
        _paragraph(
            f"sklearn_bade {__version__}, {datetime.date.today().isoformat()}", "small"
        ),
    ]
    body = f'<div class="bade"><style>{STYLE}</style>{"".join(parts)}</div>'
    if title is None:
        return body
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(str(title))}</title></head><body>{body}</body></html>\n"
    )


EXPLANATIONS = [
    "Strength 0 is a debiased model with its correction switched off: what it would decide "
    "without debiasing.",
    "Selected: the share of a group that the label is decided for. True positive rate: the "
    "same share of those to whom the label truly belongs; false positive rate: of all "
    "others. Precision: the share to whom it truly belongs, of those it is decided for.",
    "Impact ratio: the rate of a group over that of the most selected group that is not "
    "small. In employment in the United States, less than four fifths counts as evidence "
    "of adverse impact, unless it may be chance; p says how often chance alone would make "
    "such a difference.",
    "Average odds: the mean of the widest gaps in true and in false positive rates; "
    "equalized odds: the wider of the two; equal opportunity: the gap in true positive "
    "rates; demographic parity: that in selection. 0 is equal.",
    "A figure lies within its interval for about the stated share of such reports. Of many "
    "intervals, some miss. A gap whose interval holds zero may be chance; that does not "
    "prove there is none.",
    "A report describes what was decided for these rows. Whether a gap is justified, or a "
    "label itself unfair, no figure can tell.",
]


def _attribute(report, attribute):
    """Write all about one attribute."""
    parts = [f"<h2>{escape(str(attribute))}</h2>", _summary(report, attribute)]
    parts.append(_group_sizes(report, attribute))
    for label in report.labels_:
        if len(report.labels_) > 1:
            parts.append(f"<h3>Label {escape(str(label))}</h3>")
        parts += [
            _picture(report, attribute, label),
            _rates(report, attribute, label),
            _impact(report, attribute, label),
            _decisions(report, attribute, label),
            _gaps(report, attribute, label),
            _calibration(report, attribute, label),
        ]
    if report._periods:
        parts.append(_periods(report, attribute))
    return "".join(parts)


def _summary(report, attribute):
    """Show accuracy and disparities of all models, and what has changed."""
    accuracy = _select(report.to_frame("accuracy"), attribute=attribute)
    disparities = _select(report.to_frame("disparities"), attribute=attribute)
    changes = _select(report.to_frame("changes"), attribute=attribute)
    names = disparities["disparity"].unique().tolist()
    rows = []
    for model in report.models_:
        cells = [_text(model)]
        own = _select(accuracy, model=model)
        if len(own):
            row = own.iloc[0]
            cells.append(_figure(row["accuracy"], row["lower"], row["upper"]))
        of_model = _select(disparities, model=model).set_index("disparity")
        cells += [_figure(*of_model.loc[n, ["value", "lower", "upper"]]) for n in names]
        rows.append(cells)
    for model in report.models_[1:]:
        figures = ["accuracy", *names] if len(accuracy) else names
        cells = [_text(f"{model} less {report.models_[0]}")]
        for figure in figures:
            row = _select(changes, model=model, figure=figure).iloc[0]
            cells.append(_figure(row["change"], row["lower"], row["upper"], sign="+"))
        rows.append(cells)
    header = ["model", *(["accuracy"] if len(accuracy) else [])]
    return _table([*header, *(DISPARITY_NAMES[name] for name in names)], rows)


def _group_sizes(report, attribute):
    groups = _select(report.to_frame("groups"), attribute=attribute)
    rows = [
        [
            _text("unknown" if pd.isna(row["group"]) else row["group"], row["is_small"]),
            _cell(f"{row['rows']:g}"),
            _cell("" if np.isnan(row["share"]) else f"{100 * row['share']:.1f}%"),
        ]
        for _, row in groups.iterrows()
    ]
    return "<h3>Groups</h3>" + _table(["group", "rows", "share of known"], rows)


def _rates(report, attribute, label):
    table = _select(report.to_frame("rates"), attribute=attribute, label=label)
    kinds = table["rate"].unique().tolist()
    rows = []
    order = table["group"].unique().tolist(), report.models_
    for group, model in product(*order):
        part = _select(table, group=group, model=model)
        part = part.set_index("rate")
        figures = [
            _figure(*part.loc[kind, ["value", "lower", "upper"]])
            if kind in part.index
            else _cell("")
            for kind in kinds
        ]
        is_small = bool(part["is_small"].iloc[0])
        rows.append([_text(group, is_small), _text(model), *figures])
    title = "<h3>Rates of each group</h3>"
    return title + _table(["group", "model", *(RATE_NAMES[k] for k in kinds)], rows)


def _impact(report, attribute, label):
    table = _select(report.to_frame("impact"), attribute=attribute, label=label)
    parts = []
    for kind in table["rate"].unique():
        of_kind = _select(table, rate=kind)
        order = of_kind["group"].unique().tolist(), report.models_
        rows = [
            _impact_row(row)
            for group, model in product(*order)
            for _, row in _select(of_kind, group=group, model=model).iterrows()
        ]
        header = ["group", "model", "impact ratio", "compared with", "p", "four fifths"]
        parts += [f"<h3>Impact ratios: {RATE_NAMES[kind]}</h3>", _table(header, rows)]
    return "".join(parts)


def _impact_row(row):
    is_missed = row["four_fifths"] == "missed"
    return [
        _text(row["group"], row["is_small"]),
        _text(row["model"]),
        _figure(row["impact_ratio"], row["lower"], row["upper"], digits=2),
        _text(row["reference"]),
        _cell(_p_value(row["p_value"])),
        f'<td class="text{" bad" if is_missed else ""}">{row["four_fifths"]}</td>',
    ]


def _decisions(report, attribute, label):
    table = _select(report.to_frame("decisions"), attribute=attribute, label=label)
    if not len(table):
        return ""
    rows = [
        [
            _text(row["group"]),
            _text(row["model"]),
            _cell(f"{row['gained']:g}"),
            _cell(f"{row['lost']:g}"),
            _cell(f"{row['rows']:g}"),
        ]
        for _, row in table.iterrows()
    ]
    title = f"<h3>Decided otherwise than by {escape(str(report.models_[0]))}</h3>"
    header = ["group", "model", f"gained {label}", f"lost {label}", "of"]
    return title + _table(header, rows)


def _gaps(report, attribute, label):
    if _has_many_groups(report, attribute):
        text = 'There are too many pairs of groups to show; to_frame("gaps") has them.'
        return _paragraph(text, "small")
    table = _select(report.to_frame("gaps"), attribute=attribute, label=label)
    rows = [
        [
            _text(f"{row['group']} less {row['other']}"),
            _text(row["model"]),
            _text(RATE_NAMES[row["rate"]]),
            _figure(row["gap"], row["gap_lower"], row["gap_upper"], sign="+"),
            _figure(row["ratio"], row["ratio_lower"], row["ratio_upper"], digits=2),
            _cell(_p_value(row["p_value"])),
            _text(row["test"]),
        ]
        for _, row in table.iterrows()
    ]
    header = ["groups", "model", "rate", "gap", "ratio", "p", "test"]
    if not rows:
        return ""
    return _details("All pairs of groups", _table(header, rows))


def _calibration(report, attribute, label):
    if _has_many_groups(report, attribute):
        return ""
    table = _select(report.to_frame("calibration"), attribute=attribute, label=label)
    table = table[table["rows"] > 0]
    if not len(table):
        return ""
    rows = [
        [
            _text(row["group"]),
            _text(row["model"]),
            _cell(f"{row['bin_lower']:.3g} to {row['bin_upper']:.3g}"),
            _cell(f"{row['rows']:.4g}"),
            _cell(f"{row['mean_score']:.3f}"),
            _figure(row["observed"], row["lower"], row["upper"]),
        ]
        for _, row in table.iterrows()
    ]
    header = ["group", "model", "scores", "rows", "mean score", "share with the label"]
    return _details("Calibration: what scores are worth", _table(header, rows))


def _periods(report, attribute):
    table = _select(report.to_frame("periods"), attribute=attribute)
    shown = table[table["figure"].isin(DISPARITY_NAMES)]
    rows = [
        [
            _text(row["period"]),
            _text(row["model"]),
            _text(DISPARITY_NAMES[row["figure"]]),
            _figure(row["value"], row["lower"], row["upper"]),
        ]
        for _, row in shown.iterrows()
    ]
    header = ["period", "model", "disparity", "value"]
    return _details("By time", _table(header, rows))


def _picture(report, attribute, label):
    """Draw the rates, if matplotlib is there and has room for them."""
    if _has_many_groups(report, attribute):
        return _paragraph("There are too many groups for a picture.", "small")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        return _paragraph(
            "There is no picture, since matplotlib is not installed.", "small"
        )
    with rc_context({"svg.hashsalt": "sklearn_bade"}):
        figure = Figure(figsize=PICTURE_SIZE, layout="constrained")
        report.plot(attribute=attribute, label=label, ax=figure.subplots())
        file = BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    data = base64.b64encode(file.getvalue()).decode("ascii")
    words = escape(f"Rates of {label} by {attribute}; the tables below hold the figures.")
    return f'<p><img alt="{words}" src="data:image/svg+xml;base64,{data}"></p>'


def _has_many_groups(report, attribute):
    [counts] = [each for each in report._counts if each.attribute == attribute]
    return len(counts.groups) > MOST_GROUPS


def _select(table, **values):
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def _table(header, rows):
    """Write a table; the cells of its rows are HTML already."""
    classes = ["text" if row.startswith('<td class="text') else "" for row in rows[0]]
    head = "".join(
        f'<th class="{kind}">{escape(str(name))}</th>'
        for name, kind in zip(header, classes)
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figure(value, lower, upper, *, digits=3, sign=""):
    """Write a figure with its interval."""
    if not np.isfinite(value):
        return _cell("not computable" if np.isnan(value) else "infinite")
    limits = (
        "" if np.isnan(lower) else f"{lower:{sign}.{digits}f} to {upper:{sign}.{digits}f}"
    )
    limits = limits.replace("inf", "∞")
    return f'<td>{value:{sign}.{digits}f}<br><span class="limits">{limits}</span></td>'


def _p_value(p_value):
    if np.isnan(p_value):
        return ""
    return "< .001" if p_value < 0.001 else f"{p_value:.3f}"


def _text(value, is_small=False):
    mark = ' <span class="small">(small)</span>' if is_small else ""
    return f'<td class="text">{escape(str(value))}{mark}</td>'


def _cell(text):
    return f"<td>{escape(text)}</td>"


def _paragraph(text, kind=""):
    return f'<p class="{kind}">{escape(text)}</p>'


def _list(items):
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _details(title, content):
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def _models_in_words(models):
    if len(models) == 1:
        return "one model"
    return f"{len(models)} models, {', '.join(map(str, models))}"
