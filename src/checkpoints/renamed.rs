//! Weights that are stored under other names, and some of them in other shapes, than those by which networks ask for them.

use super::weights::Weights;
use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

/// How a network's tensor is had from a stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Whole,
    Transposed,
    /// Which third of its rows.
    Third(usize),
    /// A matrix, stored as such or as a 1×1 convolution.
    Matrix,
}

/// From the names that networks ask for to those in the file.
pub(super) trait Names: Send + Sync + 'static {
    /// Where what is called `name` is stored, and how to get it from there.
    fn find(&self, name: &str) -> Option<(String, Piece)>;
}

/// Weights, to be asked for by a network's names.
pub(super) struct Renamed<N> {
    weights: Weights,
    names: N,
}

impl<N: Names> Renamed<N> {
    pub(super) fn new(weights: Weights, names: N) -> Self {
        Self { weights, names }
    }

    /// As [`Weights::into_builder`].
    pub(super) fn into_builder(self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self), dtype, device.clone())
    }

    fn find(&self, name: &str) -> Result<(String, Piece)> {
        self.names.find(name).ok_or_else(|| Error::CannotFindTensor { path: name.to_owned() })
    }
}

impl<N: Names> SimpleBackend for Renamed<N> {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let (found, piece) = self.find(name)?;
        let dims = shape.dims().to_vec();
        let whole = |shape: Vec<usize>| self.weights.get(Shape::from(shape), &found, init, dtype, device);
        match piece {
            Piece::Transposed => whole(dims.into_iter().rev().collect())?.t()?.contiguous(),
            Piece::Third(index) => {
                let rows = dims[0];
                let mut all = dims;
                all[0] = 3 * rows;
                whole(all)?.narrow(0, index * rows, rows)?.contiguous()
            }
            Piece::Matrix if self.weights.shape(&found).is_some_and(|shape| shape.len() == 4) => {
                whole([&dims[..], &[1, 1]].concat())?.reshape(dims)
            }
            Piece::Whole | Piece::Matrix => whole(dims),
        }
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        match self.find(name)? {
            (found, Piece::Whole) => self.weights.get_unchecked(&found, dtype, device),
            _ => Err(Error::CannotFindTensor { path: name.to_owned() }),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.names.find(name).is_some_and(|(found, _)| self.weights.contains_tensor(&found))
    }
}
