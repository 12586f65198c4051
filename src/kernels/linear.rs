use super::Activation;
use super::cpu::{self, Epilogue, Kept, Matrix, Packed, PackedGated, Tiled, TiledGated, Values, Walk};
use super::host::{Host, activations, filled, filled_rounded, products, products_of, widened, with_values};
use super::weights::{Weight, Weights};
use candle_core::{D, DType, Result, Tensor};
use std::sync::Arc;

/// y = x Wᵀ + b.
#[derive(Clone, Debug)]
pub struct Linear {
    matrix: Stored,
    inputs: usize,
    outputs: usize,
}

#[derive(Clone, Debug)]
enum Stored {
    Own {
        weight: Arc<Packed>,
        bias: Option<Host>,
    },
    Tiled {
        weight: Arc<Tiled>,
        bias: Option<Host>,
    },
    /// (out, in), as files store it.
    Candle {
        weight: Tensor,
        bias: Option<Tensor>,
    },
}

impl Linear {
    /// Reads `weight` (outputs, inputs) and `bias` (outputs).
    pub fn new(inputs: usize, outputs: usize, weights: Weights<'_>) -> Result<Self> {
        Self::read(&[outputs, inputs], true, &weights)
    }

    /// Reads `weight` (outputs, inputs) alone.
    pub fn new_without_bias(inputs: usize, outputs: usize, weights: Weights<'_>) -> Result<Self> {
        Self::read(&[outputs, inputs], false, &weights)
    }

    /// Reads a 1×1 convolution, `weight` (outputs, inputs, 1, 1) and `bias` (outputs), which on tokens is the same thing.
    pub fn from_pointwise_conv(inputs: usize, outputs: usize, weights: Weights<'_>) -> Result<Self> {
        Self::read(&[outputs, inputs, 1, 1], true, &weights)
    }

    /// Reads a convolution without bias whose stride is its kernel's side, `weight` (outputs, channels, side, side): on squares of a
    /// picture that [`pixel_unshuffle`](super::pixel_unshuffle) has laid out it is the same thing.
    pub fn from_patches(channels: usize, side: usize, outputs: usize, weights: Weights<'_>) -> Result<Self> {
        Self::read(&[outputs, channels, side, side], false, &weights)
    }

    /// Reads a matrix whose inputs may lie in several dimensions.
    fn read(shape: &[usize], has_bias: bool, weights: &Weights<'_>) -> Result<Self> {
        let (outputs, inputs) = (shape[0], shape[1..].iter().product());
        let bias = || has_bias.then(|| weights.get(outputs, "bias")).transpose();
        let own_bias = || bias()?.as_ref().map(widened).transpose();
        let of_candle = |weight: Tensor| -> Result<Stored> {
            Ok(Stored::Candle { weight: weight.reshape((outputs, inputs))?, bias: bias()? })
        };
        let matrix = if let Some(products) = products_of(products(weights), outputs * inputs, inputs) {
            let of_kept = |kept: &Kept| Tiled::kept(products, kept, outputs, inputs, 1);
            match weights.packed(shape, of_kept, |values| Tiled::new(products, values, outputs, inputs))? {
                Weight::Packed(weight) => Stored::Tiled { weight, bias: own_bias()? },
                Weight::Read(weight) => of_candle(weight)?,
            }
        } else {
            let of_kept = |kept: &Kept| Packed::kept(kept, outputs, inputs, 1);
            match weights.packed(shape, of_kept, |values| Packed::new(values, outputs, inputs))? {
                Weight::Packed(weight) => Stored::Own { weight, bias: own_bias()? },
                Weight::Read(weight) => of_candle(weight)?,
            }
        };
        Ok(Self { matrix, inputs, outputs })
    }

    /// (…, in) to (…, out).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.compute(x, None)
    }

    /// As [`Self::forward`], with `residual` (…, out) added.
    pub fn forward_adding(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        self.compute(x, Some(residual))
    }

    /// As [`Self::forward`], for what will be multiplied and nothing else: in a network of bf16 it is rounded here already.
    pub fn forward_rounded(&self, x: &Tensor) -> Result<Tensor> {
        let Stored::Tiled { weight, bias } = &self.matrix else { return self.forward(x) };
        if !weight.rounds() {
            return self.forward(x);
        }
        let (rows, shape) = shape_after(x, self.inputs, self.outputs)?;
        let bias = bias.as_ref().map(Host::numbers);
        let epilogue = Epilogue { bias: bias.as_deref(), ..Epilogue::default() };
        with_values(x, |x| {
            filled_rounded(shape, |out| match x {
                Values::F32(x) => cpu::multiply_by_tiles(x, Walk::rows(rows), weight, epilogue, out),
                Values::F16(x) => cpu::multiply_by_tiles(x, Walk::rows(rows), weight, epilogue, out),
                Values::Bf16(x) => cpu::multiply_by_tiles(x, Walk::rows(rows), weight, epilogue, out),
            })
        })?
    }

    fn compute(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        let (rows, shape) = shape_after(x, self.inputs, self.outputs)?;
        match &self.matrix {
            Stored::Tiled { weight, bias } => {
                let residual = residual.map(Host::new).transpose()?;
                let (residual, bias) = (residual.as_ref().map(Host::numbers), bias.as_ref().map(Host::numbers));
                let epilogue = Epilogue { bias: bias.as_deref(), shift: None, residual: residual.as_deref() };
                with_values(x, |x| {
                    filled(shape, |out| match x {
                        Values::F32(x) => cpu::multiply_by_tiles(x, Walk::rows(rows), weight, epilogue, out),
                        Values::F16(x) => cpu::multiply_by_tiles(x, Walk::rows(rows), weight, epilogue, out),
                        Values::Bf16(x) => cpu::multiply_by_tiles(x, Walk::rows(rows), weight, epilogue, out),
                    })
                })?
            }
            Stored::Own { weight, bias } => {
                let (x, residual) = (Host::new(x)?, residual.map(Host::new).transpose()?);
                let (x, residual) = (x.numbers(), residual.as_ref().map(Host::numbers));
                let bias = bias.as_ref().map(Host::numbers);
                let epilogue = Epilogue { bias: bias.as_deref(), shift: None, residual: residual.as_deref() };
                let rows = Matrix { data: &x, rows, stride: self.inputs };
                filled(shape, |out| cpu::multiply(&rows, weight, epilogue, out))
            }
            Stored::Candle { weight, bias } => {
                let mut y = x.to_dtype(weight.dtype())?.reshape((rows, self.inputs))?.matmul(&weight.t()?)?;
                if let Some(bias) = bias {
                    y = y.broadcast_add(bias)?;
                }
                let y = y.reshape(shape)?;
                residual.map_or_else(|| Ok(y.clone()), |residual| residual + &y)
            }
        }
    }
}

/// The gated linear unit of the transformers in a U-Net: the first half of x Wᵀ + b times the [`Activation::Gelu`] of the second.
/// Shazeer 2020, laid out as diffusers' GEGLU.
#[derive(Clone, Debug)]
pub struct GatedLinear {
    matrix: StoredGated,
    inputs: usize,
    outputs: usize,
}

#[derive(Clone, Debug)]
enum StoredGated {
    Own(Arc<PackedGated>),
    Tiled(Arc<TiledGated>),
    Candle(Linear),
}

impl GatedLinear {
    /// Reads `weight` (2 · outputs, inputs) and `bias` (2 · outputs).
    pub fn new(inputs: usize, outputs: usize, weights: Weights<'_>) -> Result<Self> {
        let by_candle = || Linear::new(inputs, 2 * outputs, weights.clone()).map(StoredGated::Candle);
        if weights.are_candles() {
            return Ok(Self { matrix: by_candle()?, inputs, outputs });
        }
        let (shape, bias) = ([2 * outputs, inputs], widened(&weights.get(2 * outputs, "bias")?)?);
        let bias = bias.numbers();
        let matrix = if let Some(products) = products_of(products(&weights), 2 * outputs * inputs, inputs) {
            let of_kept = |kept: &Kept| TiledGated::kept(products, kept, &bias, outputs, inputs);
            let of_values = |values: Values<'_>| TiledGated::new(products, values, &bias, outputs, inputs);
            match weights.packed(&shape, of_kept, of_values)? {
                Weight::Packed(matrix) => StoredGated::Tiled(matrix),
                Weight::Read(_) => by_candle()?,
            }
        } else {
            let of_kept = |kept: &Kept| PackedGated::kept(kept, &bias, outputs, inputs);
            let of_values = |values: Values<'_>| PackedGated::new(values, &bias, outputs, inputs);
            match weights.packed(&shape, of_kept, of_values)? {
                Weight::Packed(matrix) => StoredGated::Own(matrix),
                Weight::Read(_) => by_candle()?,
            }
        };
        Ok(Self { matrix, inputs, outputs })
    }

    /// (…, in) to (…, out), which in a network of bf16 is rounded.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, shape) = shape_after(x, self.inputs, self.outputs)?;
        match &self.matrix {
            StoredGated::Tiled(weight) if !weight.rounds() => {
                let x = Host::new(x)?;
                filled(shape, |out| cpu::multiply_gated_by_tiles(&x.numbers(), rows, weight, out))
            }
            StoredGated::Tiled(weight) => with_values(x, |x| {
                filled_rounded(shape, |out| match x {
                    Values::F32(x) => cpu::multiply_gated_by_tiles(x, rows, weight, out),
                    Values::F16(x) => cpu::multiply_gated_by_tiles(x, rows, weight, out),
                    Values::Bf16(x) => cpu::multiply_gated_by_tiles(x, rows, weight, out),
                })
            })?,
            StoredGated::Own(weight) => {
                let x = Host::new(x)?;
                let x = x.numbers();
                let rows = Matrix { data: &x, rows, stride: self.inputs };
                filled(shape, |out| cpu::multiply_gated(&rows, weight, out))
            }
            StoredGated::Candle(linear) => {
                let both = linear.forward(x)?;
                let value = both.narrow(D::Minus1, 0, self.outputs)?;
                let gate = both.narrow(D::Minus1, self.outputs, self.outputs)?.contiguous()?;
                value * Activation::Gelu.forward(&gate)?
            }
        }
    }
}

/// How many rows (…, inputs) has, and its shape with `outputs` in place of `inputs`.
fn shape_after(x: &Tensor, inputs: usize, outputs: usize) -> Result<(usize, Vec<usize>)> {
    let mut shape = x.dims().to_vec();
    match shape.last_mut() {
        Some(last) if *last == inputs => *last = outputs,
        _ => candle_core::bail!("a matrix of {inputs} by {outputs} cannot take {:?}", x.shape()),
    }
    Ok((x.elem_count() / inputs.max(1), shape))
}

/// A table of vectors, looked up by number.
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: Tensor,
    /// Of the vectors that are looked up: what the network adds up, while the table stays as it is stored.
    dtype: DType,
}

impl Embedding {
    /// Reads `weight` (rows, width).
    pub fn new(rows: usize, width: usize, weights: Weights<'_>) -> Result<Self> {
        Ok(Self { weight: weights.get((rows, width), "weight")?, dtype: activations(&weights) })
    }

    /// Row numbers (B, N) as u32 to (B, N, width). A number that is not in the table is an error.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let (batch, count) = ids.dims2()?;
        let vectors = self.weight.index_select(&ids.flatten_all()?, 0)?.to_dtype(self.dtype)?;
        vectors.reshape((batch, count, self.weight.dim(1)?))
    }

    /// The first `count` rows: (count, width).
    pub fn first_rows(&self, count: usize) -> Result<Tensor> {
        self.weight.narrow(0, 0, count)?.to_dtype(self.dtype)
    }
}
