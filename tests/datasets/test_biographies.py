import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline

from sklearn_bade.datasets import make_biased_biographies
from sklearn_bade.datasets._bias_in_bios import PROFESSIONS
from sklearn_bade.datasets._biographies import (
    FIRST_NAMES,
    LAST_NAMES,
    OCCUPATIONS,
    PRONOUNS,
)

NAMES = [*FIRST_NAMES[0], *FIRST_NAMES[1], *LAST_NAMES]
# Those that are used, and those that might slip into a list of topics.
GENDERED = {word.lower() for words in PRONOUNS for word in words.values()}
GENDERED |= {"hers", "herself", "himself", "mrs", "miss", "woman", "women", "man", "men"}


def words(texts):
    return set(re.findall(r"[^\W_]+", " ".join(texts).lower()))


def share_of_own_gender(y, gender):
    """Share, by occupation, of the gender that goes with it in the training texts."""
    shares = {}
    for i, name in enumerate(OCCUPATIONS):
        if (y == name).any():
            shares[name] = (gender[y == name] == ("female", "male")[i % 2]).mean()
    return shares


def learn(texts, target):
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=500))
    return model.fit(texts, target)


def mean_gap(y, predicted, gender):
    """Mean over the occupations of the gap in true positive rates."""
    hit = y == predicted
    gaps = [
        hit[(y == name) & (gender == "female")].mean()
        - hit[(y == name) & (gender == "male")].mean()
        for name in np.unique(y)
    ]
    return np.abs(gaps).mean()


class TestShares:
    @given(
        st.integers(1, 400), st.integers(2, 28), st.floats(0, 1), st.integers(0, 2**32 - 1)
    )
    @settings(max_examples=25)
    def test_training_texts_are_as_biased_as_asked(self, n, n_classes, bias, seed):
        X, _, y, _, gender, _ = make_biased_biographies(
            n, n_classes=n_classes, bias=bias, n_test=1, random_state=seed
        )
        assert X.shape == y.shape == gender.shape == (n,)
        counts = [(y == name).sum() for name in list(OCCUPATIONS)[:n_classes]]
        assert sum(counts) == n
        assert max(counts) - min(counts) <= 1
        for name, share in share_of_own_gender(y, gender).items():
            # Rounding to whole texts moves it by one text at most.
            assert abs(share - (bias + 1) / 2) <= 1 / (y == name).sum()

    def test_without_bias_gender_and_occupation_are_independent(self):
        _, _, y, _, gender, _ = make_biased_biographies(2000, bias=0, random_state=0)
        assert set(share_of_own_gender(y, gender).values()) == {0.5}

    def test_with_full_bias_each_occupation_has_one_gender(self):
        _, _, y, _, gender, _ = make_biased_biographies(
            560, n_classes=28, bias=1, random_state=0
        )
        assert set(share_of_own_gender(y, gender).values()) == {1}
        assert set(gender[y == "nurse"]) == {"female"}
        assert set(gender[y == "surgeon"]) == {"male"}

    @pytest.mark.parametrize("n_classes", [2, 5, 28])
    def test_everybody_in_the_test_appears_as_a_woman_and_as_a_man(self, n_classes):
        _, X, _, y, _, gender = make_biased_biographies(
            10, n_classes=n_classes, n_test=60, random_state=0
        )
        assert X.shape == (120,)
        assert gender.tolist() == ["female", "male"] * 60
        assert (y[::2] == y[1::2]).all()
        assert len(set(y)) == n_classes

    def test_class_weights(self):
        _, _, y, y_test, _, _ = make_biased_biographies(
            1000, n_classes=3, class_weights=[0, 3, 1], n_test=400, random_state=0
        )
        assert [(y == name).sum() for name in OCCUPATIONS][:4] == [0, 750, 250, 0]
        assert [(y_test == name).sum() for name in OCCUPATIONS][:4] == [0, 600, 200, 0]


class TestTexts:
    def test_scrubbed_texts_hold_no_name_and_no_pronoun(self):
        X, X_test, *_ = make_biased_biographies(
            3000, n_classes=28, scrub=True, random_state=0
        )
        texts = [*X, *X_test]
        assert words(texts).isdisjoint(GENDERED)
        # Neither as a part of a word.
        assert not re.search("|".join(NAMES), " ".join(texts))

    def test_other_texts_hold_the_names_and_pronouns_of_their_gender_alone(self):
        X, X_test, _, _, gender, gender_test = make_biased_biographies(random_state=0)
        X, gender = np.r_[X, X_test], np.r_[gender, gender_test]
        for i, name in enumerate(["female", "male"]):
            found = words(X[gender == name])
            own = {"female": {"she", "her", "ms"}, "male": {"he", "his", "him", "mr"}}
            assert found & GENDERED == own[name]
            assert {first.lower() for first in FIRST_NAMES[i]} <= found
            assert found.isdisjoint(first.lower() for first in FIRST_NAMES[1 - i])

    def test_scrubbing_changes_nothing_else(self):
        plain, scrubbed = (
            make_biased_biographies(50, scrub=scrub, random_state=0)[0]
            for scrub in (False, True)
        )
        hidden = sorted(GENDERED | {name.lower() for name in NAMES})
        pattern = re.compile(rf"\b({'|'.join(hidden)})\b", flags=re.IGNORECASE)
        assert [pattern.sub("_", text) for text in plain] == scrubbed.tolist()

    def test_texts_do_not_name_the_occupation(self):
        X, _, y, *_ = make_biased_biographies(2800, n_classes=28, random_state=0)
        for text, name in zip(X, y):
            assert not re.search(rf"\b{name.replace('_', ' ')}\b", text.lower())

    def test_without_a_trace_scrubbed_texts_say_nothing_of_the_gender(self):
        _, X, *_ = make_biased_biographies(
            10, n_classes=28, scrub=True, trace=0, random_state=0
        )
        assert (X[::2] == X[1::2]).all()

    def test_the_trace_is_as_strong_as_asked(self):
        def differing(trace):
            _, X, *_ = make_biased_biographies(10, scrub=True, trace=trace, random_state=0)
            return (X[::2] != X[1::2]).mean()

        # Four draws, each of which differs between the two with the share of the trace.
        assert differing(0.4) == pytest.approx(1 - 0.6**4, abs=0.05)
        assert differing(1.0) == 1

    def test_the_trace_does_not_depend_on_the_occupation(self):
        X, _, y, _, gender, _ = make_biased_biographies(
            8000, n_classes=2, bias=0, scrub=True, trace=1.0, random_state=0
        )
        warm = np.array([" warm " in text for text in X])
        assert not warm[gender == "male"].any()
        nurses, surgeons = (
            warm[(y == name) & (gender == "female")].mean() for name in ("nurse", "surgeon")
        )
        assert nurses == pytest.approx(0.25, abs=0.04)
        assert surgeons == pytest.approx(0.25, abs=0.04)

    def test_occupations_are_those_of_bias_in_bios(self):
        assert set(OCCUPATIONS) == set(PROFESSIONS)
        assert len(PROFESSIONS) == 28

    def test_seeds(self):
        one, same, other = (make_biased_biographies(50, random_state=s) for s in (0, 0, 1))
        for a, b in zip(one, same):
            np.testing.assert_array_equal(a, b)
        assert (one[0] != other[0]).any()
        assert one[0].dtype == one[1].dtype == object
        assert all(type(text) is str for text in one[0])


class TestLearning:
    def test_the_task_is_neither_trivial_nor_hopeless(self):
        X, X_test, y, y_test, *_ = make_biased_biographies(bias=0, random_state=0)
        accuracy = accuracy_score(y_test, learn(X, y).predict(X_test))
        assert 0.75 < accuracy < 0.92

    @pytest.mark.parametrize(
        ("scrub", "low", "high"), [(False, 0.3, 0.6), (True, 0.05, 0.3)]
    )
    def test_a_plain_classifier_treats_the_genders_differently(self, scrub, low, high):
        X, X_test, y, y_test, _, gender = make_biased_biographies(
            scrub=scrub, random_state=0
        )
        assert low < mean_gap(y_test, learn(X, y).predict(X_test), gender) < high

    def test_scrubbed_texts_give_the_gender_away_but_not_surely(self):
        X, X_test, _, _, gender, gender_test = make_biased_biographies(
            bias=0, scrub=True, random_state=0
        )
        proba = learn(X, gender).predict_proba(X_test)[:, 1]
        assert 0.75 < roc_auc_score(gender_test == "male", proba) < 0.95


class TestErrors:
    @pytest.mark.parametrize("weights", [[1, 1], [1, 1, -1], [0, 0, 0]])
    def test_weights(self, weights):
        with pytest.raises(ValueError, match="class_weights must hold 3 weights"):
            make_biased_biographies(n_classes=3, class_weights=weights)

    @pytest.mark.parametrize(
        "setting", [{"n_classes": 29}, {"bias": 1.1}, {"trace": -0.1}, {"n_test": 0}]
    )
    def test_settings(self, setting):
        with pytest.raises(ValueError, match=f"'{next(iter(setting))}' parameter"):
            make_biased_biographies(**setting)
