//! Between candle's tensors and the kernels in `cpu`, which know only slices.

use super::cpu::Values;
use candle_core::{CpuStorage, DType, Device, Result, Shape, Storage, Tensor};
use std::ops::{Deref, Range};

/// Whether a weight is used by our own kernels; otherwise it is used by candle's operations. What is being trained is candle's.
pub(super) fn serves(weight: &Tensor) -> bool {
    weight.device().is_cpu() && matches!(weight.dtype(), DType::F32 | DType::F16 | DType::BF16) && !weight.track_op()
}

/// Shows a weight in its stored precision.
pub(super) fn with_values<T>(weight: &Tensor, read: impl FnOnce(Values<'_>) -> T) -> Result<T> {
    let weight = weight.contiguous()?;
    let (storage, layout) = weight.storage_and_layout();
    let range = layout.start_offset()..layout.start_offset() + weight.elem_count();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => Ok(read(Values::F32(&values[range]))),
        Storage::Cpu(CpuStorage::F16(values)) => Ok(read(Values::F16(&values[range]))),
        Storage::Cpu(CpuStorage::BF16(values)) => Ok(read(Values::Bf16(&values[range]))),
        _ => candle_core::bail!("a weight of {:?} on {:?} cannot be packed", weight.dtype(), weight.device()),
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
    let mut numbers = vec![0f32; shape.elem_count()];
    fill(&mut numbers);
    Tensor::from_vec(numbers, shape, &Device::Cpu)
}
