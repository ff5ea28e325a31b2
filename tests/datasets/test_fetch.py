import hashlib
import http.server
import sys
import threading
from functools import partial

import numpy as np
import pytest

from sklearn_bade.datasets import _fetch, fetch_adult, fetch_meps

ADULT_ROW = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, {job}, Not-in-family, White, "
)
ADULT_ROW += "Male, 2174, 0, 40, United-States, {label}\n"

CONTENT = {
    "adult/adult.data": ADULT_ROW.format(job="?", label="<=50K") * 2
    + ADULT_ROW.format(job="Sales", label=">50K")
    + "\n",
    "adult/adult.test": "|1x3 Cross validator\n"
    + ADULT_ROW.format(job="Sales", label=">50K."),
    "meps/meps_train.csv": "AGE,RACE,UTILIZATION\n30,0,0\n40,1,1\n",
    "meps/meps_val.csv": "AGE,RACE,UTILIZATION\n50,1,0\n",
    "meps/meps_test.csv": "AGE,RACE,UTILIZATION\n60,0,1\n",
}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve small files of the real format from localhost."""
    root = tmp_path / "server"
    files = {}
    for name, content in CONTENT.items():
        remote = _fetch.FILES[name][0]
        (root / remote).parent.mkdir(parents=True, exist_ok=True)
        (root / remote).write_text(content)
        files[name] = remote, hashlib.sha256(content.encode()).hexdigest()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=root)
    handler.log_message = None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(_fetch, "BASE_URL", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setattr(_fetch, "FILES", files)
        yield root
        server.shutdown()


def test_download_once_then_read_from_the_folder(server, tmp_path):
    home = tmp_path / "home"
    X, y = fetch_adult(data_home=home, return_X_y=True)
    for file in server.rglob("*.*"):
        file.unlink()
    again, _ = fetch_adult(data_home=home, return_X_y=True)
    assert X.equals(again)
    assert X.shape == (3, 14)
    assert y.tolist() == ["<=50K", "<=50K", ">50K"]
    assert X["occupation"].isna().tolist() == [True, True, False]


def test_test_labels_lose_their_dot(server, tmp_path):
    data = fetch_adult(subset="test", data_home=tmp_path)
    assert data.target.tolist() == [">50K"]
    assert data.target_names == ["income"]


@pytest.mark.parametrize(
    ("subset", "n_rows"), [("train", 2), ("validation", 1), ("all", 4)]
)
def test_meps_subsets(server, tmp_path, subset, n_rows):
    data = fetch_meps(subset=subset, data_home=tmp_path)
    assert data.frame.shape == (n_rows, 3)
    assert data.feature_names == ["AGE", "RACE"]


def test_arrays_on_request(server, tmp_path):
    X, y = fetch_meps(data_home=tmp_path, as_frame=False, return_X_y=True)
    assert isinstance(X, np.ndarray)
    assert y.tolist() == [0, 1]
    assert fetch_meps(data_home=tmp_path, as_frame=False).frame is None


def test_folder_from_the_environment(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_BADE_DATA", str(tmp_path / "elsewhere"))
    fetch_meps()
    assert (tmp_path / "elsewhere" / "meps" / "meps_train.csv").exists()


def test_changed_file_is_refused(server, tmp_path):
    remote = _fetch.FILES["meps/meps_train.csv"][0]
    (server / remote).write_text("AGE,RACE,UTILIZATION\n1,1,1\n")
    with pytest.raises(OSError, match=r"meps_train.csv failed its check.*sha256"):
        fetch_meps(data_home=tmp_path)


def test_offline_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(_fetch, "BASE_URL", "http://127.0.0.1:9/")
    with pytest.raises(OSError, match=r"put a copy of the file at .*SKLEARN_BADE_DATA"):
        fetch_adult(data_home=tmp_path)


def test_without_pooch_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"sklearn-bade\[data\]"):
        fetch_adult(data_home=tmp_path)


def test_bad_subset():
    with pytest.raises(ValueError, match="'subset' parameter"):
        fetch_adult(subset="everything")


def test_the_real_files(data_home):
    train = fetch_adult(data_home=data_home)
    test = fetch_adult(data_home=data_home, subset="test")
    assert train.data.shape == (32_561, 14)
    assert test.data.shape == (16_281, 14)
    assert set(train.target) == set(test.target) == {"<=50K", ">50K"}
    assert fetch_meps(data_home=data_home, subset="all").data.shape == (15_730, 138)
