"""Modules of skorch nets, traced by torch."""

import io
import warnings
from copy import deepcopy

import onnx
import torch

from ..nets._inference import first_output, to_logits
from ._onnx_graph import OPSET
from ._onnx_others import first_words

# Rows that a module is traced with: more than one, lest it take the number for fixed.
TRACED_ROWS = 2


class Outputs(torch.nn.Module):
    """A module's logits, and what its last linear layer receives."""

    def __init__(self, net, n_kept):
        super().__init__()
        self.module = deepcopy(net.module_).cpu().eval()
        self.criterion, self.n_kept = net.criterion_, n_kept
        linears = [m for m in self.module.modules() if isinstance(m, torch.nn.Linear)]
        self.seen = []
        if linears:
            linears[-1].register_forward_pre_hook(
                lambda _, inputs: self.seen.append(inputs[0])
            )

    def forward(self, X):
        """Compute both; only the first where `n_kept` is 1."""
        self.seen.clear()
        logits = to_logits(self.module(X), self.criterion)
        if self.n_kept == 1:
            return logits
        return logits, self.seen[-1].flatten(1)


class Values(torch.nn.Module):
    """A module's values, as they are."""

    def __init__(self, net):
        super().__init__()
        self.module = deepcopy(net.module_).cpu().eval()

    def forward(self, X):
        """Compute the first output."""
        return first_output(self.module(X))


def add_logits(graph, net, features, example, n_kept=1):
    """Graft a net that classifies; `example` are some rows of its features."""
    return _graft(graph, Outputs(net, n_kept), net, features, example)


def add_values(graph, net, features, example):
    """Graft a net that returns values."""
    return _graft(graph, Values(net), net, features, example)[0]


def _graft(graph, module, net, features, example):
    """Trace a module, and take over what it does; name its outputs."""
    example = torch.as_tensor(example[:TRACED_ROWS])
    if len(example) < TRACED_ROWS:
        example = torch.cat([example] * TRACED_ROWS)
    with torch.no_grad():
        n_outputs = 1 if isinstance(module(example), torch.Tensor) else 2
    names = [f"output_{i}" for i in range(n_outputs)]
    file = io.BytesIO()
    try:
        with warnings.catch_warnings():
            # The exporter that needs no further package is the older of torch's two.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            torch.onnx.export(
                module.eval(),
                (example,),
                file,
                input_names=["rows"],
                output_names=names,
                dynamic_axes={name: {0: "n_rows"} for name in ["rows", *names]},
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # torch raises many classes, by operator
        raise ValueError(
            f"{type(net.module_).__name__} cannot be converted to ONNX: torch says "
            f"{first_words(error)!r}. Use operators that "
            "torch.onnx.export knows, or keep the classifier by sklearn_bade.saving.save."
        ) from error
    outputs = graph.graft(onnx.load_from_string(file.getvalue()), {"rows": features})
    return [outputs[name] for name in names]
