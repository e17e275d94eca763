"""STDP of the zoo on a layer of snnTorch, by its exported module, which needs NumPy alone.

    metaplast export zoo/stdp --to python --out stdp.py

Ten inputs fire together, ten by themselves, all at 20 Hz. After one minute, the weights of the ten
that fire together are at their upper bound, 0.3, and the others below.
"""

import snntorch
import stdp  # the exported module
import torch

N_TOGETHER, N_ALONE, N_CELLS = 10, 10, 5
RATE = 20e-3  # spikes in a step of 1 ms
torch.manual_seed(0)
layer = torch.nn.Linear(N_TOGETHER + N_ALONE, N_CELLS, bias=False)
cells = snntorch.Leaky(beta=0.9)

with torch.no_grad():
    layer.weight.fill_(0.15)
    state = stdp.init(layer.weight.numpy())
    membrane = cells.init_leaky()
    for _ in range(60_000):
        together = (torch.rand(1) < RATE).expand(N_TOGETHER)
        alone = torch.rand(N_ALONE) < RATE
        pre = torch.cat([together, alone]).float()
        post, membrane = cells(layer(pre), membrane)
        state, delta_w = stdp.update(
            pre=pre.numpy(), post=post.numpy(), weight=layer.weight.numpy(), state=state, dt=1e-3
        )
        layer.weight.add_(torch.from_numpy(delta_w).float()).clamp_(0.0, 0.3)

weight = layer.weight.detach()
print(f"together: mean weight {float(weight[:, :N_TOGETHER].mean()):.3f}")
print(f"alone: mean weight {float(weight[:, N_TOGETHER:].mean()):.3f}")
