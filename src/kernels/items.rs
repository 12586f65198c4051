use super::cpu;
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

/// Numbers of an item's largest maps up to which threads wait for each other longer than it takes to compute alone.
const SMALL: usize = 1 << 16;

/// What is computed of the items of a batch, (1, …) each, joined to (B, …). Where `numbers`, the size of an item's largest maps, are few and the CPU
/// computes, each item is computed by a thread of its own, which waits for no other; the bytes are the same either way.
pub fn by_items(
    batch: usize,
    numbers: usize,
    device: &Device,
    together: impl FnOnce() -> Result<Vec<Tensor>>,
    item: impl Fn(usize) -> Result<Vec<Tensor>> + Sync + Send,
) -> Result<Vec<Tensor>> {
    if batch == 1 || numbers > SMALL || !device.is_cpu() || rayon::current_num_threads() == 1 {
        return together();
    }
    let alone = rayon::current_num_threads() <= batch;
    let compute = |index| if alone { cpu::alone(|| item(index)) } else { item(index) };
    let items: Vec<_> = (0..batch).into_par_iter().with_max_len(1).map(compute).collect();
    let items = items.into_iter().collect::<Result<Vec<_>>>()?;
    let joined = |of: usize| Tensor::cat(&items.iter().map(|item| &item[of]).collect::<Vec<_>>(), 0);
    (0..items[0].len()).map(joined).collect()
}
