"""Every line of the table of faults, tried."""

import re

import pytest
from faults import FAULTS

from sklearn_bade.exceptions import FaintSignalWarning


@pytest.mark.filterwarnings(f"ignore::{FaintSignalWarning.__module__}.FaintSignalWarning")
@pytest.mark.parametrize("fault", FAULTS, ids=[f"{f.area}: {f.what}" for f in FAULTS])
def test_outcome(fault, recwarn):
    if fault.outcome == "works":
        fault.do()
    elif issubclass(fault.outcome, Warning):
        with pytest.warns(fault.outcome, match=re.compile(fault.text, re.DOTALL)):
            fault.do()
    else:
        with pytest.raises(fault.outcome, match=re.compile(fault.text, re.DOTALL)):
            fault.do()


def test_there_are_many():
    assert len(FAULTS) >= 80
    assert len({(fault.area, fault.what) for fault in FAULTS}) == len(FAULTS)
