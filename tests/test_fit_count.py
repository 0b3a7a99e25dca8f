"""03_sft/fit_estimate.py against the allocations that torch makes on fake tensors
(tests/bench/count_memory.py): within 15 %."""

import sys

import fit_estimate as fit
import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "tests/bench"))
import count_memory

LLAMA, MOE, SMALL = "meta-llama/Llama-3.1-8B", "Qwen/Qwen3-30B-A3B-Base", "Qwen/Qwen3-1.7B-Base"
FEW = [(SMALL, "full"), (LLAMA, "full_stored"), (MOE, "lora"), (MOE, "full_8"), (SMALL, "full_8")]
ALL = [
    (name, way) for name in fit.KNOWN for way in count_memory.WAYS if (name, way) != (MOE, "full")
]


@pytest.mark.parametrize(
    ("name", "way"),
    [pytest.param(*cell, marks=pytest.mark.slow) for cell in FEW]
    + [pytest.param(*cell, marks=pytest.mark.long) for cell in ALL if cell not in FEW],
)
def test_estimate_and_count_agree(name, way):
    shape, settings = fit.KNOWN[name], count_memory.WAYS[way]
    need = fit.memory(shape, **settings)
    counted = count_memory.extended(shape, **settings)
    assert need["total"] - need["overhead"] == pytest.approx(counted, rel=0.15)
