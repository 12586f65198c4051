use crate::kernels::{Activation, GatedLinear, GroupNorm, LayerNorm, Linear, Mask, Merging, Weights, attention};
use candle_core::{DType, Result, Tensor};

/// The sizes of a [`Transformer`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) channels: usize,
    pub(super) heads: usize,
    pub(super) layers: usize,
    pub(super) conditioning_width: usize,
    pub(super) groups: usize,
    pub(super) linear_projection: bool,
    /// Whether scores of attention can be too large for f16.
    pub(super) large_scores: bool,
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
    pub(super) fn new(sizes: Sizes, weights: &Weights<'_>) -> Result<Self> {
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

    /// What each block will look up in the conditioning (B, N, D): it does not change during a run.
    pub(super) fn prepare(&self, conditioning: &Tensor) -> Result<Vec<KeysAndValues>> {
        self.blocks.iter().map(|block| block.to_words.look_at(conditioning)).collect()
    }

    /// (B, h, w, C), and what [`Self::prepare`] made of the conditioning, to (B, h, w, C). Places look at each other with so much of
    /// them `merged`.
    pub(super) fn forward(&self, x: &Tensor, words: &[KeysAndValues], merged: f64) -> Result<Tensor> {
        let (batch, height, width, channels) = x.dims4()?;
        let tokens = self.norm.forward(x)?.reshape((batch, height * width, channels))?;
        let mut tokens = self.enter.forward(&tokens)?;
        for (block, words) in self.blocks.iter().zip(words) {
            let merging = merging(&tokens, (height, width), merged)?;
            tokens = block.forward(&tokens, words, merging.as_ref())?;
        }
        let residual = x.reshape((batch, height * width, channels))?;
        self.leave.forward_adding(&tokens, &residual)?.reshape((batch, height, width, channels))
    }
}

/// Which of the places of a feature map, as tokens (B, h · w, C), are taken together: a share of all, none of the first of each 2×2.
/// Bolya & Hoffman 2023, "Token Merging for Fast Stable Diffusion", as its authors' tomesd does it without chance, and A1111 with it.
fn merging(tokens: &Tensor, (height, width): (usize, usize), share: f64) -> Result<Option<Merging>> {
    let count = (tokens.dim(1)? as f64 * share) as usize;
    if count == 0 {
        return Ok(None);
    }
    let (rows, columns) = (height / 2 * 2, width / 2 * 2);
    let first = |place: usize| {
        let (row, column) = (place / width, place % width);
        row < rows && column < columns && row.is_multiple_of(2) && column.is_multiple_of(2)
    };
    Merging::new(tokens, &(0..height * width).map(first).collect::<Vec<_>>(), count).map(Some)
}

/// diffusers' `BasicTransformerBlock`.
#[derive(Clone, Debug)]
struct Block {
    norm1: LayerNorm,
    to_itself: Attention,
    norm2: LayerNorm,
    to_words: Attention,
    norm3: LayerNorm,
    widen: GatedLinear,
    narrow: Linear,
}

impl Block {
    fn new(sizes: Sizes, weights: &Weights<'_>) -> Result<Self> {
        let channels = sizes.channels;
        let norm = |name| LayerNorm::new(channels, 1e-5, weights.pp(name));
        Ok(Self {
            norm1: norm("norm1")?,
            to_itself: Attention::new(sizes, channels, &weights.pp("attn1"))?,
            norm2: norm("norm2")?,
            to_words: Attention::new(sizes, sizes.conditioning_width, &weights.pp("attn2"))?,
            norm3: norm("norm3")?,
            widen: GatedLinear::new(channels, 4 * channels, weights.pp("ff.net.0.proj"))?,
            narrow: Linear::new(4 * channels, channels, weights.pp("ff.net.2"))?,
        })
    }

    fn forward(&self, x: &Tensor, words: &KeysAndValues, merging: Option<&Merging>) -> Result<Tensor> {
        let normed = self.norm1.forward(x)?;
        let x = match merging {
            None => self.to_itself.forward(&normed, &self.to_itself.look_at(&normed)?, x)?,
            Some(merging) => {
                let normed = merging.together(&normed)?;
                let found = self.to_itself.find(&normed, &self.to_itself.look_at(&normed)?)?;
                merging.apart_adding(&self.to_itself.out.forward(&found)?, x)?
            }
        };
        let x = self.to_words.forward(&self.norm2.forward(&x)?, words, &x)?;
        self.narrow.forward_adding(&self.widen.forward(&self.norm3.forward(&x)?)?, &x)
    }
}

/// What an attention can find, (B, M, C) each.
#[derive(Clone, Debug)]
pub(super) struct KeysAndValues {
    keys: Tensor,
    values: Tensor,
}

impl KeysAndValues {
    /// Of one item of the batch.
    pub(super) fn item(&self, index: usize) -> Result<Self> {
        Ok(Self { keys: self.keys.narrow(0, index, 1)?, values: self.values.narrow(0, index, 1)? })
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
    large_scores: bool,
}

impl Attention {
    fn new(sizes: Sizes, seen_width: usize, weights: &Weights<'_>) -> Result<Self> {
        let channels = sizes.channels;
        Ok(Self {
            query: Linear::new_without_bias(channels, channels, weights.pp("to_q"))?,
            key: Linear::new_without_bias(seen_width, channels, weights.pp("to_k"))?,
            value: Linear::new_without_bias(seen_width, channels, weights.pp("to_v"))?,
            out: Linear::new(channels, channels, weights.pp("to_out.0"))?,
            heads: sizes.heads,
            large_scores: sizes.large_scores,
        })
    }

    fn look_at(&self, seen: &Tensor) -> Result<KeysAndValues> {
        Ok(KeysAndValues { keys: self.key.forward_rounded(seen)?, values: self.value.forward_rounded(seen)? })
    }

    /// What is found from `x` (B, N, C), added to `residual` (B, N, C).
    fn forward(&self, x: &Tensor, seen: &KeysAndValues, residual: &Tensor) -> Result<Tensor> {
        self.out.forward_adding(&self.find(x, seen)?, residual)
    }

    fn find(&self, x: &Tensor, seen: &KeysAndValues) -> Result<Tensor> {
        let mut query = self.query.forward_rounded(x)?;
        if self.large_scores && query.dtype() == DType::F16 {
            query = query.to_dtype(DType::F32)?;
        }
        attention(&query, &seen.keys, &seen.values, self.heads, Mask::None)
    }
}
