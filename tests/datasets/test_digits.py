import numpy as np
import pytest

from sklearn_bade.datasets import make_colored_digits, make_marked_digits


class TestColoredDigits:
    def test_train_colours_go_with_the_class_as_strongly_as_asked(self):
        for correlation in (0.0, 0.5, 0.9, 1.0):
            _, _, y, _, color, _ = make_colored_digits(
                correlation=correlation, random_state=0
            )
            measured = np.corrcoef(y, color == "green")[0, 1]
            assert measured == pytest.approx(correlation, abs=0.005)

    @pytest.mark.parametrize(("n_classes", "n_colors"), [(2, 2), (10, 2), (10, 6), (2, 3)])
    def test_every_test_digit_appears_once_in_each_colour(self, n_classes, n_colors):
        *_, X, y_train, y, _, color = make_colored_digits(
            n_classes, n_colors=n_colors, random_state=1
        )
        names, counts = np.unique(color, return_counts=True)
        assert len(names) == n_colors
        assert len(set(counts)) == 1
        shapes = X.max(axis=1).reshape(-1, n_colors, 64)
        np.testing.assert_array_equal(shapes, shapes[:, :1].repeat(n_colors, axis=1))
        assert (y.reshape(-1, n_colors) == y[::n_colors, None]).all()
        assert np.unique(y_train).tolist() == list(range(n_classes))

    def test_colours_are_where_their_names_say(self):
        X, *_, color, _ = make_colored_digits(n_colors=2, random_state=0)
        assert X.dtype == np.float32
        assert (X.min(), X.max()) == (0, 1)
        assert not X[color == "red", 1:].any()
        assert X[color == "red", 0].any(axis=(1, 2)).all()

    def test_seeds(self):
        one, same, other = (make_colored_digits(random_state=s)[0] for s in (0, 0, 1))
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()


MARKS = {
    "border": ["plain", "framed"],
    "brightness": ["dark", "bright"],
    "texture": ["horizontal", "vertical"],
}


@pytest.mark.parametrize("mark", MARKS)
class TestMarkedDigits:
    def test_marks_go_with_the_class_as_strongly_as_asked(self, mark):
        for correlation in (0.0, 0.5, 1.0):
            _, _, y, _, marks, _ = make_marked_digits(
                mark=mark, correlation=correlation, random_state=0
            )
            measured = np.corrcoef(y, marks == MARKS[mark][1])[0, 1]
            assert measured == pytest.approx(correlation, abs=0.005)

    @pytest.mark.parametrize("n_classes", [2, 10])
    def test_every_test_digit_appears_once_with_each_mark(self, mark, n_classes):
        _, X, _, y, _, marks = make_marked_digits(n_classes, mark=mark, random_state=1)
        assert marks.tolist() == MARKS[mark] * (len(X) // 2)
        assert (y[::2] == y[1::2]).all()
        assert not (X[::2] == X[1::2]).all(axis=(1, 2, 3)).any()

    def test_images_are_grey_and_as_bright_as_digits_at_most(self, mark):
        X, X_test, *_ = make_marked_digits(mark=mark, contrast=1.0, random_state=0)
        for images in (X, X_test):
            assert images.dtype == np.float32
            assert images.shape[1:] == (1, 8, 8)
            assert images.min() >= 0
            assert images.max() == 1

    def test_contrast_says_how_strong_the_mark_is(self, mark):
        def distance(contrast):
            _, X, *_ = make_marked_digits(mark=mark, contrast=contrast, random_state=0)
            return np.abs(X[::2] - X[1::2]).mean()

        assert 0 < distance(0.2) < distance(0.5) < distance(1.0)

    def test_seeds(self, mark):
        one, same, other = (
            make_marked_digits(mark=mark, random_state=s)[0] for s in (0, 0, 1)
        )
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)
