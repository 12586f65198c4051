//! Weights in tiles ([`super::tiles`]), packed once.

use super::bytes::Bytes;
use super::kept::{Form, Kept, Numbers, Packing};
use super::packed::{Values, WIDE};
use super::rounding::{round_halves, rounded, split, split_halves, widen_halves};
use super::tiles::{AT_ONCE, DEPTH, Line, PANEL, Parts, Products, SIDE, STEP, Tiling};
use rayon::prelude::*;
use std::ops::Range;

/// A weight (outputs, taps · depth), in panels of [`PANEL`] outputs: panel, tile of the depth, tap, tile of the outputs. A tile of the
/// depth at a tap is a step.
#[derive(Debug)]
pub(in crate::kernels) struct Tiled {
    lines: Lines,
    pub(super) products: Products,
    pub(super) outputs: usize,
    pub(super) taps: usize,
    pub(super) depth: usize,
}

#[derive(Debug)]
enum Lines {
    /// To bf16, or of bf16 as it is stored. A step is [`STEP`] lines.
    Rounded(Numbers<Line>),
    /// Behind the lines of each step stand as many of what they lack.
    Split(Numbers<Line>),
    /// Of f16, as it is stored, to be split when it is used: half the memory, and half of what has to be read.
    Halves(Numbers<Line>),
    Bytes(Bytes),
}

/// [`STEP`] lines, or as many again of what they lack.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Rounded(&'a [Line]),
    Split(&'a [Line], &'a [Line]),
    Halves(&'a [Line]),
}

impl Step<'_> {
    /// The numbers of a line, in f32.
    pub(super) fn widened(self, line: usize, to: &mut [f32; DEPTH]) {
        let wide = |number: u16| f32::from_bits(u32::from(number) << 16);
        match self {
            Self::Rounded(lines) => *to = lines[line].0.map(wide),
            Self::Halves(lines) => widen_halves(&lines[line], to),
            Self::Split(high, low) => {
                let numbers = high[line].0.iter().zip(&low[line].0);
                to.iter_mut().zip(numbers).for_each(|(to, (high, low))| *to = wide(*high) + wide(*low));
            }
        }
    }
}

impl Tiled {
    /// Of a matrix (outputs, inputs), as files store it.
    pub(in crate::kernels) fn new(
        products: impl Into<Products>,
        weight: Values<'_>,
        outputs: usize,
        inputs: usize,
    ) -> Self {
        Self::of_taps(products.into(), weight, outputs, inputs, 1)
    }

    /// Of a kernel (outputs, depth, taps), as files store it.
    pub(in crate::kernels) fn of_taps(
        products: Products,
        weight: Values<'_>,
        outputs: usize,
        depth: usize,
        taps: usize,
    ) -> Self {
        assert_eq!(weight.len(), outputs * depth * taps, "a weight of another size than its shape");
        let output = |column: usize| (column < outputs).then_some(column);
        let lines = Lines::new(products, weight, outputs.div_ceil(PANEL), taps, depth, output);
        Self { lines, products, outputs, taps, depth }
    }

    /// Of what was kept of such a kernel.
    pub(in crate::kernels) fn kept(
        products: Products,
        kept: &Kept,
        outputs: usize,
        depth: usize,
        taps: usize,
    ) -> Option<Self> {
        if kept.is_gated {
            return None;
        }
        let lines = Lines::kept(products, kept, outputs.div_ceil(PANEL), taps, depth)?;
        Some(Self { lines, products, outputs, taps, depth })
    }

    /// As [`Products::rounds`].
    pub(in crate::kernels) fn rounds(&self) -> bool {
        self.products.rounds()
    }

    /// Whether numbers are split in two to be multiplied.
    pub(super) fn splits(&self) -> bool {
        matches!(self.products, Products::Bf16(Tiling { parts: Parts::Two, .. }))
    }

    pub(super) fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    pub(super) fn steps(&self) -> usize {
        self.depth.div_ceil(self.products.depth()) * self.taps
    }

    /// Some steps of a panel of what is rounded.
    pub(super) fn rounded(&self, panel: usize, steps: Range<usize>) -> &[Line] {
        let Lines::Rounded(lines) = &self.lines else { unreachable!("only what is rounded is asked for it") };
        &lines[(panel * self.steps() + steps.start) * STEP..][..steps.len() * STEP]
    }

    pub(super) fn bytes(&self) -> &Bytes {
        let Lines::Bytes(bytes) = &self.lines else { unreachable!("only what is of bytes is asked for them") };
        bytes
    }

    /// A step of a panel.
    pub(super) fn step(&self, panel: usize, step: usize) -> Step<'_> {
        fn at(lines: &[Line], step: usize) -> &[Line] {
            &lines[step * STEP..][..STEP]
        }
        let step = panel * self.steps() + step;
        match &self.lines {
            Lines::Rounded(lines) => Step::Rounded(at(lines, step)),
            Lines::Split(lines) => Step::Split(at(lines, 2 * step), at(lines, 2 * step + 1)),
            Lines::Halves(lines) => Step::Halves(at(lines, step)),
            Lines::Bytes(_) => unreachable!("bytes are not widened"),
        }
    }

    /// The lines of `count` steps from `step` of a panel on, into the next panels, as they are stored; fewer where the weight ends.
    pub(super) fn after(&self, panel: usize, step: usize, count: usize) -> &[Line] {
        let first = panel * self.steps() + step;
        let (lines, of_step): (&[Line], usize) = match &self.lines {
            Lines::Rounded(lines) | Lines::Halves(lines) => (lines, STEP),
            Lines::Split(lines) => (lines, 2 * STEP),
            Lines::Bytes(bytes) => (bytes.lines(), STEP),
        };
        &lines[(first * of_step).min(lines.len())..((first + count) * of_step).min(lines.len())]
    }

    /// Some steps of a panel, split; `scratch` has 2 · [`STEP`] lines for each.
    pub(super) fn split<'a>(&'a self, panel: usize, steps: Range<usize>, scratch: &'a mut [Line]) -> &'a [Line] {
        let first = panel * self.steps() + steps.start;
        match &self.lines {
            Lines::Rounded(lines) => {
                let from = lines[first * STEP..][..steps.len() * STEP].chunks_exact(STEP);
                for (from, to) in from.zip(scratch.chunks_exact_mut(2 * STEP)) {
                    let (high, low) = to.split_at_mut(STEP);
                    high.copy_from_slice(from);
                    low.fill(Line::ZERO);
                }
                &scratch[..steps.len() * 2 * STEP]
            }
            Lines::Split(lines) => &lines[first * 2 * STEP..][..steps.len() * 2 * STEP],
            Lines::Halves(lines) => {
                let from = lines[first * STEP..][..steps.len() * STEP].chunks_exact(STEP);
                for (from, to) in from.zip(scratch.chunks_exact_mut(2 * STEP)) {
                    let (high, low) = to.split_at_mut(STEP);
                    split_halves(from, high, low);
                }
                &scratch[..steps.len() * 2 * STEP]
            }
            Lines::Bytes(_) => unreachable!("bytes are not split"),
        }
    }
}

impl Packing for Tiled {
    fn keep(&self) -> Kept {
        self.lines.keep(self.products)
    }
}

/// A matrix (2 · outputs, inputs) and its bias, packed so that each panel holds a tile of outputs and a tile of their gates.
#[derive(Debug)]
pub(in crate::kernels) struct TiledGated {
    pub(super) matrix: Tiled,
    /// Of one panel after the other, in its order.
    pub(super) bias: Vec<f32>,
    /// After the gating.
    pub(super) outputs: usize,
}

impl TiledGated {
    /// As [`Products::rounds`].
    pub(in crate::kernels) fn rounds(&self) -> bool {
        self.matrix.rounds()
    }

    /// `weight` (2 · outputs, inputs) and `bias` (2 · outputs), as files store them.
    pub(in crate::kernels) fn new(
        products: impl Into<Products>,
        weight: Values<'_>,
        bias: &[f32],
        outputs: usize,
        inputs: usize,
    ) -> Self {
        assert_eq!(weight.len(), 2 * outputs * inputs, "a weight of another size than its shape");
        let products = products.into();
        let source = |column| Self::source(column, outputs);
        let lines = Lines::new(products, weight, outputs.div_ceil(SIDE), 1, inputs, source);
        Self::with(products, lines, bias, outputs, inputs)
    }

    /// Of what was kept of such a matrix.
    pub(in crate::kernels) fn kept(
        products: Products,
        kept: &Kept,
        bias: &[f32],
        outputs: usize,
        inputs: usize,
    ) -> Option<Self> {
        if !kept.is_gated {
            return None;
        }
        let lines = Lines::kept(products, kept, outputs.div_ceil(SIDE), 1, inputs)?;
        Some(Self::with(products, lines, bias, outputs, inputs))
    }

    fn with(products: Products, lines: Lines, bias: &[f32], outputs: usize, inputs: usize) -> Self {
        assert_eq!(bias.len(), 2 * outputs, "a bias of another size than its matrix");
        let columns = outputs.div_ceil(SIDE) * PANEL;
        let of_column = |column| Self::source(column, outputs).map_or(0.0, |output| bias[output]);
        let bias = (0..columns).map(of_column).collect();
        Self { matrix: Tiled { lines, products, outputs: columns, taps: 1, depth: inputs }, bias, outputs }
    }

    /// Which output or gate stands in a column.
    fn source(column: usize, outputs: usize) -> Option<usize> {
        let output = column / PANEL * SIDE + column % SIDE;
        (output < outputs).then_some(output + column % PANEL / SIDE * outputs)
    }
}

impl Packing for TiledGated {
    fn keep(&self) -> Kept {
        Kept { is_gated: true, ..self.matrix.keep() }
    }
}

impl Lines {
    /// In panels; `output` says which output stands in a column, zeros where it gives none.
    fn new(
        products: Products,
        weight: Values<'_>,
        panels: usize,
        taps: usize,
        depth: usize,
        output: impl Fn(usize) -> Option<usize> + Sync,
    ) -> Self {
        let shape = (panels, taps, depth);
        let as_it_is = |_: &mut [Line]| {};
        let parts = match products {
            Products::Bf16(tiling) => tiling.parts,
            Products::Bytes(_) => return Self::Bytes(Bytes::new(weight, shape, output)),
        };
        match (parts, weight) {
            (Parts::One, Values::F32(values)) => {
                Self::Rounded(arrange(values, shape, output, |x| [rounded(x)], as_it_is).into())
            }
            (Parts::One, Values::F16(values)) => {
                Self::Rounded(arrange(values, shape, output, |x| [x.to_bits()], round_halves).into())
            }
            (_, Values::Bf16(values)) => {
                Self::Rounded(arrange(values, shape, output, |x| [x.to_bits()], as_it_is).into())
            }
            (Parts::Two, Values::F32(values)) => Self::Split(arrange(values, shape, output, split, as_it_is).into()),
            (Parts::Two, Values::F16(values)) => {
                let halves = arrange(values, shape, output, |x| [x.to_bits()], as_it_is);
                if values.len() > WIDE { Self::Halves(halves.into()) } else { Self::Split(split_steps(&halves).into()) }
            }
        }
    }
}

impl Lines {
    /// Those that were kept.
    fn kept(products: Products, kept: &Kept, panels: usize, taps: usize, depth: usize) -> Option<Self> {
        let steps = panels * depth.div_ceil(products.depth()) * taps;
        let has = |parts| matches!(products, Products::Bf16(tiling) if tiling.parts == parts);
        match (kept.form, kept.sections.as_slice()) {
            (Form::Rounded, [lines]) if has(Parts::One) => Numbers::of(lines, steps * STEP).map(Self::Rounded),
            (Form::Whole, [lines]) if has(Parts::Two) => Numbers::of(lines, steps * STEP).map(Self::Rounded),
            (Form::Split, [lines]) if has(Parts::Two) => Numbers::of(lines, 2 * steps * STEP).map(Self::Split),
            (Form::Halves, [lines]) if has(Parts::Two) => Numbers::of(lines, steps * STEP).map(Self::Halves),
            (Form::Bytes, [lines, columns]) if matches!(products, Products::Bytes(_)) => {
                Bytes::kept(lines, columns, panels, steps).map(Self::Bytes)
            }
            _ => None,
        }
    }

    fn keep(&self, products: Products) -> Kept {
        let rounded = if products.rounds() { Form::Rounded } else { Form::Whole };
        let (form, sections) = match self {
            Self::Rounded(lines) => (rounded, vec![lines.keep()]),
            Self::Split(lines) => (Form::Split, vec![lines.keep()]),
            Self::Halves(lines) => (Form::Halves, vec![lines.keep()]),
            Self::Bytes(bytes) => (Form::Bytes, bytes.keep()),
        };
        Kept { form, is_gated: false, sections }
    }
}

/// Steps of f16, split.
fn split_steps(halves: &[Line]) -> Vec<Line> {
    let mut lines = vec![Line::ZERO; 2 * halves.len()];
    for (from, to) in halves.chunks_exact(STEP).zip(lines.chunks_exact_mut(2 * STEP)) {
        let (high, low) = to.split_at_mut(STEP);
        split_halves(from, high, low);
    }
    lines
}

/// `values` (outputs, depth, taps) in panels of `shape`, which is panels, taps and depth. `parts` makes a number into what is
/// stored; the first of each stand in a step's first lines, the next behind them. `finish` has the last word on a tile of the depth.
fn arrange<T: Copy + Sync, const PARTS: usize>(
    values: &[T],
    (panels, taps, depth): (usize, usize, usize),
    output: impl Fn(usize) -> Option<usize> + Sync,
    parts: impl Fn(T) -> [u16; PARTS] + Sync,
    finish: impl Fn(&mut [Line]) + Sync,
) -> Vec<Line> {
    let of_tile = taps * PARTS * STEP;
    let of_panel = depth.div_ceil(DEPTH) * of_tile;
    let whole = panels * of_panel;
    let mut lines = Vec::with_capacity(whole);
    lines.spare_capacity_mut()[..whole].par_chunks_mut(of_panel.max(1)).enumerate().for_each(|(panel, lines)| {
        // Columns without an output stay zeros.
        let mut steps = vec![Line::ZERO; of_tile];
        let mut numbers = vec![[0; PARTS]; DEPTH * taps];
        for (tile, lines) in lines.chunks_exact_mut(of_tile).enumerate() {
            let first = tile * DEPTH;
            let count = DEPTH.min(depth - first) * taps;
            numbers[count..].fill([0; PARTS]);
            for column in 0..PANEL {
                let Some(output) = output(panel * PANEL + column) else { continue };
                let values = &values[(output * depth + first) * taps..][..count];
                numbers.iter_mut().zip(values).for_each(|(number, value)| *number = parts(*value));
                // The compiler unrolls what it knows: nearly all weights are matrices or kernels of 3×3.
                match taps {
                    1 => put_column(&numbers, 1, column, &mut steps),
                    9 => put_column(&numbers, 9, column, &mut steps),
                    taps => put_column(&numbers, taps, column, &mut steps),
                }
            }
            finish(&mut steps);
            lines.iter_mut().zip(&steps).for_each(|(to, line)| _ = to.write(*line));
        }
    });
    // SAFETY: each of them has been written: the last panel is as long as the others, and so is the last tile of each.
    unsafe {
        lines.set_len(whole);
    }
    lines
}

/// Puts an output's numbers (channels, taps) of a tile down in its column of the steps, in pairs of channels.
#[inline(always)]
fn put_column<const PARTS: usize>(numbers: &[[u16; PARTS]], taps: usize, column: usize, steps: &mut [Line]) {
    let (side, column) = (column / SIDE, 2 * (column % SIDE));
    let steps = steps.as_chunks_mut::<SIDE>().0.as_chunks_mut::<AT_ONCE>().0.as_chunks_mut::<PARTS>().0;
    let steps = &mut steps[..taps];
    for (pair, numbers) in (0..SIDE).zip(numbers.chunks_exact(2 * taps)) {
        let (first, second) = numbers.split_at(taps);
        for ((step, first), second) in steps.iter_mut().zip(first).zip(second) {
            for (part, (first, second)) in step.iter_mut().zip(first.iter().zip(second)) {
                part[side][pair].0[column..][..2].copy_from_slice(&[*first, *second]);
            }
        }
    }
}
