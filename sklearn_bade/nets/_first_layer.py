"""Widening a network's first linear layer, and cutting it back."""

import torch

ADVICE = (
    "Use trigger=BlendTrigger(), which works with any network, or begin the module "
    "with a torch.nn.Linear layer that receives the features unchanged."
)


def find_first_linear(module, n_features):
    """Find the linear layer that takes the features in."""
    linears = [m for m in module.modules() if isinstance(m, torch.nn.Linear)]
    for layer in linears:
        if layer.in_features == n_features:
            return layer
    raise ValueError(
        f"{type(module).__name__} has no linear layer with {n_features} inputs (the "
        "number of features without the sensitive columns), so no trigger columns can "
        f"be added; its linear layers take {[m.in_features for m in linears]} inputs. "
        + ADVICE
    )


def widen(layer, n_columns, *, with_zeros=False):
    """Let a linear layer take more columns, in place.

    Parameters stay the same objects, so optimizers and schedules that hold them
    go on working. The new weights are drawn as torch draws those of a new layer, or zero
    where the layer belongs to a network that knows its task already.
    """
    n_inputs = layer.in_features + n_columns
    if with_zeros:
        extra = layer.weight.new_zeros(layer.out_features, n_columns)
    else:
        fresh = torch.nn.Linear(n_inputs, layer.out_features).weight
        extra = fresh[:, layer.in_features :].to(layer.weight)
    layer.weight.data = torch.cat([layer.weight, extra], dim=1).detach()
    layer.in_features = n_inputs


def cut_back(teacher_state, student_state):
    """Take a teacher's weights without those of its triggers.

    The values of trigger columns average to zero over the groups, so what is left is
    the teacher's view under the mean trigger.
    """
    sizes = {name: value.shape for name, value in student_state.items()}
    return {
        name: value[tuple(slice(size) for size in sizes[name])]
        for name, value in teacher_state.items()
    }


def inputs_in_trial(net, layer, rows, what, advice):
    """List what a layer receives in a trial run; `what` tells an error what is new."""
    seen = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        net.evaluation_step((rows, None))
    except (RuntimeError, ValueError, IndexError) as error:
        module = type(net.module_).__name__
        said = f"The module {module} cannot take {what} ({error}). {advice}"
        raise ValueError(said) from error
    finally:
        hook.remove()
    return seen


def check_trigger_arrives(net, layer, rows, n_columns):
    """Check with a trial run that the trigger columns reach the widened layer."""
    what = f"{n_columns} trigger columns beside its features"
    seen = inputs_in_trial(net, layer, rows, what, ADVICE)
    triggers = rows[:, -n_columns:].to(net.device)
    if not seen or not torch.equal(seen[0][..., -n_columns:], triggers):
        raise ValueError(
            f"The trigger columns do not reach the first linear layer of "
            f"{type(net.module_).__name__} unchanged. " + ADVICE
        )
