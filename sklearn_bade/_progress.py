"""A progress bar over the stages of training."""

from contextlib import contextmanager

from tqdm.auto import tqdm


@contextmanager
def progress_bar(total, verbose, unit="epoch"):
    """Show a bar that advances by one unit a call.

    Parameters
    ----------
    total : int
        Number of units over all stages.

    verbose : int
        0 shows nothing; 1 shows the bar where the output is a terminal or a
        notebook; 2 and more show it everywhere.

    unit : str, default="epoch"
        What the bar counts.

    Yields
    ------
    advance : callable
        Takes the name of the stage that has finished a unit.
    """
    disable = {0: True, 1: None}.get(int(verbose), False)
    with tqdm(total=total, disable=disable, unit=unit, leave=False) as bar:

        def advance(stage):
            bar.set_description(stage, refresh=False)
            bar.update()
            if bar.n == total:
                bar.refresh()

        yield advance
