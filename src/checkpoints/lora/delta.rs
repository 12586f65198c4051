//! What is added to a layer's weight, from the small tensors that a `LoRA` keeps of it: `LoRA` (Hu et al. 2021) and for convolutions
//! `LoCon`, `LoHa` and `LoKr` (Yeh et al. 2024, `LyCORIS`), and `DoRA`'s lengths (Liu et al. 2024).

use super::keys::{Half, Role, Side};
use candle_core::{Error, Result, Tensor};
use std::collections::BTreeMap;

/// The tensors of one layer, in f32.
pub(super) type Tensors = BTreeMap<Role, Tensor>;

/// `base` with what a `LoRA` adds to it, times `weight`.
pub(super) fn adapted(base: &Tensor, tensors: &Tensors, weight: f64) -> Result<Tensor> {
    let Some(delta) = delta(tensors, base.dims())? else {
        return Ok(base.clone());
    };
    match tensors.get(&Role::Magnitude) {
        None => base + (delta * weight)?,
        // The direction is that of base and delta together, the length is given.
        Some(magnitude) => base + ((directed(&(base + delta)?, magnitude)? - base)? * weight)?,
    }
}

/// `base`, a bias, with what a `LoRA` adds to it, times `weight`.
pub(super) fn adapted_bias(base: &Tensor, tensors: &Tensors, weight: f64) -> Result<Tensor> {
    match tensors.get(&Role::BiasDifference) {
        Some(difference) => base + (difference.reshape(base.dims())? * weight)?,
        None => Ok(base.clone()),
    }
}

/// What is added to a weight of this shape, which may be that of a norm; none if only its bias changes.
fn delta(tensors: &Tensors, shape: &[usize]) -> Result<Option<Tensor>> {
    let get = |role| tensors.get(&role);
    let product = if let (Some(down), Some(up)) = (get(Role::Down), get(Role::Up)) {
        let product = match get(Role::Mid) {
            Some(mid) => with_core(mid, &flat(up)?, &flat(down)?)?,
            None => flat(up)?.matmul(&flat(down)?)?,
        };
        (product, Some(down.dim(0)?))
    } else if let (Some(first), Some(second)) = (hada(tensors, Side::One)?, hada(tensors, Side::Two)?) {
        let rank = tensors[&Role::Hada(Side::One, Half::B)].dim(0)?;
        ((first.flatten_all()? * second.flatten_all()?)?, Some(rank))
    } else if let (Some((first, first_rank)), Some((second, second_rank))) =
        (kron(tensors, Side::One)?, kron(tensors, Side::Two)?)
    {
        (kronecker(&first, &second)?, first_rank.or(second_rank))
    } else if let Some(difference) = get(Role::Difference) {
        (difference.clone(), None)
    } else if get(Role::BiasDifference).is_some() {
        return Ok(None);
    } else {
        return Err(Error::Msg("a part of it is missing".to_owned()));
    };
    let (product, rank) = product;
    // Where the factors are whole there is no rank to scale by.
    let scale = match (get(Role::Alpha), rank) {
        (Some(alpha), Some(rank)) => f64::from(alpha.flatten_all()?.get(0)?.to_scalar::<f32>()?) / rank.max(1) as f64,
        _ => 1.0,
    };
    Ok(Some((product.reshape(shape)? * scale)?))
}

/// More numbers than any step on the way to what is added to a layer has.
const MOST: usize = 1 << 28;

/// Whether what is added to a layer by tensors of these shapes is as large as its weight of the shape `layer`, and its bias; and whether
/// nothing much larger is made on the way: a few bytes of two long and narrow matrices can ask for more than there is.
pub(super) fn fits<'a>(shape: impl Fn(Role) -> Option<&'a [usize]>, layer: &[usize]) -> bool {
    // Of (out, r) and (r, in, …), or with a core of (r, s, k, k) between them, where the first may be turned.
    let product = |a: Role, b: Role, core: Option<Role>, is_flattened: bool| {
        let (a, b, core) = (shape(a)?, shape(b)?, core.and_then(&shape));
        if !is_flattened && (a.len(), b.len()) != (2, 2) {
            return Some(usize::MAX);
        }
        let ((first, second), (inner, inputs)) = (as_matrix(a), as_matrix(b));
        let Some(core) = core else { return Some(first.saturating_mul(inputs)) };
        let (outputs, rank) = if is_flattened { (first, second) } else { (second, first) };
        let inner = inner.max(core.get(1).copied().unwrap_or(0));
        let places = all(core.get(2..).unwrap_or_default());
        let on_the_way = [[outputs, rank, places], [outputs, inner, places], [inner, inputs, places]];
        let is_too_much = on_the_way.iter().any(|sides| all(sides) > MOST);
        Some(if is_too_much { usize::MAX } else { all(&[outputs, inputs, places]) })
    };
    let hada = |side| product(Role::Hada(side, Half::A), Role::Hada(side, Half::B), Some(Role::HadaCore(side)), false);
    let kron = |side: Side| {
        let core = Some(Role::KronCore).filter(|core| side == Side::Two && shape(*core).is_some());
        let halves = || product(Role::KronHalf(side, Half::A), Role::KronHalf(side, Half::B), core, core.is_none());
        shape(Role::Kron(side)).map(all).or_else(halves)
    };
    let pair = product(Role::Up, Role::Down, Some(Role::Mid), true);
    let ([first, second], [left, right]) = ([Side::One, Side::Two].map(hada), [Side::One, Side::Two].map(kron));
    let difference = shape(Role::Difference).map(all);
    // In the order in which they are made.
    let added = pair
        .or_else(|| first.zip(second).map(|(first, second)| if first == second { first } else { usize::MAX }))
        .or_else(|| left.zip(right).map(|(left, right)| left.saturating_mul(right)))
        .or(difference);
    let count = all(layer);
    let bias = shape(Role::BiasDifference).map(all);
    [first, second, left, right].into_iter().flatten().all(|part| part <= count)
        && added.is_none_or(|added| added == count)
        && bias.is_none_or(|bias| layer.first() == Some(&bias))
}

/// How many numbers there are; the most that can be said where it is more.
fn all(sides: &[usize]) -> usize {
    sides.iter().fold(1, |count, side| side.saturating_mul(count))
}

/// How many rows a tensor has, and how long they are.
fn as_matrix(shape: &[usize]) -> (usize, usize) {
    (shape.first().copied().unwrap_or(1), all(shape.get(1..).unwrap_or_default()))
}

/// One factor of `LoHa`.
fn hada(tensors: &Tensors, side: Side) -> Result<Option<Tensor>> {
    let half = |half| tensors.get(&Role::Hada(side, half));
    let (Some(a), Some(b)) = (half(Half::A), half(Half::B)) else {
        return Ok(None);
    };
    match tensors.get(&Role::HadaCore(side)) {
        // a is (r, out) then, b is (r, in).
        Some(core) => with_core(core, &a.t()?, b).map(Some),
        None => a.matmul(b).map(Some),
    }
}

/// One factor of `LoKr`, and its rank where it is a product.
fn kron(tensors: &Tensors, side: Side) -> Result<Option<(Tensor, Option<usize>)>> {
    if let Some(whole) = tensors.get(&Role::Kron(side)) {
        return Ok(Some((whole.clone(), None)));
    }
    let half = |half| tensors.get(&Role::KronHalf(side, half));
    let (Some(a), Some(b)) = (half(Half::A), half(Half::B)) else {
        return Ok(None);
    };
    let rank = b.dim(0)?;
    let product = if let Some(core) = tensors.get(&Role::KronCore).filter(|_| side == Side::Two) {
        with_core(core, &a.t()?, b)?
    } else {
        // Of a convolution, b is (r, in, k, k) or flat.
        let sides: Vec<usize> = [&[a.dim(0)?][..], &b.dims()[1..]].concat();
        flat(a)?.matmul(&flat(b)?)?.reshape(sides)?
    };
    Ok(Some((product, Some(rank))))
}

/// (out, r) · core (r, s, k, k) · (s, in), at each place of the kernel: (out, in, k, k).
fn with_core(core: &Tensor, out: &Tensor, input: &Tensor) -> Result<Tensor> {
    let (r, s, height, width) = core.dims4()?;
    let at_each = core.permute((2, 3, 0, 1))?.reshape((height * width, r, s))?;
    let product = out.unsqueeze(0)?.broadcast_matmul(&at_each)?.broadcast_matmul(&input.unsqueeze(0)?)?;
    let (outputs, inputs) = (out.dim(0)?, input.dim(1)?);
    product.permute((1, 2, 0))?.reshape((outputs, inputs, height, width))
}

/// The Kronecker product of (a, b) and (c, d, …): (ac, bd, …).
fn kronecker(first: &Tensor, second: &Tensor) -> Result<Tensor> {
    let (a, b) = first.dims2()?;
    let (c, d) = (second.dim(0)?, second.dim(1)?);
    let rest: usize = second.dims()[2..].iter().product();
    let (first, second) = (first.reshape((a, 1, b, 1, 1))?, second.reshape((1, c, 1, d, rest))?);
    let whole = first.broadcast_mul(&second)?;
    whole.reshape((a * c, b * d, rest))
}

/// `weight` with lengths `magnitude`: of what goes to each output where there are as many as those, else of what comes from each input.
fn directed(weight: &Tensor, magnitude: &Tensor) -> Result<Tensor> {
    let (outputs, inputs) = (weight.dim(0)?, weight.dim(1)?);
    let rows = weight.reshape((outputs, inputs, ()))?;
    let squares = rows.sqr()?;
    let by_output = magnitude.dim(0)? == outputs;
    let (length, magnitude) = if by_output {
        (squares.sum_keepdim((1, 2))?.sqrt()?, magnitude.reshape((outputs, 1, 1))?)
    } else {
        (squares.sum_keepdim((0, 2))?.sqrt()?, magnitude.reshape((1, inputs, 1))?)
    };
    let factor = magnitude.div(&(length + f64::from(f32::EPSILON))?)?;
    rows.broadcast_mul(&factor)?.reshape(weight.dims())
}

/// A tensor as a matrix of its rows.
fn flat(tensor: &Tensor) -> Result<Tensor> {
    tensor.flatten_from(1)
}
