use crate::kernels::{Activation, GroupNorm, LayerNorm, Linear, Mask, attention, geglu};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// The sizes of a [`Transformer`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) channels: usize,
    pub(super) heads: usize,
    pub(super) layers: usize,
    pub(super) conditioning_width: usize,
    pub(super) groups: usize,
    pub(super) linear_projection: bool,
}

/// Lets the places of a feature map look at each other and at the words: diffusers' `Transformer2DModel`.
#[derive(Clone, Debug)]
pub(super) struct Transformer {
    norm: GroupNorm,
    enter: Linear,
    blocks: Vec<Block>,
    leave: Linear,
}

impl Transformer {
    pub(super) fn new(sizes: Sizes, weights: &VarBuilder<'_>) -> Result<Self> {
        let channels = sizes.channels;
        let projection = |name| {
            let weights = weights.pp(name);
            if sizes.linear_projection {
                Linear::new(channels, channels, weights)
            } else {
                Linear::from_pointwise_conv(channels, channels, weights)
            }
        };
        Ok(Self {
            norm: GroupNorm::new(sizes.groups, channels, 1e-6, Activation::Identity, weights.pp("norm"))?,
            enter: projection("proj_in")?,
            blocks: (0..sizes.layers)
                .map(|index| Block::new(sizes, &weights.pp(format!("transformer_blocks.{index}"))))
                .collect::<Result<_>>()?,
            leave: projection("proj_out")?,
        })
    }

    /// (B, C, h, w) and conditioning (B, N, D) to (B, C, h, w).
    pub(super) fn forward(&self, x: &Tensor, conditioning: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let tokens = self.norm.forward(x)?.reshape((batch, channels, height * width))?.transpose(1, 2)?.contiguous()?;
        let mut tokens = self.enter.forward(&tokens)?;
        for block in &self.blocks {
            tokens = block.forward(&tokens, conditioning)?;
        }
        let y = self.leave.forward(&tokens)?.transpose(1, 2)?.contiguous()?;
        x + y.reshape((batch, channels, height, width))?
    }
}

/// diffusers' `BasicTransformerBlock`.
#[derive(Clone, Debug)]
struct Block {
    norm1: LayerNorm,
    to_itself: Attention,
    norm2: LayerNorm,
    to_words: Attention,
    norm3: LayerNorm,
    widen: Linear,
    narrow: Linear,
}

impl Block {
    fn new(sizes: Sizes, weights: &VarBuilder<'_>) -> Result<Self> {
        let channels = sizes.channels;
        let norm = |name| LayerNorm::new(channels, 1e-5, weights.pp(name));
        Ok(Self {
            norm1: norm("norm1")?,
            to_itself: Attention::new(sizes, channels, &weights.pp("attn1"))?,
            norm2: norm("norm2")?,
            to_words: Attention::new(sizes, sizes.conditioning_width, &weights.pp("attn2"))?,
            norm3: norm("norm3")?,
            widen: Linear::new(channels, 8 * channels, weights.pp("ff.net.0.proj"))?,
            narrow: Linear::new(4 * channels, channels, weights.pp("ff.net.2"))?,
        })
    }

    fn forward(&self, x: &Tensor, conditioning: &Tensor) -> Result<Tensor> {
        let normed = self.norm1.forward(x)?;
        let x = (x + self.to_itself.forward(&normed, &normed)?)?;
        let x = (&x + self.to_words.forward(&self.norm2.forward(&x)?, conditioning)?)?;
        &x + self.narrow.forward(&geglu(&self.widen.forward(&self.norm3.forward(&x)?)?)?)?
    }
}

/// diffusers' `Attention`, without biases but for the way out.
#[derive(Clone, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
}

impl Attention {
    fn new(sizes: Sizes, seen_width: usize, weights: &VarBuilder<'_>) -> Result<Self> {
        let channels = sizes.channels;
        Ok(Self {
            query: Linear::new_without_bias(channels, channels, weights.pp("to_q"))?,
            key: Linear::new_without_bias(seen_width, channels, weights.pp("to_k"))?,
            value: Linear::new_without_bias(seen_width, channels, weights.pp("to_v"))?,
            out: Linear::new(channels, channels, weights.pp("to_out.0"))?,
            heads: sizes.heads,
        })
    }

    fn forward(&self, x: &Tensor, seen: &Tensor) -> Result<Tensor> {
        let (query, key, value) = (self.query.forward(x)?, self.key.forward(seen)?, self.value.forward(seen)?);
        self.out.forward(&attention(&query, &key, &value, self.heads, Mask::None)?)
    }
}
