//! What each kernel makes of the machine, at the shapes of Stable Diffusion 1.5 (512 px), SDXL (1024 px) and Bozzetto (128 px):
//! `cargo bench --bench kernels [FILTER]`. Divan counts floating-point operations as items; behind its table stands each kernel's
//! share of the machine's limit. A convolution counts as if it were computed directly, so that Winograd's may pass 100 %.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "shared/peak.rs"]
mod peak;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use sfumato::diffusion::Noise;
use sfumato::kernels::{
    Activation, Conv2d, GatedLinear, GroupNorm, LayerNorm, Linear, Mask, Padding, Weights, attention,
};
use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What was measured: a kernel and its GFLOP/s.
static RATES: Mutex<Vec<(String, f64)>> = Mutex::new(Vec::new());

fn main() {
    divan::main();
    let rates = RATES.lock().expect("no bench panics while it holds this");
    if rates.is_empty() || std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let threads = rayon::current_num_threads();
    let limit = peak::gflops(threads);
    println!(
        "\nShare of {limit:.0} GFLOP/s, what {threads} threads make of {}, by each kernel's fastest run:",
        peak::vectors()
    );
    for (name, rate) in rates.iter() {
        println!("{name:60} {rate:6.0} GFLOP/s {:4.0} %", 100.0 * rate / limit);
    }
}

/// A shape with the name of the network that has it.
#[derive(Clone, Copy)]
struct Shape<const N: usize>(&'static str, [usize; N]);

impl<const N: usize> fmt::Display for Shape<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1.map(|number| number.to_string()).join("·"))
    }
}

/// Side of the picture, channels in and out.
const CONVOLUTIONS: [Shape<3>; 16] = [
    Shape("sd15 unet", [64, 320, 320]),
    Shape("sd15 unet", [64, 960, 320]),
    Shape("sd15 unet", [32, 640, 640]),
    Shape("sd15 unet", [32, 1920, 640]),
    Shape("sd15 unet", [16, 1280, 1280]),
    Shape("sd15 unet", [8, 1280, 1280]),
    Shape("sd15 vae", [64, 512, 512]),
    Shape("sd15 vae", [128, 512, 512]),
    Shape("sd15 vae", [256, 256, 256]),
    Shape("sd15 vae", [512, 128, 128]),
    Shape("sdxl unet", [128, 320, 320]),
    Shape("sdxl unet", [64, 640, 640]),
    Shape("sdxl unet", [32, 1280, 1280]),
    Shape("bozzetto unet", [16, 64, 64]),
    Shape("bozzetto unet", [4, 192, 192]),
    Shape("bozzetto vae", [128, 16, 16]),
];

#[divan::bench(args = CONVOLUTIONS, sample_count = 10, sample_size = 1)]
fn conv_3x3(bencher: Bencher<'_, '_>, shape: Shape<3>) {
    let [side, inputs, outputs] = shape.1;
    let conv = Conv2d::new(inputs, outputs, 3, weights(&[outputs, inputs, 3, 3])).expect("the weights fit");
    let x = noise(&[1, side, side, inputs]);
    measure(bencher, format!("conv 3x3 {shape}"), 18 * side * side * inputs * outputs, || conv.forward(&x));
}

/// Down to half the side.
#[divan::bench(args = [Shape("sd15 unet", [64, 320, 320]), Shape("sd15 unet", [32, 640, 640])], sample_count = 10, sample_size = 1)]
fn conv_3x3_stride_2(bencher: Bencher<'_, '_>, shape: Shape<3>) {
    let [side, inputs, outputs] = shape.1;
    let (padding, weights) = (Padding::even(1), weights(&[outputs, inputs, 3, 3]));
    let conv = Conv2d::strided(inputs, outputs, 3, 2, padding, weights).expect("the weights fit");
    let x = noise(&[1, side, side, inputs]);
    let operations = 18 * (side / 2) * (side / 2) * inputs * outputs;
    measure(bencher, format!("conv 3x3 stride 2 {shape}"), operations, || conv.forward(&x));
}

/// Of a picture enlarged to twice the side.
#[divan::bench(args = [Shape("sd15 unet", [32, 640, 640]), Shape("sd15 vae", [128, 512, 512])], sample_count = 10, sample_size = 1)]
fn conv_3x3_enlarged(bencher: Bencher<'_, '_>, shape: Shape<3>) {
    let [side, inputs, outputs] = shape.1;
    let conv = Conv2d::new(inputs, outputs, 3, weights(&[outputs, inputs, 3, 3])).expect("the weights fit");
    let x = noise(&[1, side, side, inputs]);
    let operations = 18 * 4 * side * side * inputs * outputs;
    measure(bencher, format!("conv 3x3 enlarged {shape}"), operations, || {
        conv.forward_enlarged(&x, 2 * side, 2 * side)
    });
}

#[divan::bench(args = [Shape("sd15 unet", [64, 960, 320]), Shape("sd15 unet", [16, 2560, 1280])], sample_count = 10, sample_size = 1)]
fn conv_1x1(bencher: Bencher<'_, '_>, shape: Shape<3>) {
    let [side, inputs, outputs] = shape.1;
    let conv = Conv2d::new(inputs, outputs, 1, weights(&[outputs, inputs, 1, 1])).expect("the weights fit");
    let x = noise(&[1, side, side, inputs]);
    measure(bencher, format!("conv 1x1 {shape}"), 2 * side * side * inputs * outputs, || conv.forward(&x));
}

/// Rows, inputs, outputs.
const LINEARS: [Shape<3>; 8] = [
    Shape("sd15 unet", [4096, 320, 320]),
    Shape("sd15 unet", [4096, 1280, 320]),
    Shape("sd15 unet", [1024, 640, 640]),
    Shape("sd15 unet", [256, 1280, 1280]),
    Shape("sd15 text", [77, 768, 3072]),
    Shape("sdxl unet", [4096, 640, 640]),
    Shape("sdxl unet", [1024, 1280, 1280]),
    Shape("bozzetto unet", [64, 128, 128]),
];

#[divan::bench(args = LINEARS, sample_count = 20, sample_size = 1)]
fn linear(bencher: Bencher<'_, '_>, shape: Shape<3>) {
    let [rows, inputs, outputs] = shape.1;
    let linear = Linear::new(inputs, outputs, weights(&[outputs, inputs])).expect("the weights fit");
    let x = noise(&[1, rows, inputs]);
    measure(bencher, format!("linear {shape}"), 2 * rows * inputs * outputs, || linear.forward(&x));
}

const GATED: [Shape<3>; 5] = [
    Shape("sd15 unet", [4096, 320, 1280]),
    Shape("sd15 unet", [1024, 640, 2560]),
    Shape("sd15 unet", [256, 1280, 5120]),
    Shape("sdxl unet", [1024, 1280, 5120]),
    Shape("bozzetto unet", [64, 128, 512]),
];

#[divan::bench(args = GATED, sample_count = 20, sample_size = 1)]
fn gated_linear(bencher: Bencher<'_, '_>, shape: Shape<3>) {
    let [rows, inputs, outputs] = shape.1;
    let linear = GatedLinear::new(inputs, outputs, weights(&[2 * outputs, inputs])).expect("the weights fit");
    let x = noise(&[1, rows, inputs]);
    measure(bencher, format!("gated linear {shape}"), 4 * rows * inputs * outputs, || linear.forward(&x));
}

/// Queries, keys, channels, heads.
const ATTENTIONS: [Shape<4>; 10] = [
    Shape("sd15 unet", [4096, 4096, 320, 8]),
    Shape("sd15 unet", [1024, 1024, 640, 8]),
    Shape("sd15 unet", [256, 256, 1280, 8]),
    Shape("sd15 unet", [4096, 77, 320, 8]),
    Shape("sd15 unet", [1024, 77, 640, 8]),
    Shape("sd15 vae", [4096, 4096, 512, 1]),
    Shape("sdxl unet", [4096, 4096, 640, 10]),
    Shape("sdxl unet", [1024, 1024, 1280, 20]),
    Shape("bozzetto unet", [64, 64, 128, 4]),
    Shape("bozzetto unet", [64, 32, 128, 4]),
];

#[divan::bench(args = ATTENTIONS, sample_count = 10, sample_size = 1)]
fn attend(bencher: Bencher<'_, '_>, shape: Shape<4>) {
    let [queries, keys, channels, heads] = shape.1;
    let (query, key) = (noise(&[1, queries, channels]), noise(&[1, keys, channels]));
    let operations = 4 * queries * keys * channels;
    measure(bencher, format!("attention {shape}"), operations, || attention(&query, &key, &key, heads, Mask::None));
}

/// Side and channels. Norms wait for memory: their bytes count, read once and written once.
#[divan::bench(
    args = [Shape("sd15 unet", [64, 320]), Shape("sd15 unet", [16, 1280]), Shape("sd15 vae", [512, 128]), Shape("bozzetto unet", [16, 64])],
    sample_count = 20,
    sample_size = 1
)]
fn group_norm_and_silu(bencher: Bencher<'_, '_>, shape: Shape<2>) {
    let [side, channels] = shape.1;
    let norm = GroupNorm::new(32, channels, 1e-5, Activation::Silu, weights(&[channels])).expect("the weights fit");
    let x = noise(&[1, side, side, channels]);
    bencher.counter(BytesCount::new(8 * x.elem_count())).bench_local(|| norm.forward(&x).expect("it is computed"));
}

/// Rows and width.
#[divan::bench(args = [Shape("sd15 unet", [4096, 320]), Shape("sd15 unet", [256, 1280])], sample_count = 20, sample_size = 1)]
fn layer_norm(bencher: Bencher<'_, '_>, shape: Shape<2>) {
    let [rows, width] = shape.1;
    let norm = LayerNorm::new(width, 1e-5, weights(&[width])).expect("the weights fit");
    let x = noise(&[1, rows, width]);
    bencher.counter(BytesCount::new(8 * x.elem_count())).bench_local(|| norm.forward(&x).expect("it is computed"));
}

/// Times `run` by divan, and keeps its fastest run for the table of shares.
fn measure(bencher: Bencher<'_, '_>, name: String, operations: usize, run: impl Fn() -> candle_core::Result<Tensor>) {
    let mut fastest = Duration::MAX;
    bencher.counter(ItemsCount::new(operations)).bench_local(|| {
        let started = Instant::now();
        let y = run().expect("it is computed");
        fastest = fastest.min(started.elapsed());
        y
    });
    let rate = operations as f64 / fastest.as_secs_f64() / 1e9;
    RATES.lock().expect("no bench panics while it holds this").push((name, rate));
}

fn noise(shape: &[usize]) -> Tensor {
    Noise::new(7).tensor(shape, &Device::Cpu).expect("noise needs nothing")
}

/// A weight of this shape and a bias for it, in the precision in which most are stored.
fn weights(shape: &[usize]) -> Weights<'static> {
    let half = |shape: &[usize]| noise(shape).to_dtype(DType::F16).expect("any number can be rounded");
    let tensors = HashMap::from([("weight".to_owned(), half(shape)), ("bias".to_owned(), half(&shape[..1]))]);
    VarBuilder::from_tensors(tensors, DType::F16, &Device::Cpu).into()
}
