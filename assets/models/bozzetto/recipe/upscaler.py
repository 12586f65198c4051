"""The upscaler's network: SRVGGNetCompact, the architecture of Real-ESRGAN's compact models, four times.

Keys are body.0 (convolution), body.1 (PReLU), body.2 ...; the last convolution's channels become
pixels (pixel shuffle), and the input, each pixel repeated, is added. Pictures are RGB from 0 to 1.
"""

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import interpolate, pixel_shuffle

SCALE = 4


class Compact(nn.Module):
    def __init__(self, features, convolutions):
        super().__init__()
        layers = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        layers.append(nn.Conv2d(features, 3 * SCALE**2, 3, padding=1))
        self.body = nn.Sequential(*layers)

    def forward(self, pictures):
        detail = pixel_shuffle(self.body(pictures), SCALE)
        return interpolate(pictures, scale_factor=SCALE, mode="nearest") + detail


def new_upscaler(features, convolutions):
    """Starts as the repeated pixels: the last convolution is zero."""
    network = Compact(features, convolutions)
    for layer in network.body:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.25)
            nn.init.zeros_(layer.bias)
    nn.init.zeros_(network.body[-1].weight)
    return network


def load_upscaler(path):
    """From a .safetensors file; its sizes are read off the weights."""
    state = {name: value.float() for name, value in load_file(path).items()}
    convolutions = sum(value.ndim == 4 for value in state.values())
    network = Compact(state["body.0.weight"].size(0), convolutions - 2)
    network.load_state_dict(state)
    return network.eval()


def save_upscaler(network, path):
    """In half precision, written aside and renamed."""
    aside = path.with_suffix(".writing")
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    save_file(halves, aside, metadata={"format": "pt"})
    aside.rename(path)


@torch.no_grad()
def enlarge(network, pictures):
    """N,3,H,W in [-1, 1] -> N,3,4H,4W in [-1, 1]."""
    return network((pictures + 1) / 2).clamp(0, 1) * 2 - 1
