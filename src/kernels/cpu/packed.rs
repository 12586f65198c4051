use super::kept::{Form, Kept, Numbers, Packing};
use super::vector::lanes;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

/// A weight of so few numbers is widened once: it takes little memory, and widening it at every use would show in a small network.
/// Tests have no larger ones.
pub(super) const WIDE: usize = if cfg!(test) { 1 << 10 } else { 1 << 19 };

/// A weight in the precision in which it is stored.
#[derive(Clone, Copy)]
pub(in crate::kernels) enum Values<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
    Bf16(&'a [bf16]),
}

impl Values<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    /// In panels; `output` says which output stands in a column of a panel, zeros where it gives none.
    fn arranged(self, shape: &Panels, output: impl Fn(usize, usize) -> Option<usize> + Sync) -> Stored {
        match self {
            Self::F32(values) => Stored::F32(shape.arrange(values, output).into()),
            Self::F16(values) if values.len() > WIDE => Stored::F16(shape.arrange(values, output).into()),
            Self::Bf16(values) if values.len() > WIDE => Stored::Bf16(shape.arrange(values, output).into()),
            Self::F16(values) => Stored::F32(shape.arrange(&values.to_f32_vec(), output).into()),
            Self::Bf16(values) => Stored::F32(shape.arrange(&values.to_f32_vec(), output).into()),
        }
    }
}

/// The shape of a packed matrix: panel, tap, depth, column.
struct Panels {
    count: usize,
    taps: usize,
    depth: usize,
    columns: usize,
}

/// Inputs that are packed for all columns of a panel before the next: they fit into the first cache.
const INPUTS_AT_ONCE: usize = 64;

impl Panels {
    /// `values` is (outputs, depth, taps).
    fn arrange<T: Copy + Default + Send + Sync>(
        &self,
        values: &[T],
        output: impl Fn(usize, usize) -> Option<usize> + Sync,
    ) -> Vec<T> {
        let Self { count, taps, depth, columns } = *self;
        let each = taps * depth * columns;
        let mut packed = vec![T::default(); count * each];
        packed.par_chunks_mut(each.max(1)).enumerate().for_each(|(panel, packed)| {
            for first in (0..depth).step_by(INPUTS_AT_ONCE) {
                let inputs = first..(first + INPUTS_AT_ONCE).min(depth);
                for column in 0..columns {
                    let Some(output) = output(panel, column) else { continue };
                    let row = &values[(output * depth + inputs.start) * taps..(output * depth + inputs.end) * taps];
                    for (input, values) in inputs.clone().zip(row.chunks_exact(taps)) {
                        for (tap, value) in values.iter().enumerate() {
                            packed[(tap * depth + input) * columns + column] = *value;
                        }
                    }
                }
            }
        });
        packed
    }
}

/// Numbers in the precision in which they were stored.
#[derive(Debug)]
pub(super) enum Stored {
    F32(Numbers<f32>),
    F16(Numbers<f16>),
    Bf16(Numbers<bf16>),
}

impl Stored {
    /// So many that were kept.
    fn kept(kept: &Kept, count: usize) -> Option<Self> {
        let [section] = kept.sections.as_slice() else { return None };
        match kept.form {
            Form::F32 => Numbers::of(section, count).map(Self::F32),
            Form::F16 => Numbers::of(section, count).map(Self::F16),
            Form::Bf16 => Numbers::of(section, count).map(Self::Bf16),
            _ => None,
        }
    }

    fn keep(&self) -> Kept {
        let (form, section) = match self {
            Self::F32(numbers) => (Form::F32, numbers.keep()),
            Self::F16(numbers) => (Form::F16, numbers.keep()),
            Self::Bf16(numbers) => (Form::Bf16, numbers.keep()),
        };
        Kept { form, is_gated: false, sections: vec![section] }
    }

    /// The numbers from `start`, in f32; those of half the size are widened into `scratch`.
    pub(super) fn widened<'a>(&'a self, start: usize, len: usize, scratch: &'a mut [f32]) -> &'a [f32] {
        match self {
            Self::F32(values) => return &values[start..start + len],
            Self::F16(values) => widen(&values[start..start + len], &mut scratch[..len]),
            Self::Bf16(values) => values[start..start + len].convert_to_f32_slice(&mut scratch[..len]),
        }
        &scratch[..len]
    }

    pub(super) fn needs_widening(&self) -> bool {
        !matches!(self, Self::F32(_))
    }
}

/// As half's own, which calls a function for every eight numbers.
fn widen(from: &[f16], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx") && std::arch::is_x86_feature_detected!("f16c") {
        // SAFETY: the machine has what the function is compiled for.
        return unsafe { widen_f16c(from, to) };
    }
    from.convert_to_f32_slice(to);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx,f16c")]
fn widen_f16c(from: &[f16], to: &mut [f32]) {
    use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};
    let (halves, rest) = from.as_chunks::<8>();
    let (wide, rest_to) = to.split_at_mut(halves.len() * 8);
    for (from, to) in halves.iter().zip(wide.as_chunks_mut::<8>().0) {
        // SAFETY: both are eight numbers, wherever they lie.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast()))) };
    }
    rest.convert_to_f32_slice(rest_to);
}

/// Vectors in a panel: with six rows, twelve sums fill the registers of AVX2.
pub(super) const PANEL_VECTORS: usize = 2;

/// A matrix (outputs, taps · depth), packed in panels of as many outputs as [`PANEL_VECTORS`] vectors hold: panel, tap, depth,
/// output. A plain matrix has one tap, a convolution one for each place of its kernel.
#[derive(Debug)]
pub(in crate::kernels) struct Packed {
    pub(super) numbers: Stored,
    pub(super) outputs: usize,
    pub(super) taps: usize,
    pub(super) depth: usize,
    /// Outputs in a panel.
    pub(super) panel: usize,
}

impl Packed {
    /// Of a matrix (outputs, inputs), as files store it.
    pub(in crate::kernels) fn new(weight: Values<'_>, outputs: usize, inputs: usize) -> Self {
        Self::of_taps(weight, outputs, inputs, 1)
    }

    /// Of a kernel (outputs, depth, taps), as files store it.
    pub(in crate::kernels) fn of_taps(weight: Values<'_>, outputs: usize, depth: usize, taps: usize) -> Self {
        assert_eq!(weight.len(), outputs * depth * taps, "a weight of another size than its shape");
        let panel = PANEL_VECTORS * lanes();
        let shape = Panels { count: outputs.div_ceil(panel), taps, depth, columns: panel };
        let numbers = weight.arranged(&shape, |of_panel, column| {
            let output = of_panel * panel + column;
            (output < outputs).then_some(output)
        });
        Self { numbers, outputs, taps, depth, panel }
    }

    /// Of what was kept of such a kernel.
    pub(in crate::kernels) fn kept(kept: &Kept, outputs: usize, depth: usize, taps: usize) -> Option<Self> {
        if kept.is_gated {
            return None;
        }
        let panel = PANEL_VECTORS * lanes();
        let numbers = Stored::kept(kept, outputs.div_ceil(panel) * taps * depth * panel)?;
        Some(Self { numbers, outputs, taps, depth, panel })
    }

    pub(super) fn panels(&self) -> usize {
        self.outputs.div_ceil(self.panel)
    }

    /// Where the numbers of a panel from `tap` and `k` on begin.
    pub(super) fn offset(&self, panel: usize, tap: usize, k: usize) -> usize {
        ((panel * self.taps + tap) * self.depth + k) * self.panel
    }
}

impl Packing for Packed {
    fn keep(&self) -> Kept {
        self.numbers.keep()
    }
}

/// A matrix (2 · outputs, inputs) and its bias, packed so that each panel holds a vector of outputs and a vector of their gates.
#[derive(Debug)]
pub(in crate::kernels) struct PackedGated {
    pub(super) matrix: Packed,
    /// Of one panel after the other, in its order.
    pub(super) bias: Vec<f32>,
    /// After the gating.
    pub(super) outputs: usize,
}

impl PackedGated {
    /// `weight` (2 · outputs, inputs) and `bias` (2 · outputs), as files store them.
    pub(in crate::kernels) fn new(weight: Values<'_>, bias: &[f32], outputs: usize, inputs: usize) -> Self {
        assert_eq!(weight.len(), 2 * outputs * inputs, "a weight of another size than its shape");
        let (lanes, panel) = (lanes(), PANEL_VECTORS * lanes());
        let shape = Panels { count: outputs.div_ceil(lanes), taps: 1, depth: inputs, columns: panel };
        let numbers = weight.arranged(&shape, |panel, column| Self::source(panel, column, outputs));
        Self::with(numbers, bias, outputs, inputs)
    }

    /// Of what was kept of such a matrix.
    pub(in crate::kernels) fn kept(kept: &Kept, bias: &[f32], outputs: usize, inputs: usize) -> Option<Self> {
        if !kept.is_gated {
            return None;
        }
        let numbers = Stored::kept(kept, outputs.div_ceil(lanes()) * inputs * PANEL_VECTORS * lanes())?;
        Some(Self::with(numbers, bias, outputs, inputs))
    }

    fn with(numbers: Stored, bias: &[f32], outputs: usize, inputs: usize) -> Self {
        assert_eq!(bias.len(), 2 * outputs, "a bias of another size than its matrix");
        let (count, panel) = (outputs.div_ceil(lanes()), PANEL_VECTORS * lanes());
        let of_column = |at| Self::source(at / panel, at % panel, outputs).map_or(0.0, |output| bias[output]);
        let bias = (0..count * panel).map(of_column).collect();
        Self { matrix: Packed { numbers, outputs: count * panel, taps: 1, depth: inputs, panel }, bias, outputs }
    }

    /// Which output or gate stands in a column of a panel.
    fn source(panel: usize, column: usize, outputs: usize) -> Option<usize> {
        let lanes = lanes();
        let output = panel * lanes + column % lanes;
        (output < outputs).then_some(output + column / lanes * outputs)
    }
}

impl Packing for PackedGated {
    fn keep(&self) -> Kept {
        Kept { is_gated: true, ..self.matrix.keep() }
    }
}
