use crate::kernels::{Activation, Conv2d, GroupNorm, Linear};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// How the groups of a network's norms are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groups {
    pub(super) count: usize,
    pub(super) epsilon: f64,
}

/// Two 3×3 convolutions around a time embedding, added to the input: diffusers' `ResnetBlock2D`.
#[derive(Clone, Debug)]
pub(super) struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl Resnet {
    /// `time_width` is the width of the time embedding; a VAE has none.
    pub(super) fn new(
        inputs: usize,
        outputs: usize,
        groups: Groups,
        time_width: Option<usize>,
        weights: &VarBuilder<'_>,
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

    /// (B, in, h, w), and silu of the time embedding (1, width), to (B, out, h, w).
    pub(super) fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Result<Tensor> {
        let mut hidden = self.conv1.forward(&self.norm1.forward(x)?)?;
        if let (Some(layer), Some(time)) = (&self.time, time) {
            let shift = layer.forward(time)?;
            let (rows, channels) = shift.dims2()?;
            hidden = hidden.broadcast_add(&shift.reshape((rows, channels, 1, 1))?)?;
        }
        let hidden = self.conv2.forward(&self.norm2.forward(&hidden)?)?;
        match &self.shortcut {
            Some(conv) => conv.forward(x)? + hidden,
            None => x + hidden,
        }
    }
}
