import json
import pickle
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_bade.datasets import _bias_in_bios, load_bias_in_bios
from sklearn_bade.datasets._bias_in_bios import PROFESSIONS

RELEASE = {
    "train": [("She works on wards.", 13, 1), ("He writes code.", 24, 0)],
    "dev": [("007", 4, 0)],
    "test": [("NA", 21, 1), ("He operates, and\nteaches.", 25, 0)],
}
RAW = "Ann Lee is a nurse. She works on wards."
RECORDS = [
    {
        "raw": RAW,
        "start_pos": 19,
        "bio": "_ works on wards.",
        "title": "nurse",
        "gender": "F",
        "name": ["Ann", "", "Lee"],
        "URI": "https://example.org",
    },
    {
        "raw": "Zoë Roe is a poet.  He rhymes\u2028a lot.",
        "start_pos": 18,
        "bio": "_ rhymes\u2028a lot.",
        "title": "poet",
        "gender": "M",
        "name": ["Zoë", "", "Roe"],
        "URI": "https://example.org",
    },
]


def frame_of(rows):
    return pd.DataFrame(rows, columns=["hard_text", "profession", "gender"])


def write_polars(frame, path):
    polars = pytest.importorskip("polars", reason="writing parquet files needs a library")
    polars.DataFrame(frame.to_dict(orient="list")).write_parquet(path)


WRITERS = {
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    ".parquet": write_polars,
}


def write_release(folder, suffix=".jsonl"):
    """Write files that are named as in the release by LabHC."""
    folder.mkdir(exist_ok=True)
    for split, rows in RELEASE.items():
        name = f"{split}-00000-of-00001-0ab65b32c47407e8{suffix}"
        WRITERS[suffix](frame_of(rows), folder / name)


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


class TestRelease:
    @pytest.mark.parametrize("suffix", WRITERS)
    @pytest.mark.parametrize("place", ["", "data"])
    @pytest.mark.parametrize("split", RELEASE)
    def test_files_and_splits(self, tmp_path, suffix, place, split):
        write_release(tmp_path / place, suffix)
        X, y, gender = load_bias_in_bios(tmp_path, split=split)
        texts, professions, genders = zip(*RELEASE[split])
        assert X.dtype == object
        assert X.tolist() == list(texts)
        assert y.tolist() == [PROFESSIONS[code] for code in professions]
        assert gender.tolist() == [("male", "female")[code] for code in genders]

    def test_all_files(self, tmp_path):
        write_release(tmp_path)
        X, y, gender = load_bias_in_bios(str(tmp_path))
        # In the order of their names: dev, test, train.
        assert y.tolist() == [
            "comedian",
            "professor",
            "surgeon",
            "nurse",
            "software_engineer",
        ]
        assert len(X) == len(gender) == 5

    def test_validation_is_dev(self, tmp_path):
        frame_of(RELEASE["dev"]).to_csv(tmp_path / "Validation.csv", index=False)
        assert load_bias_in_bios(tmp_path, split="dev")[1].tolist() == ["comedian"]

    def test_several_files_of_a_split(self, tmp_path):
        for i, row in enumerate(RELEASE["train"]):
            frame_of([row]).to_csv(tmp_path / f"bios_train_{i}.csv", index=False)
        X, *_ = load_bias_in_bios(tmp_path, split="train")
        assert X.tolist() == [row[0] for row in RELEASE["train"]]

    def test_other_files_are_left_alone(self, tmp_path):
        write_release(tmp_path)
        for name in ("README.md", "bios_train.pkl"):
            (tmp_path / name).write_bytes(b"anything")
        assert len(load_bias_in_bios(tmp_path)[0]) == 5

    def test_the_folder_itself_comes_before_the_folder_data(self, tmp_path):
        write_release(tmp_path / "data")
        write_lines(tmp_path / "bios.jsonl", RECORDS)
        assert load_bias_in_bios(tmp_path)[1].tolist() == ["nurse", "poet"]

    @given(
        st.lists(
            st.tuples(
                # What JSON in UTF-8 can hold, and is not blank.
                st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip),
                st.integers(0, 27),
                st.integers(0, 1),
            ),
            min_size=1,
            max_size=4,
        )
    )
    @settings(max_examples=30)
    def test_any_text_comes_back_as_it_was(self, tmp_path_factory, rows):
        folder = tmp_path_factory.mktemp("bios")
        keys = ("hard_text", "profession", "gender")
        write_lines(folder / "train.jsonl", [dict(zip(keys, row)) for row in rows])
        X, y, gender = load_bias_in_bios(folder)
        assert X.tolist() == [row[0] for row in rows]
        assert [PROFESSIONS.index(name) for name in y] == [row[1] for row in rows]
        assert (gender == "female").tolist() == [row[2] == 1 for row in rows]


class TestRecords:
    @pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
    @pytest.mark.parametrize(
        ("scrubbed", "texts"),
        [
            (False, ["She works on wards.", "He rhymes\u2028a lot."]),
            (True, ["_ works on wards.", "_ rhymes\u2028a lot."]),
        ],
    )
    def test_texts_with_and_without_names(self, tmp_path, suffix, scrubbed, texts):
        WRITERS[suffix](pd.DataFrame(RECORDS), tmp_path / f"bios{suffix}")
        X, y, gender = load_bias_in_bios(tmp_path, scrubbed=scrubbed)
        assert X.tolist() == texts
        assert y.tolist() == ["nurse", "poet"]
        assert gender.tolist() == ["female", "male"]

    def test_a_pickle_is_refused_and_can_be_converted(self, tmp_path, monkeypatch):
        class Trap:
            def __reduce__(self):
                return (open, (str(tmp_path / "it_ran"), "w"))

        path = tmp_path / "BIOS.pkl"
        path.write_bytes(pickle.dumps(Trap()))
        with pytest.raises(
            ValueError, match=r"BIOS\.pkl will not be read, since"
        ) as caught:
            load_bias_in_bios(tmp_path)
        assert not (tmp_path / "it_ran").exists()

        path.write_bytes(pickle.dumps(RECORDS))
        code = [line[4:] for line in str(caught.value).splitlines() if line[:4] == " " * 4]
        monkeypatch.chdir(tmp_path)
        exec("\n".join(code), {})
        X, y, _ = load_bias_in_bios(tmp_path)
        assert X.tolist() == ["She works on wards.", "He rhymes\u2028a lot."]
        assert y.tolist() == ["nurse", "poet"]

    def test_there_is_no_split(self, tmp_path):
        write_lines(tmp_path / "bios.jsonl", RECORDS)
        with pytest.raises(FileNotFoundError, match=r"'test' in its name; there is bios\."):
            load_bias_in_bios(tmp_path, split="test")


class TestErrors:
    def test_no_folder(self, tmp_path):
        with pytest.raises(
            FileNotFoundError, match=r"There is no folder .*absent\. It should"
        ):
            load_bias_in_bios(tmp_path / "absent")

    def test_no_known_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="it has no file at all"):
            load_bias_in_bios(tmp_path)
        (tmp_path / "bios.txt").write_text("She works on wards.")
        with pytest.raises(
            FileNotFoundError, match=r"\.jsonl or \.csv, .* it has bios\.txt"
        ):
            load_bias_in_bios(tmp_path)

    def test_the_same_in_two_forms(self, tmp_path):
        write_release(tmp_path, ".csv")
        write_release(tmp_path, ".jsonl")
        with pytest.raises(
            ValueError, match=r"end in \.csv and in \.jsonl, which may hold"
        ):
            load_bias_in_bios(tmp_path)

    def test_files_with_and_without_a_split(self, tmp_path):
        write_release(tmp_path)
        write_lines(tmp_path / "latest.jsonl", RECORDS)
        with pytest.raises(
            ValueError, match=r"some do not, .*: dev-.*, latest\.jsonl, test-"
        ):
            load_bias_in_bios(tmp_path)
        assert len(load_bias_in_bios(tmp_path, split="train")[0]) == 2

    @pytest.mark.parametrize("missing", ["hard_text", "profession", "gender"])
    def test_columns_of_the_release(self, tmp_path, missing):
        frame = frame_of(RELEASE["train"]).drop(columns=missing)
        frame.to_csv(tmp_path / "train.csv", index=False)
        with pytest.raises(
            ValueError, match=rf"train\.csv lacks the column\(s\) {missing};"
        ):
            load_bias_in_bios(tmp_path)

    @pytest.mark.parametrize(
        ("scrubbed", "missing"),
        [(False, "raw"), (False, "start_pos"), (True, "bio"), (True, "title")],
    )
    def test_columns_of_the_records(self, tmp_path, scrubbed, missing):
        frame = pd.DataFrame(RECORDS).drop(columns=missing)
        frame.to_csv(tmp_path / "bios.csv", index=False)
        with pytest.raises(ValueError, match=rf"lacks the column\(s\) {missing}; it has"):
            load_bias_in_bios(tmp_path, scrubbed=scrubbed)

    def test_no_scrubbed_texts(self, tmp_path):
        write_release(tmp_path)
        with pytest.raises(ValueError, match="has no scrubbed texts; only the authors'"):
            load_bias_in_bios(tmp_path, scrubbed=True)

    @pytest.mark.parametrize(
        ("column", "code", "message"),
        [
            (
                "profession",
                28,
                r"1 unknown value\(s\) in the column profession, .* 28 in row 1",
            ),
            ("profession", -1, r"-1 in row 1\. Known are 0, 1, 2,"),
            ("profession", None, "column profession, among them nan in row 1"),
            ("profession", "nurse", "'nurse' in row 1"),
            ("gender", 2, r"column gender, among them .*2.* in row 1\. Known are 0, 1"),
            ("gender", "F", "'F' in row 1"),
        ],
    )
    def test_unknown_codes(self, tmp_path, column, code, message):
        rows = frame_of(RELEASE["train"]).to_dict(orient="records")
        rows[1][column] = code
        write_lines(tmp_path / "train.jsonl", rows)
        with pytest.raises(ValueError, match=message):
            load_bias_in_bios(tmp_path)

    def test_unknown_titles(self, tmp_path):
        write_lines(tmp_path / "bios.jsonl", [RECORDS[0], {**RECORDS[1], "title": "bard"}])
        with pytest.raises(ValueError, match="title, among them 'bard' in row 1"):
            load_bias_in_bios(tmp_path)

    @pytest.mark.parametrize("text", [None, "", " \n", 7])
    def test_missing_texts(self, tmp_path, text):
        rows = frame_of(RELEASE["train"]).to_dict(orient="records")
        rows[0]["hard_text"] = text
        write_lines(tmp_path / "train.jsonl", rows)
        with pytest.raises(ValueError, match=r"no text in 1 of its 2 row\(s\), .* row 0\."):
            load_bias_in_bios(tmp_path)

    def test_nothing_but_a_first_sentence(self, tmp_path):
        write_lines(tmp_path / "bios.jsonl", [{**RECORDS[0], "start_pos": len(RAW)}])
        with pytest.raises(ValueError, match="no text in 1 of its 1 row"):
            load_bias_in_bios(tmp_path)

    @pytest.mark.parametrize("start", [-1, 0.5, None, "x"])
    def test_bad_positions(self, tmp_path, start):
        write_lines(tmp_path / "bios.jsonl", [{**RECORDS[0], "start_pos": start}])
        with pytest.raises(ValueError, match=r"1 value\(s\) in the column start_pos"):
            load_bias_in_bios(tmp_path)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("train.jsonl", '{"hard_text": "She'),
            ("train.jsonl", '{"hard_text": "She works."}\n[1]'),
            ("train.csv", ""),
            ("train.csv", b"hard_text,profession,gender\n\xff,1,1\n"),
        ],
    )
    def test_broken_files(self, tmp_path, name, content):
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name} is broken"):
            load_bias_in_bios(tmp_path)

    def test_files_without_rows(self, tmp_path):
        (tmp_path / "train.csv").write_text("hard_text,profession,gender\n")
        with pytest.raises(ValueError, match=r"train\.csv has no rows"):
            load_bias_in_bios(tmp_path)
        (tmp_path / "train.csv").rename(tmp_path / "train.jsonl")
        (tmp_path / "train.jsonl").write_text("")
        with pytest.raises(ValueError, match="it has none"):
            load_bias_in_bios(tmp_path)


class TestParquet:
    """Files in the form of the release, with and without what reads them."""

    @pytest.fixture
    def leave_only(self, monkeypatch):
        """Act as if one library were installed alone."""

        def leave_only(library):
            if library is not None:
                pytest.importorskip(library, reason="one of the readers of parquet files")
            monkeypatch.setattr(
                _bias_in_bios,
                "find_spec",
                lambda name: find_spec(name) if name == library else None,
            )

        return leave_only

    @pytest.mark.parametrize("library", ["pyarrow", "polars", None])
    def test_it_is_read_by_what_is_installed(self, tmp_path, leave_only, library):
        write_release(tmp_path, ".parquet")
        leave_only(library)
        if library is None:
            with pytest.raises(ImportError, match=r"needs pyarrow or polars\. Install one"):
                load_bias_in_bios(tmp_path)
        else:
            _, y, _ = load_bias_in_bios(tmp_path, split="train")
            np.testing.assert_array_equal(y, ["nurse", "software_engineer"])

    @pytest.mark.parametrize("library", ["pyarrow", "polars"])
    def test_pointers_in_place_of_the_files(self, tmp_path, leave_only, library):
        """What a clone without Git LFS holds."""
        leave_only(library)
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0ab6\nsize 64\n"
        (tmp_path / "train.parquet").write_text(pointer)
        with pytest.raises(ValueError, match=r"train\.parquet is broken"):
            load_bias_in_bios(tmp_path)
