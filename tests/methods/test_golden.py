"""Ten losses of every method on the tiny model, so that a change of the numbers is seen and explained.

AdamW at 3e-3 with the default options, in float64, where another kind of CPU or number of threads moves no loss by more
than 1e-6; in float32 FRoD's basis and a rounding to four bits can turn on the last bit. A new value needs its reason in
the commit that brings it.
"""

import pytest
import torch

from frod_bench.methods import attach, method_names

TOLERANCE = 1e-4
LOSSES = {
    "dora": [0.63951, 0.49916, 0.37696, 0.26664, 0.18227, 0.12553, 0.08565, 0.05808, 0.04104, 0.03049],
    "frod": [0.63951, 0.58341, 0.53476, 0.49054, 0.44814, 0.40648, 0.36579, 0.32693, 0.29083, 0.25803],
    "full_ft": [0.63951, 0.35395, 0.12919, 0.07857, 0.03231, 0.01765, 0.0119, 0.00896, 0.00716, 0.00592],
    "fura": [0.63951, 0.48075, 0.36451, 0.27355, 0.20764, 0.15846, 0.1186, 0.08718, 0.06465, 0.04959],
    "goat": [0.65519, 0.5958, 0.5282, 0.44525, 0.36976, 0.29173, 0.20958, 0.14493, 0.09956, 0.07393],
    "lora": [0.63951, 0.50715, 0.38848, 0.27901, 0.19236, 0.13308, 0.09142, 0.06195, 0.04329, 0.03183],
    "lori": [0.63951, 0.35564, 0.15233, 0.09268, 0.04727, 0.02823, 0.02077, 0.01647, 0.0132, 0.01076],
    "milora": [0.63951, 0.46904, 0.33706, 0.22223, 0.14333, 0.09657, 0.06595, 0.04511, 0.03193, 0.02355],
    "peft": [0.63951, 0.56262, 0.48782, 0.41262, 0.33673, 0.26467, 0.20351, 0.15604, 0.11935, 0.08997],
    "pissa": [0.63951, 0.34768, 0.17724, 0.10323, 0.05543, 0.03725, 0.02897, 0.02313, 0.01838, 0.01488],
    "qfura": [0.62602, 0.44283, 0.35131, 0.27666, 0.21059, 0.16087, 0.1266, 0.10125, 0.08063, 0.06375],
    "qlora": [0.60742, 0.47763, 0.36607, 0.26281, 0.17854, 0.1202, 0.08195, 0.05662, 0.04056, 0.02998],
    "randlora": [0.63951, 0.42026, 0.24546, 0.13152, 0.07693, 0.04907, 0.03104, 0.02021, 0.01443, 0.01157],
    "vera": [0.63951, 0.62287, 0.60781, 0.59412, 0.58144, 0.5693, 0.55724, 0.54492, 0.53218, 0.51901],
}


def test_every_method_has_its_losses():
    assert set(LOSSES) == set(method_names())


@pytest.mark.parametrize("method", LOSSES)
def test_ten_losses(method, make_model, targets, head, batch):
    dtype = torch.float32 if method == "pissa" else torch.float64  # PEFT's PiSSA takes no float64
    adapted = attach(make_model().to(dtype), method, targets=targets, head=head, seed=0)
    assert ten_losses(adapted, batch) == pytest.approx(LOSSES[method], abs=TOLERANCE)


def ten_losses(adapted, batch):
    """Return the loss before each of ten steps, with the method's own term."""
    adapted.model.train()
    optimizer = torch.optim.AdamW([p for group in adapted.roles.values() for p in group], lr=3e-3)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = adapted.model(**batch).loss + adapted.auxiliary_loss()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
