"""Pictures of what debiasing costs and gains."""

from ._group_rates import GroupRatesDisplay
from ._strength_path import StrengthPathDisplay

__all__ = ["GroupRatesDisplay", "StrengthPathDisplay"]
