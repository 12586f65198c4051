"""A data-driven start for a tiny autoencoder.

From random weights a two-core machine spends its first ten minutes on finding colours. Here the
encoder starts as an exact space-to-depth with PCA after every halving, the decoder as a smooth
painter of the block's mean colour: about 18 dB before the first step. Two tricks carry linear
maps through the network's last normalisation and SiLU:

* every value travels as a pair of channels +v and -v, since silu(v) - silu(-v) = v;
* constant channels of alternating sign keep GroupNorm's scale nearly constant.
"""

import torch
from torch.nn.functional import avg_pool2d


def space_to_depth(maps):
    return torch.cat([maps[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)


def principal_rows(maps, count):
    """The leading directions of the channels' uncentred covariance, one a row."""
    flat = maps.permute(1, 0, 2, 3).reshape(maps.shape[1], -1)
    _, vectors = torch.linalg.eigh(flat @ flat.T / flat.shape[1])
    return vectors[:, -count:].T.flip(0)


def pass_through(convolution, count, scale=0.3):
    """Make the first `count` channels of a 1x1 shortcut the identity."""
    convolution.weight.mul_(scale)
    convolution.weight[:count] = 0
    convolution.bias[:count] = 0
    for channel in range(count):
        convolution.weight[channel, channel, 0, 0] = 1


def quieten_branches(vae):
    for module in vae.modules():
        kind = type(module).__name__
        if kind == "ResnetBlock2D":
            module.conv2.weight.mul_(0.1)
            module.conv2.bias.zero_()
        elif kind == "Attention":
            module.to_out[0].weight.mul_(0.05)
            module.to_out[0].bias.zero_()


def start_encoder(vae, pictures, constant):
    encoder, latent = vae.encoder, vae.config.latent_channels
    encoder.conv_in.weight.mul_(0.3)
    encoder.conv_in.weight[:3] = 0
    encoder.conv_in.bias.zero_()
    for colour in range(3):
        encoder.conv_in.weight[colour, colour, 1, 1] = 1

    maps, carried = pictures, 3
    for block in encoder.down_blocks[:-1]:
        shortcut = block.resnets[0].conv_shortcut
        if shortcut is not None:
            pass_through(shortcut, carried)
        halve = block.downsamplers[0].conv
        spread = space_to_depth(maps)
        kept = min(halve.weight.shape[0], spread.shape[1])
        rows = principal_rows(spread, kept) if kept < spread.shape[1] else torch.eye(kept)
        halve.weight.mul_(0.3)
        halve.weight[:kept] = 0
        halve.bias[:kept] = 0
        for place, (i, j) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
            halve.weight[:kept, :carried, i, j] = rows[:, place * carried : (place + 1) * carried]
        maps, carried = torch.einsum("kc,nchw->nkhw", rows, spread), kept

    rows = principal_rows(maps, latent)
    scale = torch.einsum("kc,nchw->nkhw", rows, maps).pow(2).mean((0, 2, 3)).sqrt()
    rows = rows / scale[:, None]
    shortcut = encoder.down_blocks[-1].resnets[0].conv_shortcut
    half = shortcut.weight.shape[0] // 2
    shortcut.weight.mul_(0.3)
    shortcut.bias.zero_()
    for first, sign in ((0, 1), (half, -1)):
        shortcut.weight[first : first + latent + 8] = 0
        shortcut.weight[first : first + latent, :carried, 0, 0] = sign * rows
        shortcut.bias[first + latent : first + latent + 8] = torch.tensor([constant, -constant] * 4)

    end = encoder.conv_out
    end.weight.mul_(0.1)
    end.bias.zero_()
    end.weight[:latent] = 0
    for channel in range(latent):
        end.weight[channel, channel, 1, 1] = 1
        end.weight[channel, half + channel, 1, 1] = -1
    end.weight[latent:] *= 0.1
    end.bias[latent:] = -5  # a small posterior variance
    for convolution, channels in ((vae.quant_conv, 2 * latent), (vae.post_quant_conv, latent)):
        convolution.weight.copy_(torch.eye(channels)[:, :, None, None])
        convolution.bias.zero_()
    deviation = vae.encode(pictures).latent_dist.mean.std((0, 2, 3))
    end.weight[:latent] /= deviation.view(-1, 1, 1, 1)


def start_decoder(vae, pictures, constant):
    decoder, latent = vae.decoder, vae.config.latent_channels
    codes = vae.encode(pictures).latent_dist.mean
    means = avg_pool2d(pictures, pictures.shape[-1] // codes.shape[-1])
    known = torch.cat([codes.permute(0, 2, 3, 1).reshape(-1, latent), torch.ones(codes.numel() // latent, 1)], 1)
    fit = torch.linalg.lstsq(known, means.permute(0, 2, 3, 1).reshape(-1, 3)).solution

    decoder.conv_in.weight.mul_(0.5)
    decoder.conv_in.weight[:3] = 0
    decoder.conv_in.bias.zero_()
    decoder.conv_in.weight[:3, :, 1, 1] = fit[:latent].T
    decoder.conv_in.bias[:3] = fit[latent]
    smooth = torch.tensor([1.0, 2.0, 1.0])
    smooth = smooth[:, None] * smooth / 16
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            if resnet.conv_shortcut is not None:
                pass_through(resnet.conv_shortcut, 3)
        if block.upsamplers is not None:
            double = block.upsamplers[0].conv
            double.weight.mul_(0.3)
            double.weight[:3] = 0
            double.bias[:3] = 0
            for colour in range(3):
                double.weight[colour, colour] = smooth

    shortcut = decoder.up_blocks[-1].resnets[0].conv_shortcut
    half = shortcut.weight.shape[0] // 2
    shortcut.weight[half : half + 3] = 0
    shortcut.bias.zero_()
    for colour in range(3):
        shortcut.weight[half + colour, colour, 0, 0] = -1
    for first in (3, half + 3):
        shortcut.weight[first : first + 4] = 0
        shortcut.bias[first : first + 4] = torch.tensor([constant, -constant] * 2) / 2
    end = decoder.conv_out
    end.weight.mul_(0.05)
    end.bias.zero_()
    for colour in range(3):
        end.weight[colour, [colour, half + colour]] = 0
        end.weight[colour, colour, 1, 1] = 1
        end.weight[colour, half + colour, 1, 1] = -1

    painted = vae.decode(codes).sample
    for colour in range(3):
        known = torch.stack([painted[:, colour].flatten(), torch.ones(painted[:, colour].numel())], 1)
        gain, offset = torch.linalg.lstsq(known, pictures[:, colour].flatten()[:, None]).solution.flatten()
        end.weight[colour] *= gain
        end.bias[colour] = end.bias[colour] * gain + offset


@torch.no_grad()
def start(vae, pictures, constant=3.0):
    """Initialise in place from some pictures; returns the PSNR it starts with."""
    quieten_branches(vae)
    start_encoder(vae, pictures, constant)
    start_decoder(vae, pictures, constant)
    painted = vae.decode(vae.encode(pictures).latent_dist.mean).sample
    return -10 * torch.log10(((painted - pictures) / 2).pow(2).mean()).item()
