"""Warnings and errors of this package, each of a class of its own.

Filter by class where a warning is no news to you::

    import warnings
    from sklearn_bade.exceptions import FewRowsWarning

    warnings.simplefilter("ignore", FewRowsWarning)
"""

__all__ = [
    "ChannelOrderWarning",
    "CleanLossWarning",
    "CostlyGapWarning",
    "CutGroupsWarning",
    "DebiasWarning",
    "FaintSignalWarning",
    "FavourableLabelWarning",
    "FewRowsWarning",
    "InfrequentColumnWarning",
    "InvisibleTriggerWarning",
    "LostConstraintWarning",
    "LostWorkerWarning",
    "ModelFileError",
    "OtherVersionWarning",
    "OwnLossWarning",
    "RecallLossWarning",
    "RowOrderWarning",
    "SingleBaselineWarning",
    "SkippedFilesWarning",
    "SmallSelectionWarning",
    "TiedSelectionWarning",
    "TriggerNotFoundWarning",
    "UndefinedDisparityWarning",
    "UnreachedBoundWarning",
    "UnreadableRowsError",
    "UnreadableValueWarning",
    "UnweightedDisparityWarning",
    "UselessDisparityWarning",
    "VanishedClassWarning",
    "VisibleAttributeWarning",
    "WeakTriggerWarning",
    "WideningStrengthWarning",
]


class DebiasWarning(UserWarning):
    """What all warnings of this package have in common."""


class ChannelOrderWarning(DebiasWarning):
    """The channels of images seem to come last, where networks expect them first."""


class CleanLossWarning(DebiasWarning):
    """A repaired network is less good on clean rows than was asked for."""


class CostlyGapWarning(DebiasWarning):
    """A gap is left that is more than noise, since closing it would cost too much."""


class CutGroupsWarning(DebiasWarning):
    """A sensitive column of many numbers was cut into intervals."""


class FaintSignalWarning(DebiasWarning):
    """The features say so little of the group that debiasing can hardly act."""


class FavourableLabelWarning(DebiasWarning):
    """The alphabet, or what occurs, decides which label is taken for the favourable one."""


class FewRowsWarning(DebiasWarning):
    """A class has few rows in a group, so that its rates are uncertain."""


class InfrequentColumnWarning(DebiasWarning):
    """A text column has no value that occurs often enough to be learned from."""


class InvisibleTriggerWarning(DebiasWarning):
    """A trigger can hardly be seen on the images that it is stamped on."""


class LostConstraintWarning(DebiasWarning):
    """A demand on the classifier, such as monotony, does not hold for the student."""


class LostWorkerWarning(DebiasWarning):
    """A worker of a cluster has died, and what it trained on is trained on once more."""


class ModelFileError(ValueError):
    """A file of a classifier is damaged, foreign, changed, too large or too new."""


class UnreadableRowsError(OSError):
    """Items of a dataset cannot be read, such as images in broken files."""


class OtherVersionWarning(DebiasWarning):
    """A classifier was saved or pickled under another version."""


class OwnLossWarning(DebiasWarning):
    """A net computes its loss in a way that the student does not follow."""


class RecallLossWarning(DebiasWarning):
    """A repaired network finds fewer rows of some classes than the original."""


class RowOrderWarning(DebiasWarning):
    """Objects that belong together share some row labels, and not others."""


class SingleBaselineWarning(DebiasWarning):
    """An audit has one plain classifier only to compare with."""


class SkippedFilesWarning(DebiasWarning):
    """Files of a data set were left out."""


class SmallSelectionWarning(DebiasWarning):
    """So few rows are to be decided that a share of them is none, or all."""


class TiedSelectionWarning(DebiasWarning):
    """A selection ends among rows of equal probability, of which only some are selected."""


class TriggerNotFoundWarning(DebiasWarning):
    """A search for a backdoor's trigger ended without one, and nothing was changed."""


class UndefinedDisparityWarning(DebiasWarning):
    """A disparity rests on rates that some groups have no rows for."""


class UnreachedBoundWarning(DebiasWarning):
    """No candidate of a search keeps the bound that was asked for."""


class UnreadableValueWarning(DebiasWarning):
    """A value cannot be read as what its column held in training."""


class UnweightedDisparityWarning(DebiasWarning):
    """A user's own disparity is not about the population that candidates are judged for."""


class UselessDisparityWarning(DebiasWarning):
    """A disparity is zero for every candidate, although they decide differently."""


class VanishedClassWarning(DebiasWarning):
    """A classifier hardly ever predicts a class that it was trained on."""


class VisibleAttributeWarning(DebiasWarning):
    """A feature tells the sensitive attribute of every row, and the student sees it."""


class WeakTriggerWarning(DebiasWarning):
    """A teacher has hardly learned what triggers say, so that strengths mean little."""


class WideningStrengthWarning(DebiasWarning):
    """A strength adds to a bias: it is negative, or gaps are wider with it than without."""
