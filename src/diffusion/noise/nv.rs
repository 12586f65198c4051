//! Torch's generator on an NVIDIA card, which gives each value a thread of its own.
//!
//! The bits come from Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") with the seed as key and
//! (call, 0, thread, 0) as counter; of the two pairs of a counter the first makes a normal value, by the sine of Box and Muller's transform.
//! That is what torch's `normal_` does with cuRAND for as many values as the card runs threads, some hundred thousand: latents are smaller.

pub(super) struct Nv {
    key: [u32; 2],
    calls: u32,
}

/// The multipliers of a round, and what is added to the key between rounds.
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

impl Nv {
    pub(super) fn new(seed: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], calls: 0 }
    }

    /// As `torch.randn(count, generator=…, device="cuda")`.
    pub(super) fn normals(&mut self, count: usize) -> Vec<f32> {
        let call = self.calls;
        self.calls = self.calls.wrapping_add(1);
        (0..count as u32).map(|thread| normal(philox([call, 0, thread, 0], self.key))).collect()
    }
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let product = |by: usize, of: u32| u64::from(MULTIPLIERS[by]) * u64::from(of);
        let (first, second) = (product(0, counter[0]), product(1, counter[2]));
        let high = |product: u64| (product >> 32) as u32;
        counter = [high(second) ^ counter[1] ^ key[0], second as u32, high(first) ^ counter[3] ^ key[1], first as u32];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// cuRAND's `_curand_box_muller`, in single precision as there.
fn normal([first, second, ..]: [u32; 4]) -> f32 {
    const UNIT: f32 = 1.0 / 4_294_967_296.0;
    const TURN: f32 = UNIT * std::f32::consts::TAU;
    let share = (first as f32).mul_add(UNIT, UNIT / 2.0);
    let angle = (second as f32).mul_add(TURN, TURN / 2.0);
    (-2.0 * share.ln()).sqrt() * angle.sin()
}
