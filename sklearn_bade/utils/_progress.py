"""A progress bar over the stages of training."""

from contextlib import contextmanager

from tqdm.auto import tqdm


class Progress:
    """What advances a bar by some units when it is called with the name of a stage."""

    def __init__(self, bar):
        self.bar = bar

    def __call__(self, stage, n_units=1):
        self.bar.set_description(stage, refresh=False)
        self.bar.update(n_units)
        if self.bar.n == self.bar.total:
            self.bar.refresh()

    def expect(self, n_units):
        """Add units to those that are to come."""
        self.bar.total += n_units
        self.bar.refresh()


# For those who show nothing.
SILENT = Progress(tqdm(total=0, disable=True))


@contextmanager
def progress_bar(total, verbose, unit="epoch"):
    """Show a bar over all stages; yield what advances it, see :class:`Progress`.

    `verbose` is 0 for silence, 1 for a bar in terminals and notebooks, 2 for one
    everywhere.
    """
    disable = {0: True, 1: None}.get(int(verbose), False)
    with tqdm(total=total, disable=disable, unit=unit, leave=False) as bar:
        yield Progress(bar)
