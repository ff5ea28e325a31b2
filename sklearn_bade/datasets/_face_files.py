"""A torch Dataset of image files."""

import stat

import numpy as np
from PIL import Image, ImageOps
from skorch.helper import SliceDataset
from torch.utils.data import Dataset

# What the two data sets consist of; other readers of Pillow start other programs.
FORMATS = ("JPEG", "PNG")


def open_faces(paths, labels, image_size):
    """Make a dataset of images of files that are read when they are needed."""
    return SliceDataset(FaceFiles(paths, labels, image_size))


class FaceFiles(Dataset):
    """Images in files of any size, cut and scaled to a square when they are read."""

    def __init__(self, paths, labels, image_size):
        self.paths = paths
        self.labels = labels
        self.image_size = image_size

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        """Read an image, of shape (3, image_size, image_size) and bytes, and its label."""
        return read_face(self.paths[i], self.image_size), self.labels[i]


def read_face(path, image_size):
    """Read an image as bytes of shape (3, image_size, image_size)."""
    size = (image_size, image_size)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError("it is no regular file")
        with Image.open(path, formats=FORMATS) as image:
            pixels = ImageOps.fit(image.convert("RGB"), size, Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OSError(
            f"{path} cannot be read as an image ({error}). Unpack or download it again, or "
            "leave broken files out with on_error='skip'."
        ) from error
    return np.asarray(pixels).transpose(2, 0, 1).copy()


def find_broken(paths):
    """Find the files that cannot be read as images, by reading each of them once."""
    broken = []
    for i, path in enumerate(paths):
        try:
            read_face(path, image_size=1)
        except OSError:
            broken.append(i)
    return broken
