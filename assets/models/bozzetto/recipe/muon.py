"""Muon for the weight matrices, AdamW for everything else.

Muon orthogonalises the momentum of each matrix by Newton-Schulz iterations; the update is scaled
to the size an AdamW update would have, so that one learning rate serves both.
"""

import torch

# Coefficients of the quintic iteration, one row per step; the first rows stretch small singular
# values fast, so that three steps are enough for a training direction.
NEWTON_SCHULZ = [(4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037)]


def orthogonalise(matrix):
    matrix = matrix / (matrix.norm() + 1e-7)
    tall = matrix.size(0) > matrix.size(1)
    if tall:
        matrix = matrix.T
    for a, b, c in NEWTON_SCHULZ:
        gram = matrix @ matrix.T
        gram = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        matrix = torch.addmm(matrix, gram, matrix, beta=a)
    return matrix.T if tall else matrix


class MuonAdam(torch.optim.Optimizer):
    """`adam_only` lists matrices that are tables or ends of the network: AdamW suits them better.

    `precision` is that of the iterations alone; momentum and weights keep their own.
    """

    def __init__(
        self,
        parameters,
        rate,
        momentum=0.95,
        betas=(0.9, 0.98),
        weight_decay=0.0,
        adam_only=(),
        precision=torch.float32,
    ):
        self.adam_only = {id(parameter) for parameter in adam_only}
        self.precision = precision
        super().__init__(parameters, dict(lr=rate, momentum=momentum, betas=betas, weight_decay=weight_decay))

    def _is_matrix(self, parameter):
        if parameter.ndim < 2 or id(parameter) in self.adam_only:
            return False
        return parameter.size(0) >= 16 and parameter[0].numel() >= 16

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if group["weight_decay"]:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                update = self._muon if self._is_matrix(parameter) else self._adam
                update(parameter, self.state[parameter], group)

    def _muon(self, parameter, state, group):
        if not state:
            state["first"] = torch.zeros_like(parameter)
        state["first"].lerp_(parameter.grad, 1 - group["momentum"])
        ahead = parameter.grad.lerp(state["first"], group["momentum"])
        direction = orthogonalise(ahead.reshape(parameter.size(0), -1).to(self.precision))
        scale = 0.2 * max(direction.shape) ** 0.5
        parameter.add_(direction.reshape(parameter.shape), alpha=-group["lr"] * scale)

    def _adam(self, parameter, state, group):
        if not state:
            state["first"] = torch.zeros_like(parameter)
            state["second"] = torch.zeros_like(parameter)
            state["steps"] = 0
        state["steps"] += 1
        fast, slow = group["betas"]
        state["first"].lerp_(parameter.grad, 1 - fast)
        state["second"].mul_(slow).addcmul_(parameter.grad, parameter.grad, value=1 - slow)
        mean = state["first"] / (1 - fast ** state["steps"])
        spread = (state["second"] / (1 - slow ** state["steps"])).sqrt_().add_(1e-8)
        parameter.addcdiv_(mean, spread, value=-group["lr"])
