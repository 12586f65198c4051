//! Between candle's tensors and the kernels in `cpu`, which know only slices.

use super::Weights;
use super::cpu::{ByteKind, Kind, MOST_PRODUCTS, Parts, Products, Tiling, Values, zeros};
use candle_core::{CpuStorage, DType, Device, Result, Shape, Storage, Tensor};
use half::bf16;
use half::vec::HalfBitsVecExt;
use std::ops::{Deref, Range};

/// Whether a weight is used by our own kernels; otherwise it is used by candle's operations. What is being trained is candle's.
pub(super) fn serves(weight: &Tensor) -> bool {
    weight.device().is_cpu() && matches!(weight.dtype(), DType::F32 | DType::F16 | DType::BF16) && !weight.track_op()
}

/// Whether our own kernels take what a network hands on: f16 is what candle's operations do.
pub(super) fn takes(x: &Tensor) -> bool {
    serves(x) && x.dtype() != DType::F16
}

/// Whether networks on this device can compute in f16.
pub fn computes_f16(device: &Device) -> bool {
    !device.is_cpu()
}

/// Whether networks on this device can multiply in bf16.
pub fn multiplies_bf16(device: &Device) -> bool {
    device.is_cpu() && Kind::best().is_some()
}

/// What the weights of a network are told to multiply in for 8-bit integers: candle has no type for what has none of its own in memory.
pub const BYTES: DType = DType::U8;

/// Whether networks on this device can multiply 8-bit integers.
pub fn multiplies_bytes(device: &Device) -> bool {
    device.is_cpu() && ByteKind::best().is_some()
}

/// How a network of these weights multiplies by tiles; none if it does so by vectors of f32.
pub(super) fn products(weights: &Weights<'_>) -> Option<Products> {
    match weights.dtype() {
        _ if weights.are_candles() => None,
        BYTES => ByteKind::best().map(Products::Bytes),
        DType::BF16 => Tiling::of_bf16().map(Products::from),
        _ => Tiling::of_f32().map(Products::from),
    }
}

/// Numbers of a weight from which f32 is multiplied by tiles and anything by bytes. Below, there is little to gain, and sums of few products show what
/// splitting loses; the smallest that count in Stable Diffusion have 320 · 320.
const WORTH_SPLITTING: usize = 100_000;

/// What `products` are for a weight of so many numbers and products to each output.
pub(super) fn products_of(products: Option<Products>, numbers: usize, to_each: usize) -> Option<Products> {
    match products? {
        Products::Bf16(Tiling { parts: Parts::Two, .. }) if numbers < WORTH_SPLITTING => None,
        Products::Bytes(_) if numbers < WORTH_SPLITTING || to_each > MOST_PRODUCTS => {
            Tiling::of_bf16().map(Products::from)
        }
        products => Some(products),
    }
}

/// Whether a network of these weights rounds to bf16 what will be multiplied and nothing else.
pub(super) fn rounds(weights: &Weights<'_>) -> bool {
    products(weights).is_some_and(Products::rounds)
}

/// What the numbers are that the layers of a network of these weights hand on: of our own kernels f32, whatever they multiply.
pub fn activations(weights: &Weights<'_>) -> DType {
    if weights.are_candles() { weights.dtype() } else { DType::F32 }
}

/// Shows a tensor in its stored precision.
pub(super) fn with_values<T>(weight: &Tensor, read: impl FnOnce(Values<'_>) -> T) -> Result<T> {
    let weight = weight.contiguous()?;
    let (storage, layout) = weight.storage_and_layout();
    let range = layout.start_offset()..layout.start_offset() + weight.elem_count();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => Ok(read(Values::F32(&values[range]))),
        Storage::Cpu(CpuStorage::F16(values)) => Ok(read(Values::F16(&values[range]))),
        Storage::Cpu(CpuStorage::BF16(values)) => Ok(read(Values::Bf16(&values[range]))),
        _ => candle_core::bail!("a tensor of {:?} on {:?} cannot be read", weight.dtype(), weight.device()),
    }
}

/// A weight of few numbers, in f32.
pub(super) fn widened(weight: &Tensor) -> Result<Host> {
    Host::new(&weight.to_dtype(DType::F32)?)
}

/// A tensor in main memory that can be read in place: f32, contiguous.
#[derive(Clone, Debug)]
pub(super) struct Host(Tensor);

impl Host {
    /// Copies only what is strided. Any other type than f32, and any other device, is an error.
    pub(super) fn new(x: &Tensor) -> Result<Self> {
        if !x.device().is_cpu() || x.dtype() != DType::F32 {
            candle_core::bail!("a network on the CPU takes f32, not {:?} on {:?}", x.dtype(), x.device());
        }
        x.contiguous().map(Self)
    }

    pub(super) fn numbers(&self) -> impl Deref<Target = [f32]> {
        let (storage, layout) = self.0.storage_and_layout();
        let range = layout.start_offset()..layout.start_offset() + self.0.elem_count();
        Numbers { storage, range }
    }
}

/// The numbers of a [`Host`]; `S` keeps candle from changing them meanwhile.
struct Numbers<S> {
    storage: S,
    range: Range<usize>,
}

impl<S: Deref<Target = Storage>> Deref for Numbers<S> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(numbers)) => &numbers[self.range.clone()],
            _ => unreachable!("`Host::new` lets nothing else in"),
        }
    }
}

/// A new tensor in main memory, filled by `fill`.
pub(super) fn filled(shape: impl Into<Shape>, fill: impl FnOnce(&mut [f32])) -> Result<Tensor> {
    let shape = shape.into();
    let mut numbers = zeros(shape.elem_count());
    fill(&mut numbers);
    Tensor::from_vec(numbers, shape, &Device::Cpu)
}

/// As [`filled`], of rounded numbers.
pub(super) fn filled_rounded(shape: impl Into<Shape>, fill: impl FnOnce(&mut [bf16])) -> Result<Tensor> {
    let shape = shape.into();
    let mut numbers: Vec<bf16> = zeros::<u16>(shape.elem_count()).reinterpret_into();
    fill(&mut numbers);
    Tensor::from_vec(numbers, shape, &Device::Cpu)
}
