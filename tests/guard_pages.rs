//! No kernel touches memory that is not its own, and none minds the number of threads. Every block of memory of a process gets pages of its own that end,
//! or begin, with a page that nobody may touch; then the kernels run at shapes that fit nothing, with all kinds of vectors. Without the usual harness, because a
//! process that touches such a page ends at once: this one starts others and tells how they ended.
#![expect(unsafe_code, reason = "it is an allocator")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![expect(clippy::print_stdout, reason = "the last line says which kernel a process ended in")]

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use sfumato::kernels::{
    Activation, BYTES, Conv2d, GatedLinear, GroupNorm, LayerNorm, Linear, Mask, Padding, Rectifier, Weights, attention,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[global_allocator]
static ALLOCATOR: Guarding = Guarding;

/// Where blocks lie on their pages, in the environment of a process that guards.
const PLACEMENT: &str = "SFUMATO_TEST_GUARD";

fn main() {
    if !cfg!(target_os = "linux") {
        return;
    }
    match std::env::var(PLACEMENT).as_deref() {
        Err(_) => guard_all(),
        Ok("past") => touch(true),
        Ok("before") => touch(false),
        Ok(placement) => run_all(placement == "end"),
    }
}

fn guard_all() {
    let guarded = |placement: &str, vectors: &str| -> Output {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(PLACEMENT, placement).env("SFUMATO_VECTORS", vectors).output().unwrap()
    };
    for wrong in ["past", "before"] {
        assert!(!guarded(wrong, "").status.success(), "one number {wrong} its block can be touched");
    }
    for vectors in ["all", "avx512", "avx2", "scalar"] {
        for placement in ["end", "start"] {
            let done = guarded(placement, vectors);
            let (said, error) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            let last = said.lines().last().unwrap_or("before the first kernel");
            assert!(done.status.success(), "{vectors}, {placement}, {last}: {} {error}", done.status);
        }
    }
}

/// Bytes of a page, and of the addresses from which guarded blocks are taken.
const PAGE: usize = 4096;
const RESERVED: usize = 1 << 40;

/// Where the reserved addresses begin, how many are used up, and whether blocks end with their pages. Nothing is reserved at first.
static START: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);
static AT_END: AtomicUsize = AtomicUsize::new(0);

struct Guarding;

fn map(at: usize, bytes: usize, protection: i32, more: i32) -> usize {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | more;
    // SAFETY: it is either a place of the system's choice or one that this allocator has reserved.
    let found = unsafe { libc::mmap(at as *mut libc::c_void, bytes, protection, flags, -1, 0) };
    assert!(found != libc::MAP_FAILED, "no memory");
    found as usize
}

// SAFETY: blocks share no page; what is reserved is never given out twice.
unsafe impl GlobalAlloc for Guarding {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = START.load(Relaxed);
        if start == 0 {
            // SAFETY: promised by the caller.
            return unsafe { System.alloc(layout) };
        }
        let bytes = layout.size().next_multiple_of(PAGE);
        let first = start + USED.fetch_add(bytes + PAGE, Relaxed) + PAGE;
        assert!(first + bytes + PAGE < start + RESERVED && layout.align() <= PAGE, "too many blocks");
        let block = map(first, bytes, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_FIXED);
        let behind = (bytes - layout.size()) / layout.align() * layout.align();
        (block + behind * AT_END.load(Relaxed)) as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let start = START.load(Relaxed);
        if start == 0 || !(start..start + RESERVED).contains(&(block as usize)) {
            // SAFETY: promised by the caller.
            return unsafe { System.dealloc(block, layout) };
        }
        let (first, bytes) = (block as usize / PAGE * PAGE, layout.size().next_multiple_of(PAGE));
        map(first, bytes, libc::PROT_NONE, libc::MAP_FIXED);
    }
}

fn guard(at_end: bool) {
    AT_END.store(at_end.into(), Relaxed);
    START.store(map(0, RESERVED, libc::PROT_NONE, 0), Relaxed);
}

/// Reads one number that is not its own.
fn touch(past: bool) {
    guard(past);
    let numbers = Box::new([1f32; 37]);
    let at = if past { numbers.as_ptr().wrapping_add(37) } else { numbers.as_ptr().wrapping_sub(1) };
    // SAFETY: there is none: the process has to end here.
    println!("{}", unsafe { at.read_volatile() });
}

fn run_all(at_end: bool) {
    guard(at_end);
    // One number at a time takes long.
    let rounds = if std::env::var("SFUMATO_VECTORS").as_deref() == Ok("scalar") { 8 } else { 16 };
    for (round, dtype) in [DType::F32, DType::F16, DType::BF16, BYTES].into_iter().cycle().take(rounds).enumerate() {
        for kernel in [convolution, pointwise, linear, gated, norms, attend, single] {
            let mut draw = Draw(round as u64 * 77 + 1);
            let run = kernel(&mut draw, dtype).unwrap();
            // Of new threads, whose scratch is as large as this kernel asks for.
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| run().unwrap())
            };
            let one = on(1);
            for threads in [2, 3] {
                assert!(one == on(threads), "{threads} threads compute something else");
            }
        }
    }
}

/// Weights as they are stored, whatever they will be multiplied in.
struct Stored(HashMap<String, Tensor>);

impl SimpleBackend for Stored {
    fn get(&self, _: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        self.get_unchecked(name, dtype, device)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        Ok(self.0[name].clone())
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// Gives the bits of what a kernel computes.
type Run = Box<dyn Fn() -> Result<Vec<u32>> + Send + Sync>;

fn bits(of: &Tensor) -> Result<Vec<u32>> {
    let numbers = of.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    Ok(numbers.into_iter().map(f32::to_bits).collect())
}

/// Shapes and numbers that look random and are the same every time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    /// From 1 to `most`.
    fn up_to(&mut self, most: usize) -> usize {
        self.next() as usize % most + 1
    }

    fn tensor(&mut self, shape: &[usize]) -> Result<Tensor> {
        let numbers = (0..shape.iter().product()).map(|_| (self.next() % 2001) as f32 / 1000.0 - 1.0).collect();
        Tensor::from_vec(numbers, shape, &Device::Cpu)
    }

    /// A weight of this shape and what is added. What is to be multiplied in bytes is stored in f16.
    fn weights(&mut self, shape: &[usize], dtype: DType) -> Result<Weights<'static>> {
        let stored = if dtype == BYTES { DType::F16 } else { dtype };
        let (weight, bias) = (self.tensor(shape)?.to_dtype(stored)?, self.tensor(&shape[..1])?.to_dtype(stored)?);
        let tensors = HashMap::from([("weight".to_owned(), weight), ("bias".to_owned(), bias)]);
        Ok(VarBuilder::from_backend(Box::new(Stored(tensors)), dtype, Device::Cpu).into())
    }

    /// Sizes of a matrix; now and then, and for bytes always, so many that weights of half the size stay as they are stored.
    fn matrix(&mut self, dtype: DType) -> (usize, usize) {
        if self.up_to(6) == 1 || dtype == BYTES {
            (730 + self.up_to(40), 720 + self.up_to(40))
        } else {
            (self.up_to(350), self.up_to(80))
        }
    }
}

fn convolution(draw: &mut Draw, dtype: DType) -> Result<Run> {
    let (kernel, stride, before, after) =
        [(3, 1, 1, 1), (3, 1, 1, 1), (3, 2, 1, 1), (3, 2, 0, 1), (5, 1, 2, 2)][draw.up_to(5) - 1];
    let (batch, height, width) = (draw.up_to(3), 4 + draw.up_to(20), 4 + draw.up_to(20));
    let many = draw.up_to(6) == 1 || dtype == BYTES;
    let (inputs, outputs) = if many { (241, 243) } else { (draw.up_to(90), draw.up_to(60)) };
    println!(
        "convolution {kernel}/{stride}/{before}/{after} of {batch}·{height}·{width}·{inputs} to {outputs} in {dtype:?}"
    );
    let weights = draw.weights(&[outputs, inputs, kernel, kernel], dtype)?;
    let conv = Conv2d::strided(inputs, outputs, kernel, stride, Padding { before, after }, weights)?;
    let x = draw.tensor(&[batch, height, width, inputs])?;
    let shift = draw.tensor(&[1, outputs])?;
    let residual = draw.tensor(conv.forward(&x)?.dims())?;
    Ok(Box::new(move || {
        let y = conv.forward_adding(&x, Some(&shift), Some(&residual))?;
        let z = conv.forward_enlarged(&x, 2 * height, 2 * width)?;
        Ok([bits(&y)?, bits(&z)?].concat())
    }))
}

fn pointwise(draw: &mut Draw, dtype: DType) -> Result<Run> {
    let ((inputs, outputs), (batch, height, width)) =
        (draw.matrix(dtype), (draw.up_to(3), draw.up_to(12), draw.up_to(12)));
    println!("convolution 1 of {batch}·{height}·{width}·{inputs} to {outputs} in {dtype:?}");
    let conv = Conv2d::new(inputs, outputs, 1, draw.weights(&[outputs, inputs, 1, 1], dtype)?)?;
    let x = draw.tensor(&[batch, height, width, inputs])?;
    Ok(Box::new(move || bits(&conv.forward(&x)?)))
}

fn linear(draw: &mut Draw, dtype: DType) -> Result<Run> {
    let ((inputs, outputs), rows) = (draw.matrix(dtype), draw.up_to(230));
    println!("linear {rows}·{inputs} to {outputs} in {dtype:?}");
    let linear = Linear::new(inputs, outputs, draw.weights(&[outputs, inputs], dtype)?)?;
    let (x, residual) = (draw.tensor(&[rows, inputs])?, draw.tensor(&[rows, outputs])?);
    Ok(Box::new(move || {
        Ok([bits(&linear.forward_adding(&x, &residual)?)?, bits(&linear.forward_rounded(&x)?)?].concat())
    }))
}

fn gated(draw: &mut Draw, dtype: DType) -> Result<Run> {
    let ((inputs, outputs), rows) = (draw.matrix(dtype), draw.up_to(150));
    println!("gated linear {rows}·{inputs} to {outputs} in {dtype:?}");
    let linear = GatedLinear::new(inputs, outputs, draw.weights(&[2 * outputs, inputs], dtype)?)?;
    let x = draw.tensor(&[rows, inputs])?;
    Ok(Box::new(move || bits(&linear.forward(&x)?)))
}

fn norms(draw: &mut Draw, dtype: DType) -> Result<Run> {
    let (batch, height, width) = (draw.up_to(3), draw.up_to(40), draw.up_to(40));
    let (groups, each) = (draw.up_to(5), draw.up_to(30));
    println!("norms of {batch}·{height}·{width}·{groups}·{each} in {dtype:?}");
    let channels = groups * each;
    let group = GroupNorm::new(groups, channels, 1e-5, Activation::Silu, draw.weights(&[channels], dtype)?)?;
    let layer = LayerNorm::new(channels, 1e-5, draw.weights(&[channels], dtype)?)?;
    let x = draw.tensor(&[batch, height, width, channels])?;
    Ok(Box::new(move || Ok([bits(&group.forward(&x)?)?, bits(&layer.forward(&x)?)?].concat())))
}

fn attend(draw: &mut Draw, dtype: DType) -> Result<Run> {
    let (batch, heads, width) = (draw.up_to(2), draw.up_to(3), draw.up_to(90));
    let (queries, keys) = (draw.up_to(260), draw.up_to(600));
    println!("attention {batch}·{queries}·{keys} of {heads} heads of {width} in {dtype:?}");
    let dtype =
        if dtype == DType::BF16 && sfumato::kernels::multiplies_bf16(&Device::Cpu) { dtype } else { DType::F32 };
    let mut tokens = |count| draw.tensor(&[batch, count, heads * width])?.to_dtype(dtype);
    let (q, k, v) = (tokens(queries)?, tokens(keys)?, tokens(keys)?);
    Ok(Box::new(move || {
        let all = attention(&q, &k, &v, heads, Mask::None)?;
        Ok([bits(&all)?, bits(&attention(&q, &k, &v, heads, Mask::Causal)?)?].concat())
    }))
}

/// What is done to each number by itself.
fn single(draw: &mut Draw, _: DType) -> Result<Run> {
    let (rows, channels) = (draw.up_to(700), draw.up_to(100));
    println!("activations of {rows}·{channels}");
    let rectifier = Rectifier::learned(channels, draw.weights(&[channels], DType::F32)?)?;
    let x = draw.tensor(&[rows, channels])?;
    Ok(Box::new(move || {
        let mut found = bits(&rectifier.forward(&x)?)?;
        for activation in [Activation::Silu, Activation::QuickGelu, Activation::Gelu, Activation::GeluTanh] {
            found.extend(bits(&activation.forward(&x)?)?);
        }
        Ok(found)
    }))
}
