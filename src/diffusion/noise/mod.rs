//! The noise of a picture: the same values for a seed as other programs draw, so that it is the same picture.

mod cpu;
mod nv;
mod start;

pub(super) use start::Start;

use super::{Batch, NoiseSource};
use candle_core::{Device, Tensor};
use cpu::Cpu;
use nv::Nv;

/// A generator of normal values, mean 0, standard deviation 1.
pub struct Noise {
    generator: Generator,
    /// Which picture's values are taken of those of a whole batch.
    batch: Batch,
}

enum Generator {
    Cpu(Box<Cpu>),
    Nv(Nv),
}

impl Noise {
    /// As `torch.Generator().manual_seed(seed)`, on the CPU: the low 32 bits count.
    pub fn new(seed: u64) -> Self {
        Self { generator: Generator::Cpu(Box::new(Cpu::new(seed))), batch: Batch::default() }
    }

    /// As `torch.Generator("cuda").manual_seed(seed)`.
    pub fn on_nvidia(seed: u64) -> Self {
        Self { generator: Generator::Nv(Nv::new(seed)), batch: Batch::default() }
    }

    /// The first noise's, or that of later steps.
    fn of(source: NoiseSource, is_first: bool, seed: u64, batch: Batch) -> Self {
        let noise = match source {
            NoiseSource::Cpu => Self::new(seed),
            NoiseSource::CpuThenNv if is_first => Self::new(seed),
            NoiseSource::Nv | NoiseSource::CpuThenNv => Self::on_nvidia(seed),
        };
        Self { batch, ..noise }
    }

    /// As `torch.randn(shape, generator=…)`, f32, on `device`: the values are drawn on the CPU whatever the device.
    pub fn tensor(&mut self, shape: &[usize], device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_vec(self.normals(shape.iter().product()), shape, device)
    }

    /// The next `count` values of the picture.
    pub fn normals(&mut self, count: usize) -> Vec<f32> {
        let (of, index) = (self.batch.of.max(1) as usize, self.batch.index as usize);
        let mut all = match &mut self.generator {
            Generator::Cpu(cpu) => cpu.normals(count * of),
            Generator::Nv(nv) => nv.normals(count * of),
        };
        if of > 1 {
            all.drain(..count * index);
            all.truncate(count);
        }
        all
    }
}

#[cfg(test)]
mod tests;
