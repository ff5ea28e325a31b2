"""A progress bar over the stages of training."""

from contextlib import contextmanager

from tqdm.auto import tqdm


@contextmanager
def progress_bar(total, verbose, unit="epoch"):
    """Show a bar over all stages; yield what advances it by one unit of a named stage.

    `verbose` is 0 for silence, 1 for a bar in terminals and notebooks, 2 for one
    everywhere.
    """
    disable = {0: True, 1: None}.get(int(verbose), False)
    with tqdm(total=total, disable=disable, unit=unit, leave=False) as bar:

        def advance(stage):
            bar.set_description(stage, refresh=False)
            bar.update()
            if bar.n == total:
                bar.refresh()

        yield advance
