//! How weights lie when they are packed, since what is kept of them is read by programs to come.

use crate::kernels::cpu::kept::Packing;
use crate::kernels::cpu::packed::{PANEL_VECTORS, Packed, PackedGated, Values};
use crate::kernels::cpu::tiled::{Tiled, TiledGated};
use crate::kernels::cpu::tiles::{Kind, Parts, Products, Tiling};
use crate::kernels::cpu::vector::lanes;
use crate::kernels::cpu::{ByteKind, packing};
use half::f16;

const OUTPUTS: usize = 37;
const DEPTH: usize = 70;
const TAPS: usize = 9;

fn numbers(count: usize) -> Vec<f16> {
    (0..count).map(|at| f16::from_f64((at as f64 * 0.37).sin())).collect()
}

/// The bytes' FNV-1a hash of 64 bits (Fowler, Noll and Vo).
fn sum(weight: &impl Packing) -> u64 {
    let kept = weight.keep();
    let bytes = kept.sections.iter().flat_map(|section| section.iter());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

#[test]
fn tiles_lie_as_they_did_when_this_layout_was_counted() {
    assert!(packing().starts_with("layout 1,"), "count the sums below anew");
    let (kernel, matrix) = (numbers(OUTPUTS * DEPTH * TAPS), numbers(2 * OUTPUTS * DEPTH));
    let bias = vec![0.0; 2 * OUTPUTS];
    let wide: Vec<f32> = kernel.iter().map(|number| number.to_f32()).collect();
    let products = |parts| Products::from(Tiling { kind: Kind::Numbers, parts });
    let bytes = Products::Bytes(ByteKind::Numbers);
    let cases = [
        (products(Parts::One), Values::F16(&kernel), 0xAAE3_8255_BA28_532D),
        (products(Parts::Two), Values::F16(&kernel), 0x408A_0136_E834_C930),
        (products(Parts::Two), Values::F32(&wide), 0x7699_5B5A_B5D3_D2F8),
        (bytes, Values::F16(&kernel), 0xFF44_CE99_16CA_5CFB),
    ];
    let found = cases.map(|(products, values, _)| sum(&Tiled::of_taps(products, values, OUTPUTS, DEPTH, TAPS)));
    assert_eq!(found, cases.map(|(.., expected)| expected), "if this is meant, `LAYOUT` is to be counted up");
    let gated = sum(&TiledGated::new(products(Parts::Two), Values::F16(&matrix), &bias, OUTPUTS, DEPTH));
    assert_eq!(gated, 0xAAB8_7DBC_1294_3A8B, "if this is meant, `LAYOUT` is to be counted up");
}

#[test]
fn panels_lie_as_they_did_when_this_layout_was_counted() {
    let (kernel, matrix) = (numbers(OUTPUTS * DEPTH * TAPS), numbers(2 * OUTPUTS * DEPTH));
    let (lanes, panel) = (lanes(), PANEL_VECTORS * lanes());
    let packed = Packed::of_taps(Values::F16(&kernel), OUTPUTS, DEPTH, TAPS).keep();
    let found: &[f16] = bytemuck::cast_slice(&packed.sections[0]);
    assert_eq!(found.len(), OUTPUTS.div_ceil(panel) * panel * DEPTH * TAPS);
    for (at, found) in found.iter().enumerate() {
        let (column, input, tap) = (at % panel, at / panel % DEPTH, at / panel / DEPTH % TAPS);
        let output = at / panel / DEPTH / TAPS * panel + column;
        let expected = if output < OUTPUTS { kernel[(output * DEPTH + input) * TAPS + tap] } else { f16::ZERO };
        assert_eq!(*found, expected, "if this is meant, `LAYOUT` is to be counted up");
    }
    let gated = PackedGated::new(Values::F16(&matrix), &vec![0.0; 2 * OUTPUTS], OUTPUTS, DEPTH).keep();
    let found: &[f16] = bytemuck::cast_slice(&gated.sections[0]);
    for (at, found) in found.iter().enumerate() {
        let (column, input, output) = (at % panel, at / panel % DEPTH, at / panel / DEPTH * lanes + at % lanes);
        let row = if column < lanes { output } else { OUTPUTS + output };
        let expected = if output < OUTPUTS { matrix[row * DEPTH + input] } else { f16::ZERO };
        assert_eq!(*found, expected, "if this is meant, `LAYOUT` is to be counted up");
    }
}
