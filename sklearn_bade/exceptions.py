"""Warnings of this package, each of a class of its own.

Filter by class where a warning is no news to you::

    import warnings
    from sklearn_bade.exceptions import FewRowsWarning

    warnings.simplefilter("ignore", FewRowsWarning)
"""

__all__ = [
    "ChannelOrderWarning",
    "DebiasWarning",
    "FaintSignalWarning",
    "FewRowsWarning",
    "InvisibleTriggerWarning",
    "OwnLossWarning",
    "SingleBaselineWarning",
    "SkippedFilesWarning",
    "UndefinedDisparityWarning",
    "UnreachedBoundWarning",
]


class DebiasWarning(UserWarning):
    """What all warnings of this package have in common."""


class ChannelOrderWarning(DebiasWarning):
    """The channels of images seem to come last, where networks expect them first."""


class FaintSignalWarning(DebiasWarning):
    """The features say so little of the group that debiasing can hardly act."""


class FewRowsWarning(DebiasWarning):
    """A class has few rows in a group, so that its rates are uncertain."""


class InvisibleTriggerWarning(DebiasWarning):
    """A trigger can hardly be seen on the images that it is stamped on."""


class OwnLossWarning(DebiasWarning):
    """A net computes its loss in a way that the student does not follow."""


class SingleBaselineWarning(DebiasWarning):
    """An audit has one plain classifier only to compare with."""


class SkippedFilesWarning(DebiasWarning):
    """Files of a data set were left out."""


class UndefinedDisparityWarning(DebiasWarning):
    """A disparity rests on rates that some groups have no rows for."""


class UnreachedBoundWarning(DebiasWarning):
    """No candidate of a search keeps the bound that was asked for."""
