import numpy as np
import pytest
from PIL import Image
from skorch.helper import SliceDataset

from sklearn_bade.datasets import load_celeba, load_utkface
from sklearn_bade.exceptions import SkippedFilesWarning

FACES = [
    "25_0_2_20170116174525125.jpg",
    "31_1_0_20170116174525126.jpg.chip.jpg",
    "100_1_4_20170112213500903.png",
]
CELEBA_NAMES = [f"{i:06d}.jpg" for i in range(1, 7)]
ATTRIBUTES = "Attractive Male Young"
VALUES = [(1, -1, 1), (-1, 1, 1), (1, 1, -1), (-1, -1, -1), (1, -1, -1), (-1, 1, -1)]


def write_image(path, color, size=(20, 30)):
    Image.new("RGB", size, color).save(path, quality=95)


@pytest.fixture
def utkface(tmp_path):
    (tmp_path / "part").mkdir()
    for i, name in enumerate(FACES):
        folder = tmp_path / "part" if i == 1 else tmp_path
        write_image(folder / name, (80 * i, 0, 255 - 80 * i))
    return tmp_path


@pytest.fixture
def celeba(tmp_path):
    """CelebA as its owners pack it: two lists of text, and a folder of images."""
    images = tmp_path / "img_align_celeba"
    images.mkdir()
    for i, name in enumerate(CELEBA_NAMES):
        write_image(images / name, (40 * i, 0, 0))
    rows = [f"{n} {' '.join(map(str, v))}" for n, v in zip(CELEBA_NAMES, VALUES)]
    (tmp_path / "list_attr_celeba.txt").write_text("\n".join(["6", ATTRIBUTES, *rows]))
    parts = [f"{name} {i // 2}" for i, name in enumerate(CELEBA_NAMES)]
    (tmp_path / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")
    return tmp_path


class TestUTKFace:
    def test_names_tell_age_gender_and_race(self, utkface):
        faces = load_utkface(utkface, image_size=8)
        rows = sorted(map(tuple, faces.frame.to_numpy().tolist()))
        assert rows == [
            (25, "male", "Asian"),
            (31, "female", "White"),
            (100, "female", "Other"),
        ]
        assert sorted(faces.target) == ["female", "female", "male"]
        assert sorted(faces.sensitive_features) == ["Asian", "Other", "White"]
        assert list(load_utkface(utkface, sensitive="age").sensitive_features) == list(
            faces.frame["age"]
        )

    def test_images_are_read_when_they_are_needed(self, utkface):
        faces = load_utkface(utkface, image_size=8)
        assert isinstance(faces.data, SliceDataset)
        image = faces.data[faces.filenames.index(str(utkface / FACES[0]))]
        assert image.shape == (3, 8, 8)
        assert image.dtype == np.uint8
        np.testing.assert_allclose(image.mean(axis=(1, 2)), [0, 0, 255], atol=3)
        for name in faces.filenames:
            open(name, "w").close()
        with pytest.raises(OSError, match="cannot be read as an image"):
            faces.data[0]

    def test_other_names_are_left_out_with_a_warning(self, utkface):
        write_image(utkface / "39_1_20170116174525125.jpg", (0, 0, 0))
        with pytest.warns(SkippedFilesWarning, match=r"1 of 4 images .*: 39_1_2017"):
            faces = load_utkface(utkface)
        assert len(faces.data) == len(faces.target) == 3

    def test_copies_in_other_folders_are_left_out(self, utkface):
        (utkface / "crop").mkdir()
        write_image(utkface / "crop" / FACES[0], (0, 0, 0))
        with pytest.warns(
            SkippedFilesWarning, match="1 of 4 images are left out, since another"
        ):
            faces = load_utkface(utkface)
        assert len(faces.data) == 3

    def test_missing_files(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"There is no folder .*UTKFace"):
            load_utkface(tmp_path / "absent")
        write_image(tmp_path / "face.jpg", (0, 0, 0))
        with pytest.raises(FileNotFoundError, match=r"it has 1 image\(s\) of other names"):
            load_utkface(tmp_path)

    def test_bad_settings(self, utkface):
        with pytest.raises(ValueError, match="'target' parameter"):
            load_utkface(utkface, target="age")


class TestCelebA:
    @pytest.mark.parametrize(
        ("subset", "rows"),
        [("train", [0, 1]), ("validation", [2, 3]), ("test", [4, 5]), ("all", range(6))],
    )
    def test_attributes_and_subsets(self, celeba, subset, rows):
        faces = load_celeba(celeba, subset=subset, image_size=8)
        expected = np.array(VALUES)[list(rows)] == 1
        np.testing.assert_array_equal(faces.target, expected[:, 0])
        np.testing.assert_array_equal(faces.sensitive_features, expected[:, 1])
        assert list(faces.frame.index) == [CELEBA_NAMES[i] for i in rows]
        image = faces.data[1]
        assert image.shape == (3, 8, 8)
        assert abs(image[0].mean() - 40 * list(rows)[1]) < 4

    def test_folders_of_the_owners(self, celeba):
        expected = load_celeba(celeba)
        for folder in ("Anno", "Eval", "Img"):
            (celeba / folder).mkdir()
        for name, folder in [
            ("list_attr_celeba.txt", "Anno"),
            ("list_eval_partition.txt", "Eval"),
            ("img_align_celeba", "Img"),
        ]:
            (celeba / name).rename(celeba / folder / name)
        faces = load_celeba(celeba)
        np.testing.assert_array_equal(faces.target, expected.target)
        assert faces.data[0].shape == (3, 64, 64)

    def test_a_partition_that_was_cut_off(self, celeba):
        path = celeba / "list_eval_partition.txt"
        path.write_text("\n".join(path.read_text().splitlines()[:4]))
        with pytest.raises(ValueError, match=r"lacks 2 of the 6 images .* 000005.jpg"):
            load_celeba(celeba)

    def test_other_attributes(self, celeba):
        faces = load_celeba(celeba, target="Young", sensitive="Attractive", subset="all")
        assert faces.target.tolist() == [1, 1, 0, 0, 0, 0]
        assert faces.sensitive_features.tolist() == [1, 0, 1, 0, 1, 0]
        with pytest.raises(ValueError, match=r"'Old' is no attribute.*Attractive, Male"):
            load_celeba(celeba, target="Old")

    def test_tables_and_nested_folders(self, celeba):
        """The lists as some mirrors hand them out."""
        expected = load_celeba(celeba)
        first = expected.data[0]
        inner = celeba / "img_align_celeba"
        inner.rename(celeba / "inner")
        inner.mkdir()
        (celeba / "inner").rename(inner / "img_align_celeba")
        lines = (celeba / "list_attr_celeba.txt").read_text().splitlines()[1:]
        lines[0] = f"image_id {lines[0]}"
        parts = (celeba / "list_eval_partition.txt").read_text().split("\n")
        for name, rows in [
            ("list_attr_celeba", lines),
            ("list_eval_partition", ["image_id partition", *parts]),
        ]:
            (celeba / f"{name}.txt").unlink()
            (celeba / f"{name}.csv").write_text("\n".join(rows).replace(" ", ","))
        faces = load_celeba(celeba)
        np.testing.assert_array_equal(faces.target, expected.target)
        np.testing.assert_array_equal(faces.data[0], first)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            (
                "list_attr_celeba.txt",
                "neither list_attr_celeba.txt nor list_attr_celeba.csv",
            ),
            ("list_eval_partition.txt", "neither list_eval_partition.txt nor"),
            ("img_align_celeba/000002.jpg", "1 of 2 images .* among them 000002.jpg"),
        ],
    )
    def test_missing_files(self, celeba, name, message):
        (celeba / name).unlink()
        with pytest.raises(FileNotFoundError, match=message):
            load_celeba(celeba)

    def test_missing_folders(self, celeba):
        with pytest.raises(FileNotFoundError, match=r"There is no folder .*CelebA"):
            load_celeba(celeba / "absent")
        (celeba / "img_align_celeba").rename(celeba / "images")
        with pytest.raises(FileNotFoundError, match="has no folder img_align_celeba"):
            load_celeba(celeba)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("6\n", "7\n", "announces 7 rows and has 6; it seems to be cut off"),
            ("000003.jpg 1 1 -1", "000003.jpg 1 1", "is broken"),
            ("000003.jpg 1 1 -1", "000003.jpg 1 1 x", "is broken"),
            ("000003.jpg 1 1 -1", "000003.jpg 1 1 5", "values other than -1 and 1"),
        ],
    )
    def test_broken_lists(self, celeba, old, new, message):
        path = celeba / "list_attr_celeba.txt"
        path.write_text(path.read_text().replace(old, new, 1))
        with pytest.raises(ValueError, match=message):
            load_celeba(celeba)
