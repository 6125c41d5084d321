"""Weight normalisation: folded weights are those that torch computes."""

import torch
from torch import nn

from tts_codecs.nn.weight_norm import folded


def test_folds_either_form() -> None:
    for layer in (nn.Conv1d(4, 2, 3), nn.ConvTranspose1d(4, 2, 3, groups=2), nn.Linear(3, 5)):
        found = nn.Sequential(nn.utils.parametrizations.weight_norm(layer)).state_dict()
        ends = {f"parametrizations.weight.original{k}": f"weight_{'gv'[k]}" for k in (0, 1)}
        older = {}
        for name, value in found.items():
            for end, old in ends.items():
                name = name.replace(end, old)
            older[name] = value
        assert older.keys() == {"0.weight_g", "0.weight_v", "0.bias"}
        for state in (found, older):
            tensors = folded(state)
            assert tensors.keys() == {"0.weight", "0.bias"}
            torch.testing.assert_close(tensors["0.weight"], layer.weight)
            assert torch.equal(tensors["0.bias"], found["0.bias"])
