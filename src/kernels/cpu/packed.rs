use super::vector::lanes;
use half::f16;
use half::slice::HalfFloatSliceExt;

/// A weight in the precision in which it is stored.
#[derive(Clone, Copy)]
pub(in crate::kernels) enum Values<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
        }
    }

    /// In another order, zeros where `place` gives none.
    fn arranged(self, len: usize, place: impl Fn(usize) -> Option<usize>) -> Numbers {
        let at = |index| place(index);
        match self {
            Self::F32(values) => {
                Numbers::F32((0..len).map(|index| at(index).map_or(0.0, |from| values[from])).collect())
            }
            Self::F16(values) => {
                Numbers::F16((0..len).map(|index| at(index).map_or(f16::ZERO, |from| values[from])).collect())
            }
        }
    }
}

/// Numbers in the precision in which they were stored.
#[derive(Debug)]
pub(super) enum Numbers {
    F32(Vec<f32>),
    F16(Vec<f16>),
}

impl Numbers {
    /// The numbers from `start`, in f32; half precision is widened into `scratch`.
    pub(super) fn widened<'a>(&'a self, start: usize, len: usize, scratch: &'a mut [f32]) -> &'a [f32] {
        match self {
            Self::F32(values) => &values[start..start + len],
            Self::F16(values) => {
                values[start..start + len].convert_to_f32_slice(&mut scratch[..len]);
                &scratch[..len]
            }
        }
    }

    pub(super) fn needs_widening(&self) -> bool {
        matches!(self, Self::F16(_))
    }
}

/// Vectors in a panel: with six rows, twelve sums fill the registers of AVX2.
pub(super) const PANEL_VECTORS: usize = 2;

/// A matrix (outputs, taps · depth), packed in panels of as many outputs as [`PANEL_VECTORS`] vectors hold: panel, tap, depth,
/// output. A plain matrix has one tap, a convolution one for each place of its kernel.
#[derive(Debug)]
pub(in crate::kernels) struct Packed {
    pub(super) numbers: Numbers,
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
    pub(super) fn of_taps(weight: Values<'_>, outputs: usize, depth: usize, taps: usize) -> Self {
        assert_eq!(weight.len(), outputs * depth * taps, "a weight of another size than its shape");
        let panel = PANEL_VECTORS * lanes();
        let numbers = weight.arranged(outputs.div_ceil(panel) * panel * depth * taps, |index| {
            let (row, output) = (index / panel, index % panel);
            let (of_panel, tap, k) = (row / (taps * depth), row / depth % taps, row % depth);
            let output = of_panel * panel + output;
            (output < outputs).then(|| (output * depth + k) * taps + tap)
        });
        Self { numbers, outputs, taps, depth, panel }
    }

    pub(super) fn panels(&self) -> usize {
        self.outputs.div_ceil(self.panel)
    }

    /// Where the numbers of a panel from `tap` and `k` on begin.
    pub(super) fn offset(&self, panel: usize, tap: usize, k: usize) -> usize {
        ((panel * self.taps + tap) * self.depth + k) * self.panel
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
        assert_eq!(bias.len(), 2 * outputs, "a bias of another size than its matrix");
        let lanes = lanes();
        let panel = PANEL_VECTORS * lanes;
        let count = outputs.div_ceil(lanes);
        let source = |of_panel: usize, column: usize| {
            let output = of_panel * lanes + column % lanes;
            (output < outputs).then_some(output + column / lanes * outputs)
        };
        let numbers = weight.arranged(count * panel * inputs, |index| {
            let (row, column) = (index / panel, index % panel);
            source(row / inputs, column).map(|output| output * inputs + row % inputs)
        });
        let bias = (0..count * panel).map(|at| source(at / panel, at % panel).map_or(0.0, |output| bias[output]));
        let bias = bias.collect();
        Self { matrix: Packed { numbers, outputs: count * panel, taps: 1, depth: inputs, panel }, bias, outputs }
    }
}
