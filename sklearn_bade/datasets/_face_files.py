"""A torch Dataset of image files."""

import numpy as np
from PIL import Image, ImageOps
from skorch.helper import SliceDataset
from torch.utils.data import Dataset


def open_faces(paths, labels, image_size):
    """Make a dataset of images of files that are read when they are needed."""
    return SliceDataset(FaceFiles(paths, labels, image_size))


class FaceFiles(Dataset):
    """Images in files, read when they are needed."""

    def __init__(self, paths, labels, image_size):
        self.paths = paths
        self.labels = labels
        self.image_size = image_size

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        """Read an image, of shape (3, image_size, image_size) and bytes, and its label."""
        size = (self.image_size, self.image_size)
        try:
            with Image.open(self.paths[i]) as image:
                pixels = ImageOps.fit(image.convert("RGB"), size, Image.Resampling.BILINEAR)
        except OSError as error:
            raise OSError(
                f"{self.paths[i]} cannot be read as an image ({error}). Unpack or download "
                "it again."
            ) from error
        return np.asarray(pixels).transpose(2, 0, 1).copy(), self.labels[i]
