use super::cpu::{self, Tiling, Values};
use super::device::most_at_once;
use super::host::{Host, filled, filled_rounded, serves, takes, with_values};
use candle_core::{D, DType, Result, Tensor};

/// Multiplications of a picture from which attention of f32 is computed by tiles; those of small networks are few.
const WORTH_SPLITTING: usize = 1 << 22;

/// What a query may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Everything.
    None,
    /// Itself and what stands before it: text.
    Causal,
}

/// Scaled dot-product attention (Vaswani et al. 2017) of `heads` heads: queries (B, N, C), keys (B, M, C) and values (B, M, C)
/// to (B, N, C), with each head's width C / heads and scores scaled by its inverse square root. Of bf16 comes bf16. By candle scores are of the
/// queries' precision and what comes is of the values': where scores grow too large for f16, queries are given in f32 and values in f16.
pub fn attention(query: &Tensor, key: &Tensor, value: &Tensor, heads: usize, mask: Mask) -> Result<Tensor> {
    let (batch, count, channels) = query.dims3()?;
    let keys = key.dim(1)?;
    if key.dims() != [batch, keys, channels]
        || value.dims() != key.dims()
        || heads == 0
        || !channels.is_multiple_of(heads)
    {
        let (query, key, value) = (query.shape(), key.shape(), value.shape());
        candle_core::bail!("{heads} heads cannot attend from {query:?} to {key:?} and {value:?}");
    }
    let shape = cpu::AttentionShape { batch, queries: count, keys, heads, width: channels / heads };
    let of_bf16 = serves(query) && [query, key, value].iter().all(|x| x.dtype() == DType::BF16);
    if let (true, Some(tiling)) = (of_bf16, Tiling::of_bf16()) {
        return in_bf16(tiling, [query, key, value], shape, mask);
    }
    if [query, key, value].into_iter().all(takes) {
        let (query, key, value) = (Host::new(query)?, Host::new(key)?, Host::new(value)?);
        let (query, key, value) = (query.numbers(), key.numbers(), value.numbers());
        return filled((batch, count, channels), |out| {
            let causal = mask == Mask::Causal;
            let multiplications = heads * count * keys * (channels / heads);
            match Tiling::of_f32().filter(|_| multiplications > WORTH_SPLITTING) {
                Some(tiling) => cpu::attention_by_tiles(tiling, (&*query, &*key, &*value), shape, causal, out),
                None => cpu::attention(&query, &key, &value, shape, causal, out),
            }
        });
    }
    // Our own kernels never make the scores; all those of a 512 px Stable Diffusion picture would be 1 GiB.
    let bytes_per_row = batch * heads * keys * size_of::<f32>();
    chunked(query, key, value, heads, mask, (most_at_once(query.device()) / bytes_per_row.max(1)).max(1))
}

fn in_bf16(tiling: Tiling, of: [&Tensor; 3], shape: cpu::AttentionShape, mask: Mask) -> Result<Tensor> {
    let whole = (shape.batch, shape.queries, shape.heads * shape.width);
    let [query, key, value] = of;
    with_values(query, |query| {
        with_values(key, |key| {
            with_values(value, |value| {
                let (Values::Bf16(query), Values::Bf16(key), Values::Bf16(value)) = (query, key, value) else {
                    unreachable!("what is not all bf16 does not get here")
                };
                filled_rounded(whole, |out| {
                    cpu::attention_by_tiles(tiling, (query, key, value), shape, mask == Mask::Causal, out);
                })
            })
        })
    })???
}

fn chunked(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, mask: Mask, rows_at_once: usize) -> Result<Tensor> {
    let (batch, count, channels) = q.dims3()?;
    let width = channels / heads;
    let split = |x: &Tensor| x.reshape((batch, x.dim(1)?, heads, width))?.transpose(1, 2)?.contiguous();
    let q = (split(q)? * (1.0 / (width as f64).sqrt()))?;
    let keys = split(&k.to_dtype(q.dtype())?)?.transpose(D::Minus2, D::Minus1)?.contiguous()?;
    let values = split(v)?;
    let mut chunks = Vec::with_capacity(count.div_ceil(rows_at_once));
    for start in (0..count).step_by(rows_at_once) {
        let rows = rows_at_once.min(count - start);
        let mut scores = q.narrow(2, start, rows)?.contiguous()?.matmul(&keys)?;
        if mask == Mask::Causal {
            scores = scores.broadcast_add(&causal_rows(&scores, start)?)?;
        }
        // Of f16 its sums are of f32 on CUDA and Metal.
        let weights = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(values.dtype())?;
        chunks.push(weights.matmul(&values)?);
    }
    let joined = if chunks.len() == 1 { chunks.remove(0) } else { Tensor::cat(&chunks, 2)? };
    joined.transpose(1, 2)?.reshape((batch, count, channels))
}

/// Minus infinity where a key stands after its query; `scores` is (B, heads, rows, keys), its first row query number `start`.
fn causal_rows(scores: &Tensor, start: usize) -> Result<Tensor> {
    let (_, _, rows, keys) = scores.dims4()?;
    let mask: Vec<f32> = (start..start + rows)
        .flat_map(|query| (0..keys).map(move |key| if key > query { f32::NEG_INFINITY } else { 0.0 }))
        .collect();
    Tensor::from_vec(mask, (rows, keys), scores.device())?.to_dtype(scores.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn wave(shape: (usize, usize, usize), phase: f64) -> Tensor {
        let count = shape.0 * shape.1 * shape.2;
        let values: Vec<f32> = (0..count).map(|i| (i as f64 * 0.7 + phase).sin() as f32).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// The definition, one number at a time.
    fn naive(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, mask: Mask) -> Vec<f32> {
        let (q, k, v) = (q.to_vec3::<f32>().unwrap(), k.to_vec3::<f32>().unwrap(), v.to_vec3::<f32>().unwrap());
        let (batch, count, channels) = (q.len(), q[0].len(), q[0][0].len());
        let width = channels / heads;
        let mut out = vec![0f32; batch * count * channels];
        for b in 0..batch {
            for h in 0..heads {
                for n in 0..count {
                    let keys = if mask == Mask::Causal { n + 1 } else { k[b].len() };
                    let scores: Vec<f64> = (0..keys)
                        .map(|m| (h * width..(h + 1) * width).map(|c| f64::from(q[b][n][c] * k[b][m][c])).sum::<f64>())
                        .map(|score| (score / (width as f64).sqrt()).exp())
                        .collect();
                    let sum: f64 = scores.iter().sum();
                    for c in h * width..(h + 1) * width {
                        let value: f64 = scores.iter().zip(&v[b]).map(|(s, row)| s / sum * f64::from(row[c])).sum();
                        out[(b * count + n) * channels + c] = value as f32;
                    }
                }
            }
        }
        out
    }

    #[test]
    fn attention_in_chunks_is_the_definition_with_and_without_a_mask() {
        let (q, k, v) = (wave((2, 5, 6), 0.0), wave((2, 5, 6), 1.0), wave((2, 5, 6), 2.0));
        for mask in [Mask::None, Mask::Causal] {
            let expected = naive(&q, &k, &v, 3, mask);
            for rows in [1, 2, 5, 100] {
                let found =
                    chunked(&q, &k, &v, 3, mask, rows).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-6, "{mask:?}, {rows} rows: {found} instead of {expected}");
                }
            }
        }
    }

    #[test]
    fn keys_may_be_fewer_than_queries() {
        let (q, k, v) = (wave((1, 4, 4), 0.0), wave((1, 2, 4), 1.0), wave((1, 2, 4), 2.0));
        let found = attention(&q, &k, &v, 2, Mask::None).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (found, expected) in found.iter().zip(naive(&q, &k, &v, 2, Mask::None)) {
            assert!((found - expected).abs() < 1e-6);
        }
    }
}
