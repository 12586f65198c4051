use crate::kernels::{Activation, Conv2d, GroupNorm, Linear, Weights};
use candle_core::{Result, Tensor};

/// How the groups of a network's norms are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groups {
    pub(super) count: usize,
    pub(super) epsilon: f64,
}

/// Two 3×3 convolutions around a time embedding, added to the input: diffusers' `ResnetBlock2D`.
#[derive(Clone, Debug)]
pub(super) struct Resnet {
    pub(super) norm1: GroupNorm,
    pub(super) conv1: Conv2d,
    time: Option<Linear>,
    pub(super) norm2: GroupNorm,
    pub(super) conv2: Conv2d,
    pub(super) shortcut: Option<Conv2d>,
}

impl Resnet {
    /// `time_width` is the width of the time embedding; a VAE has none.
    pub(super) fn new(
        inputs: usize,
        outputs: usize,
        groups: Groups,
        time_width: Option<usize>,
        weights: &Weights<'_>,
    ) -> Result<Self> {
        let norm =
            |channels, name| GroupNorm::new(groups.count, channels, groups.epsilon, Activation::Silu, weights.pp(name));
        let shortcut =
            (inputs != outputs).then(|| Conv2d::new(inputs, outputs, 1, weights.pp("conv_shortcut"))).transpose()?;
        Ok(Self {
            norm1: norm(inputs, "norm1")?,
            conv1: Conv2d::new(inputs, outputs, 3, weights.pp("conv1"))?,
            time: time_width.map(|width| Linear::new(width, outputs, weights.pp("time_emb_proj"))).transpose()?,
            norm2: norm(outputs, "norm2")?,
            conv2: Conv2d::new(outputs, outputs, 3, weights.pp("conv2"))?,
            shortcut,
        })
    }

    /// (B, h, w, in), and silu of the time embedding (1 or B, width), to (B, h, w, out).
    pub(super) fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Result<Tensor> {
        let shift = match (&self.time, time) {
            (Some(layer), Some(time)) => Some(layer.forward(time)?),
            _ => None,
        };
        // Assigned, not bound anew: of a large picture, what is no longer needed must not stay.
        let mut hidden = self.norm1.forward(x)?;
        hidden = self.conv1.forward_adding(&hidden, shift.as_ref(), None)?;
        hidden = self.norm2.forward(&hidden)?;
        match &self.shortcut {
            Some(conv) => self.conv2.forward_adding(&hidden, None, Some(&conv.forward(x)?)),
            None => self.conv2.forward_adding(&hidden, None, Some(x)),
        }
    }
}
