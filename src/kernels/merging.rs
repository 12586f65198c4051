use super::cpu::{self, Values};
use super::host::{Host, filled, takes, with_values};
use candle_core::{DType, Device, Result, Tensor};

/// Which tokens are taken together, so that there are fewer to look at each other: Bolya et al. 2023, "Token Merging: Your `ViT` But
/// Faster". It is computed on the CPU, wherever the tokens are.
#[derive(Clone, Debug)]
pub struct Merging {
    items: Vec<Item>,
    /// How many tokens there are before and after.
    tokens: (usize, usize),
}

/// The groups of one item of a batch.
#[derive(Clone, Debug)]
struct Item {
    /// For each token, its group.
    groups: Vec<usize>,
    /// The tokens, group after group.
    members: Vec<usize>,
    /// Where in `members` each group ends.
    ends: Vec<usize>,
}

impl Merging {
    /// Of the tokens (B, N, C) that are not kept, those `count` that resemble a kept one most, by the cosine, join the one that they
    /// resemble; `kept` has N. There must be one to join.
    pub fn new(tokens: &Tensor, kept: &[bool], count: usize) -> Result<Self> {
        let (_, length, channels) = tokens.dims3()?;
        let (targets, others): (Vec<usize>, Vec<usize>) = (0..length).partition(|token| kept[*token]);
        let count = if targets.is_empty() { 0 } else { count.min(others.len()) };
        let tokens = Host::new(&tokens.to_device(&Device::Cpu)?.to_dtype(DType::F32)?)?;
        let item = |x: &[f32]| {
            let alike =
                if count > 0 { cpu::most_alike(x, channels, &others, &targets) } else { vec![(0, 0.0); others.len()] };
            let mut order: Vec<usize> = (0..others.len()).collect();
            order.sort_by(|a, b| alike[*b].1.total_cmp(&alike[*a].1));
            let mut groups = vec![0; length];
            targets.iter().enumerate().for_each(|(group, token)| groups[*token] = group);
            for (place, other) in order.into_iter().enumerate() {
                let alone = place.checked_sub(count).map(|alone| targets.len() + alone);
                groups[others[other]] = alone.unwrap_or(alike[other].0);
            }
            Item::new(groups, length - count)
        };
        let items = tokens.numbers().chunks(length * channels).map(item).collect();
        Ok(Self { items, tokens: (length, length - count) })
    }

    /// Tokens (B, N, C) to the means of those that are taken together, (B, M, C).
    pub fn together(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, length, channels) = x.dims3()?;
        self.check(batch, length, self.tokens.0)?;
        let merged = with_values(&x.to_device(&Device::Cpu)?, |x| {
            filled((batch, self.tokens.1, channels), |out| {
                let (from, to) = (length * channels, self.tokens.1 * channels);
                for ((index, item), out) in self.items.iter().enumerate().zip(out.chunks_mut(to)) {
                    let range = index * from..(index + 1) * from;
                    let Item { members, ends, .. } = item;
                    match x {
                        Values::F32(x) => cpu::means(&x[range], channels, members, ends, out),
                        Values::F16(x) => cpu::means(&x[range], channels, members, ends, out),
                        Values::Bf16(x) => cpu::means(&x[range], channels, members, ends, out),
                    }
                }
            })
        })??;
        back(&merged, x)
    }

    /// What became of those taken together, (B, M, C), for each of them, added to `residual` (B, N, C).
    pub fn apart_adding(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let (batch, length, channels) = x.dims3()?;
        self.check(batch, length, self.tokens.1)?;
        let host = |x: &Tensor| Host::new(&x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?);
        let (merged, added) = (host(x)?, host(residual)?);
        let (merged, added) = (merged.numbers(), added.numbers());
        let whole = filled((batch, self.tokens.0, channels), |out| {
            let whole = self.tokens.0 * channels;
            let items = self.items.iter().zip(merged.chunks(length * channels)).zip(added.chunks(whole));
            for (((item, merged), added), out) in items.zip(out.chunks_mut(whole)) {
                cpu::add_rows(merged, channels, &item.groups, added, out);
            }
        })?;
        back(&whole, residual)
    }

    fn check(&self, batch: usize, length: usize, expected: usize) -> Result<()> {
        if batch != self.items.len() || length != expected {
            candle_core::bail!("{batch} times {length} tokens instead of {} times {expected}", self.items.len());
        }
        Ok(())
    }
}

impl Item {
    fn new(groups: Vec<usize>, count: usize) -> Self {
        let mut ends = vec![0; count];
        for group in &groups {
            ends[*group] += 1;
        }
        let mut end = 0;
        for count in &mut ends {
            end += *count;
            *count = end;
        }
        // Filled from each group's end, the last token first.
        let (mut members, mut next) = (vec![0; groups.len()], ends.clone());
        for (token, group) in groups.iter().enumerate().rev() {
            next[*group] -= 1;
            members[next[*group]] = token;
        }
        Self { groups, members, ends }
    }
}

/// To where `like` is, and of its type; our own kernels go on from f32 whatever was merged.
fn back(x: &Tensor, like: &Tensor) -> Result<Tensor> {
    if takes(like) { Ok(x.clone()) } else { x.to_device(like.device())?.to_dtype(like.dtype()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(rows: &[[f32; 2]]) -> Tensor {
        Tensor::from_vec(rows.concat(), (1, rows.len(), 2), &Device::Cpu).unwrap()
    }

    #[test]
    fn those_that_resemble_a_kept_one_most_join_it() {
        // Right, nearly right, up, nearly up, and one that is between.
        let x = tokens(&[[2.0, 0.0], [3.0, 0.3], [0.0, 1.0], [0.0, 5.0], [1.0, 1.2]]);
        let kept = [true, false, true, false, false];
        let merging = Merging::new(&x, &kept, 2).unwrap();
        let merged = merging.together(&x).unwrap().to_vec3::<f32>().unwrap();
        assert_eq!(merged, [[[2.5, 0.15], [0.0, 3.0], [1.0, 1.2]]]);
        let merged = tokens(&[[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]);
        let apart = merging.apart_adding(&merged, &x).unwrap().to_vec3::<f32>().unwrap();
        assert_eq!(apart, [[[3.0, 0.0], [4.0, 0.3], [2.0, 1.0], [2.0, 5.0], [4.0, 1.2]]]);
    }

    #[test]
    fn no_more_join_than_there_are_and_what_is_no_number_is_kept_from_nobody() {
        let x = tokens(&[[1.0, 0.0], [f32::NAN, 0.0], [0.0, 0.0]]);
        let merging = Merging::new(&x, &[true, false, false], 7).unwrap();
        assert_eq!(merging.together(&x).unwrap().dims(), [1, 1, 2]);
        let merging = Merging::new(&x, &[false; 3], 2).unwrap();
        assert_eq!(merging.together(&x).unwrap().dims(), [1, 3, 2]);
        assert!(merging.together(&tokens(&[[1.0, 0.0]])).is_err());
    }
}
