use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// y = x Wᵀ + b.
#[derive(Clone, Debug)]
pub struct Linear {
    /// (out, in), as files store it.
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Reads `weight` (outputs, inputs) and `bias` (outputs).
    pub fn new(inputs: usize, outputs: usize, weights: VarBuilder<'_>) -> Result<Self> {
        Ok(Self { weight: weights.get((outputs, inputs), "weight")?, bias: Some(weights.get(outputs, "bias")?) })
    }

    /// Reads `weight` (outputs, inputs) alone.
    pub fn new_without_bias(inputs: usize, outputs: usize, weights: VarBuilder<'_>) -> Result<Self> {
        Ok(Self { weight: weights.get((outputs, inputs), "weight")?, bias: None })
    }

    /// Reads a 1×1 convolution, `weight` (outputs, inputs, 1, 1) and `bias` (outputs), which on tokens is the same thing.
    pub fn from_pointwise_conv(inputs: usize, outputs: usize, weights: VarBuilder<'_>) -> Result<Self> {
        let weight = weights.get((outputs, inputs, 1, 1), "weight")?.reshape((outputs, inputs))?;
        Ok(Self { weight, bias: Some(weights.get(outputs, "bias")?) })
    }

    /// (…, in) to (…, out).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.weight.dims2()?;
        let mut shape = x.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        let rows = x.elem_count() / inputs.max(1);
        let y = x.reshape((rows, x.elem_count() / rows.max(1)))?.matmul(&self.weight.t()?)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        y.reshape(shape)
    }
}

/// A table of vectors, looked up by number.
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: Tensor,
}

impl Embedding {
    /// Reads `weight` (rows, width).
    pub fn new(rows: usize, width: usize, weights: VarBuilder<'_>) -> Result<Self> {
        Ok(Self { weight: weights.get((rows, width), "weight")? })
    }

    /// Row numbers (B, N) as u32 to (B, N, width). A number that is not in the table is an error.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let (batch, count) = ids.dims2()?;
        self.weight.index_select(&ids.flatten_all()?, 0)?.reshape((batch, count, self.weight.dim(1)?))
    }

    /// The first `count` rows: (count, width).
    pub fn first_rows(&self, count: usize) -> Result<Tensor> {
        self.weight.narrow(0, 0, count)
    }
}
