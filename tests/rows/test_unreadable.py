"""Broken files among the images of a dataset."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import PredefinedSplit, check_cv
from skorch.helper import SliceDataset
from torch.utils.data import Dataset

from sklearn_bade import (
    BackdoorDebiasClassifier,
    BackdoorDebiasClassifierCV,
    DefaultNetClassifier,
)
from sklearn_bade.exceptions import SkippedFilesWarning, UnreadableRowsError
from sklearn_bade.nets import ConvNet, make_adam_net

N_ROWS = 80


class Files(Dataset):
    """Images, some of which lie in broken files."""

    def __init__(self, images, labels, broken=()):
        self.images, self.labels, self.broken = images, labels, broken

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        if i in self.broken:
            raise OSError("image file is truncated")
        return torch.from_numpy(self.images[i]), int(self.labels[i])


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    groups = np.arange(N_ROWS) % 2
    y = (rng.uniform(size=N_ROWS) < 0.3 + 0.4 * groups).astype(int)
    images = rng.normal(y[:, None, None, None], size=(N_ROWS, 1, 8, 8)).astype(np.float32)
    return images, y, groups


def make_net(**settings):
    return make_adam_net(
        ConvNet,
        module__n_channels=1,
        module__n_classes=2,
        module__widths=(4,),
        max_epochs=2,
        batch_size=16,
        **settings,
    )


def debias(search=False, **settings):
    if search:
        return BackdoorDebiasClassifierCV(make_net(**settings), cv=2, random_state=0)
    return BackdoorDebiasClassifier(make_net(**settings), random_state=0)


# Groups of forty rows say little.
@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FaintSignalWarning")
@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FewRowsWarning")
@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning")
class TestFit:
    @pytest.mark.parametrize("search", [False, True])
    @pytest.mark.parametrize("broken", [[0], [7, 50]])
    def test_it_is_that_of_the_other_rows(self, data, search, broken):
        images, y, groups = data
        kept = np.setdiff1d(np.arange(N_ROWS), broken)
        clf = debias(search)
        message = rf"{len(broken)} of {N_ROWS} items of Files .* Item {broken[0]} of Files"
        with pytest.warns(SkippedFilesWarning, match=message) as caught:
            clf.fit(Files(images, y, broken), y, sensitive_features=groups)
        assert caught[0].filename == __file__
        expected = debias(search).fit(
            Files(images[kept], y[kept]), y[kept], sensitive_features=groups[kept]
        )
        np.testing.assert_array_equal(
            clf.predict_proba(images), expected.predict_proba(images)
        )

    def test_labels_may_come_from_the_dataset(self, data):
        images, y, groups = data
        weights = np.ones(N_ROWS)
        with pytest.warns(SkippedFilesWarning, match="truncated"):
            clf = debias().fit(
                Files(images, y, [3]),
                None,
                sensitive_features=groups.tolist(),
                sample_weight=weights,
            )
        assert clf.predict(images).shape == (N_ROWS,)

    def test_slices_of_a_dataset(self, data):
        images, y, groups = data
        dataset = Files(images, y, [3])
        with pytest.warns(SkippedFilesWarning, match="1 of 80 items of SliceDataset"):
            clf = debias().fit(
                SliceDataset(dataset), SliceDataset(dataset, 1), sensitive_features=groups
            )
        assert clf.predict(images).shape == (N_ROWS,)

    def test_the_default_network_by_itself(self, data):
        images, y, _ = data
        with pytest.warns(SkippedFilesWarning, match="truncated"):
            clf = DefaultNetClassifier(random_state=0).fit(Files(images, y, [3]), y)
        assert clf.predict(images).shape == (N_ROWS,)

    def test_many_broken_files_end_it(self, data):
        images, y, groups = data
        with pytest.raises(UnreadableRowsError, match=r"40 of 80 .* a few broken files"):
            debias().fit(Files(images, y, range(0, 80, 2)), y, sensitive_features=groups)

    @pytest.mark.parametrize("kind", ["list", "wrapped", "predefined"])
    def test_folds_that_know_positions_are_refused(self, data, kind):
        images, y, groups = data
        folds = [(np.arange(40), np.arange(40, 80))]
        cv = {
            "list": folds,
            "wrapped": check_cv(folds),
            "predefined": PredefinedSplit(np.arange(80) // 2 % 2),
        }[kind]
        clf = debias(search=True).set_params(cv=cv)
        with pytest.raises(ValueError, match="cv may know rows by") as caught:
            clf.fit(Files(images, y, [3]), y, sensitive_features=groups)
        assert isinstance(caught.value.__context__, UnreadableRowsError)

    @pytest.mark.parametrize(
        "form", [lambda g: {"g": g.tolist()}, pd.Index, pd.array, pd.Series, list]
    )
    def test_groups_and_weights_of_any_form(self, data, form):
        images, y, groups = data
        with pytest.warns(SkippedFilesWarning, match="truncated"):
            clf = debias().fit(
                Files(images, y, [3]),
                y,
                sensitive_features=form(groups),
                sample_weight=1.0,
            )
        assert clf.groups_.tolist() == [0, 1]

    def test_later_errors_name_items_as_the_dataset_does(self, data):
        images, y, groups = data
        images = images.copy()
        images[50] = np.nan
        with (
            pytest.warns(SkippedFilesWarning, match="truncated"),
            pytest.raises(ValueError, match="Item 50 of Files contains NaN"),
        ):
            debias().fit(Files(images, y, [3, 10]), y, sensitive_features=groups)

    def test_a_generator_is_as_if_nothing_had_failed(self, data):
        images, y, groups = data
        kept = np.delete(np.arange(N_ROWS), 3)
        found = []
        for dataset, rows in [(Files(images, y, [3]), slice(None)), (images[kept], kept)]:
            clf = debias().set_params(random_state=np.random.RandomState(0))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SkippedFilesWarning)
                clf.fit(dataset, y[rows], sensitive_features=groups[rows])
            found.append(clf.predict_proba(images))
        np.testing.assert_array_equal(*found)

    def test_predictions_name_the_item(self, data):
        images, y, groups = data
        clf = debias().fit(images, y, sensitive_features=groups)
        with pytest.raises(UnreadableRowsError, match=r"Item 5 of Files .*truncated"):
            clf.predict(Files(images, y, [5]))

    def test_other_errors_of_a_dataset_stay_what_they_are(self, data):
        class Faulty(Files):
            def __getitem__(self, i):
                if i == 5:
                    raise KeyError("no such row")
                return super().__getitem__(i)

        images, y, groups = data
        with pytest.raises(KeyError, match="no such row"):
            debias().fit(Faulty(images, y), y, sensitive_features=groups)


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FaintSignalWarning")
@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FewRowsWarning")
class TestWorkers:
    def test_they_read_where_the_net_allows_them(self, data):
        images, y, groups = data
        read_by = []
        dataset = Files(images, y)
        workers = {"iterator_train__num_workers": 1, "iterator_valid__num_workers": 2}
        clf = debias(**workers).fit(dataset, y, sensitive_features=groups)
        np.testing.assert_array_equal(clf.predict_proba(dataset), clf.predict_proba(images))

        class Watched(Files):
            def __getitem__(self, i):
                read_by.append(i)
                return super().__getitem__(i)

        clf.predict_proba(Watched(images, y))
        assert set(read_by) <= {0}  # what a row looks like; workers have read the others

    def test_a_broken_file_that_a_worker_meets_ends_no_fit(self, data):
        images, y, groups = data
        with pytest.warns(SkippedFilesWarning, match="1 of 80"):
            debias(iterator_train__num_workers=1).fit(
                Files(images, y, [9]), y, sensitive_features=groups
            )
