"""What may be built of a file: a fixed list, which no file can add to."""

from functools import cache

from sklearn.utils.discovery import all_estimators

# Scikit-learn checks what these hand to native code when they are fitted, and not again
# when they predict: numbers changed in a file could make them read foreign memory.
# Histogram boosting, trees and forests are of that kind too, but checked in _trees.
UNCHECKED = {
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "NuSVC",
    "NuSVR",
    "OneClassSVM",
    "SVC",
    "SVR",
}

_NUMBERS = ["bool", "bool_", "float16", "float32", "float64", "str_"] + [
    f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)
]
NUMPY_TYPES = {f"numpy.{name}" for name in _NUMBERS}
PYTHON_TYPES = {f"builtins.{name}" for name in ("bool", "float", "int", "str")}
# A dictionary makes each of its keys by calling one of these.
KEY_TYPES = NUMPY_TYPES | PYTHON_TYPES

OWN_FUNCTIONS = {
    f"sklearn_bade.{name}"
    for name in (
        "preprocessing._table._binary_columns",
        "preprocessing._table._categorical_columns",
        "preprocessing._table._measured_columns",
        "preprocessing._table.to_float32",
        "preprocessing._table.to_net_rows",
        "preprocessing._table.to_numbers",
        "preprocessing._table.to_token_rows",
        "rows._texts.as_row_of_texts",
    )
}
# Histogram boosting casts features by it.
SKLEARN_FUNCTIONS = {"sklearn.utils.validation.check_array"}
OWN_LEARNERS = {
    "sklearn_bade.learners._net.NetLearner",
    "sklearn_bade.learners._tokens.TokenLearner",
    "sklearn_bade.learners._weighted.WeightedLearner",
}
# What an estimator may keep of types; lightgbm makes its scores by the second.
OTHER_CLASSES = {"builtins.NoneType", "collections.OrderedDict"}
OWN_OBJECTS = {
    f"sklearn_bade.{name}"
    for name in (
        "_classifier.BackdoorDebiasClassifier",
        "_classifier_cv.BackdoorDebiasClassifierCV",
        "_decision.CostDecision",
        "_decision.Decision",
        "_decision.SelectionDecision",
        "_decision.ThresholdDecision",
        "_path.Path",
        "_path.Sketch",
        "learners._cells.ClassColumns",
        "learners._cells.GroupModelPerClass",
        "learners._cells.OneGroupModel",
        "learners._cells._GroupModel",
        "learners._net.NetCells",
        "learners._student.PathStudent",
        "preprocessing._raw_columns.TableReader",
        "saving._nets.ForgottenNet",
        "saving._nets.SavedNet",
        "triggers._blend.BlendTrigger",
        "triggers._image.PatchTrigger",
        "triggers._table.ColumnTrigger",
        "triggers._table.ValueTrigger",
        "triggers._tokens.TokenTrigger",
    )
}
# Parts of fitted estimators that are no estimators themselves.
SKLEARN_PARTS = {
    f"sklearn.{name}"
    for name in (
        "_loss.link.HalfLogitLink",
        "_loss.link.IdentityLink",
        "_loss.link.Interval",
        "_loss.link.LogLink",
        "_loss.link.LogitLink",
        "_loss.link.MultinomialLogit",
        "_loss.loss.ExponentialLoss",
        "_loss.loss.HalfBinomialLoss",
        "_loss.loss.HalfMultinomialLoss",
        "_loss.loss.HalfSquaredError",
        "compose._column_transformer.make_column_selector",
        "calibration._CalibratedClassifier",
        "calibration._SigmoidCalibration",
        "ensemble._hist_gradient_boosting.binning._BinMapper",
        "ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "frozen._frozen.FrozenEstimator",
        "model_selection._split.KFold",
        "model_selection._split.RepeatedStratifiedKFold",
        "model_selection._split.StratifiedKFold",
        "neural_network._stochastic_optimizers.AdamOptimizer",
        "neural_network._stochastic_optimizers.SGDOptimizer",
    )
}
LOSSES = {
    f"sklearn.{name}"
    for name in (
        "_loss._loss.CyExponentialLoss",
        "_loss._loss.CyHalfBinomialLoss",
        "_loss._loss.CyHalfMultinomialLoss",
        "_loss._loss.CyHalfSquaredError",
        "linear_model._sgd_fast.Hinge",
        "linear_model._sgd_fast.ModifiedHuber",
        "linear_model._sgd_fast.SquaredHinge",
    )
}


def full_name(named):
    """Name a class or function as skops does."""
    return f"{named.__module__}.{named.__name__}"


@cache
def _estimators():
    """Name the estimators of scikit-learn."""
    classes = [cls for name, cls in all_estimators() if name not in UNCHECKED]
    names = {full_name(cls) for cls in classes}
    return {name for name in names if name.startswith("sklearn.")}


def allowed_names(trusted=()):
    """Map each loader of skops that may be at work to the names that it may build.

    `trusted` are classes and functions of the user: they are imported already.
    """
    own = {full_name(named) for named in trusted}
    return {
        "BytearrayNode": {"builtins.bytearray"},
        "BytesNode": {"builtins.bytes"},
        "ConstructorFromReduceNode": {"sklearn_bade._path.Answers"} | own,
        "DTypeNode": {"numpy.dtype"},
        "DefaultDictNode": {"collections.defaultdict"},
        "DictNode": {
            "builtins.dict",
            "collections.OrderedDict",
            "sklearn.utils._bunch.Bunch",
        },
        "FunctionNode": OWN_FUNCTIONS | SKLEARN_FUNCTIONS | own,
        "JsonNode": {"builtins.str"},
        "ListNode": {"builtins.list"},
        "LossNode": LOSSES,
        "MaskedArrayNode": {"numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"},
        "NdArrayNode": {"numpy.ndarray"} | NUMPY_TYPES,
        "ObjectNode": _estimators() | SKLEARN_PARTS | OWN_OBJECTS | own,
        "PartialNode": {"functools.partial"},
        "RandomGeneratorNode": {"numpy.random._generator.Generator"},
        "RandomStateNode": {"numpy.random.mtrand.RandomState"},
        "SetNode": {"builtins.set"},
        "SliceNode": {"builtins.slice"},
        "TreeNode": {"sklearn.tree._tree.Tree"},
        "TupleNode": {"builtins.tuple"},
        "TypeNode": KEY_TYPES | OWN_LEARNERS | OTHER_CLASSES | own,
    }
