//! The kernels of the CPU, on plain slices of f32 that lie channels last; candle is not known in here.
//!
//! Vectors are as wide as the machine's (pulp chooses when the program runs). Work is cut along outputs only, and each output is
//! summed in an order that its shape alone decides, so that neither threads nor batches change a byte.
#![expect(
    unsafe_code,
    reason = "vectors are loaded and stored by pointer: the bounds are checked once, before the loops"
)]
#![expect(
    clippy::inline_always,
    reason = "what is written for any vectors must be compiled inside of the function that is compiled for this machine's"
)]

mod activation;
mod attention;
mod attention_by_tiles;
mod by_tiles;
mod bytes;
mod conv;
mod gemm;
mod kept;
mod merging;
mod norm;
mod packed;
mod rounding;
mod shared;
mod tiled;
mod tiles;
mod vector;
mod winograd;
mod winograd_by_tiles;

pub(super) use activation::{activate, rectify};
pub(super) use attention::{AttentionShape, attention};
pub(super) use attention_by_tiles::attention_by_tiles;
pub(super) use by_tiles::{Walk, multiply_by_tiles, multiply_gated_by_tiles};
pub(super) use bytes::{Kind as ByteKind, MOST_PRODUCTS};
pub(super) use conv::Conv;
pub(super) use gemm::{Epilogue, Matrix, multiply, multiply_gated};
pub(super) use kept::Packing;
pub use kept::{Form, Kept, Section, packing};
pub(super) use merging::{add_rows, means, most_alike};
pub(super) use norm::{Moments, PictureShape, layer_norm, measure, normalise, pixels_at_once};
pub(super) use packed::{Packed, PackedGated, Values};
pub(super) use shared::{alone, zeros};
pub(super) use tiled::{Tiled, TiledGated};
pub(super) use tiles::{Kind, Parts, Products, Tiling};

#[cfg(test)]
mod tests;
