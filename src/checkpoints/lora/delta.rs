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

/// Whether what is added to a layer by tensors of these shapes can be made and is as large as its weight of the shape `layer`, and its bias;
/// and whether nothing much larger is made on the way: a few bytes of two long and narrow matrices can ask for more than there is.
pub(super) fn fits<'a>(shape: impl Fn(Role) -> Option<&'a [usize]>, layer: &[usize]) -> bool {
    // Of (out, r) and (r, in, …), or with a core of (r, s, k, k) between them, where the first may be turned.
    let product = |a: Role, b: Role, core: Option<Role>, is_flattened: bool| {
        let (a, b, core) = (shape(a)?, shape(b)?, core.and_then(&shape));
        let ((first, second), (inner, inputs)) = (as_matrix(a), as_matrix(b));
        let are_matrices = if is_flattened { a.len().min(b.len()) > 1 } else { (a.len(), b.len()) == (2, 2) };
        let Some(core) = core else {
            let meet = are_matrices && second == inner && inner > 0;
            return Some(if meet { first.saturating_mul(inputs) } else { usize::MAX });
        };
        let (outputs, rank) = if is_flattened { (first, second) } else { (second, first) };
        let places = all(core.get(2..).unwrap_or_default());
        let on_the_way = [[outputs, rank, places], [outputs, inner, places], [inner, inputs, places]];
        let is_too_much = on_the_way.iter().any(|sides| all(sides) > MOST);
        let meet = are_matrices && core.len() == 4 && core[..2] == [rank, inner] && all(core) > 0;
        Some(if meet && !is_too_much { all(&[outputs, inputs, places]) } else { usize::MAX })
    };
    let hada = |side| product(Role::Hada(side, Half::A), Role::Hada(side, Half::B), Some(Role::HadaCore(side)), false);
    // The first factor is a matrix, the second one or what a convolution has.
    let has_sides = |side: Side, sides: &[usize]| sides.len() == 2 || (side == Side::Two && sides.len() > 2);
    let kron = |side: Side| {
        let core = Some(Role::KronCore).filter(|core| side == Side::Two && shape(*core).is_some());
        let b = Role::KronHalf(side, Half::B);
        let halves = || {
            let count = product(Role::KronHalf(side, Half::A), b, core, core.is_none())?;
            Some(if shape(b).is_some_and(|b| has_sides(side, b)) { count } else { usize::MAX })
        };
        let whole = |sides: &[usize]| if has_sides(side, sides) { all(sides) } else { usize::MAX };
        shape(Role::Kron(side)).map(whole).or_else(halves)
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
    let alpha = shape(Role::Alpha).map(all);
    // As many lengths as outputs, or as inputs.
    let has_lengths = |lengths: &[usize]| match (lengths, layer) {
        ([first, ..], [outputs, inputs, ..]) => all(lengths) == *if first == outputs { outputs } else { inputs },
        _ => false,
    };
    alpha != Some(0)
        && shape(Role::Magnitude).is_none_or(has_lengths)
        && [first, second, left, right].into_iter().flatten().all(|part| part <= count)
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

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    type Shapes = Vec<(Role, Vec<usize>)>;

    const LINEAR: &[usize] = &[6, 4];
    const CONV: &[usize] = &[6, 4, 3, 3];
    const NORM: &[usize] = &[6];

    /// One of each form, and the layer that it changes.
    fn forms() -> Vec<(&'static [usize], Shapes)> {
        use Half::{A, B};
        use Side::{One, Two};
        let hada = |one: &[usize; 2], two: &[usize; 2]| {
            let halves = [(One, A, one), (One, B, two), (Two, A, one), (Two, B, two)];
            halves.map(|(side, half, shape)| (Role::Hada(side, half), shape.to_vec())).to_vec()
        };
        let cores = [One, Two].map(|side| (Role::HadaCore(side), vec![2, 2, 3, 3]));
        let halves = |side, a: &[usize], b: &[usize]| {
            vec![(Role::KronHalf(side, A), a.to_vec()), (Role::KronHalf(side, B), b.to_vec())]
        };
        let whole = |side, shape: &[usize]| vec![(Role::Kron(side), shape.to_vec())];
        vec![
            (LINEAR, vec![(Role::Up, vec![6, 2]), (Role::Down, vec![2, 4]), (Role::Alpha, vec![])]),
            (LINEAR, vec![(Role::Up, vec![6, 2]), (Role::Down, vec![2, 4]), (Role::Magnitude, vec![6])]),
            (
                CONV,
                vec![(Role::Up, vec![6, 2, 1, 1]), (Role::Down, vec![2, 4, 3, 3]), (Role::Magnitude, vec![1, 4, 1, 1])],
            ),
            (CONV, vec![(Role::Up, vec![6, 2, 1, 1]), (Role::Mid, vec![2, 3, 3, 3]), (Role::Down, vec![3, 4, 1, 1])]),
            (LINEAR, hada(&[6, 2], &[2, 4])),
            (CONV, [hada(&[2, 6], &[2, 4]), cores.to_vec()].concat()),
            (LINEAR, [whole(One, &[3, 2]), whole(Two, &[2, 2])].concat()),
            (LINEAR, [halves(One, &[3, 1], &[1, 2]), halves(Two, &[2, 1], &[1, 2])].concat()),
            (CONV, [whole(One, &[3, 2]), halves(Two, &[2, 1], &[1, 2, 3, 3])].concat()),
            (
                CONV,
                [whole(One, &[3, 2]), halves(Two, &[2, 2], &[2, 2]), vec![(Role::KronCore, vec![2, 2, 3, 3])]].concat(),
            ),
            (CONV, vec![(Role::Difference, vec![6, 4, 3, 3]), (Role::BiasDifference, vec![6])]),
            (NORM, vec![(Role::Difference, vec![6]), (Role::BiasDifference, vec![6])]),
        ]
    }

    fn is_said_to_fit(layer: &[usize], shapes: &Shapes) -> bool {
        fits(|role| shapes.iter().find(|(of, _)| *of == role).map(|(_, shape)| shape.as_slice()), layer)
    }

    /// Whether it really can be added, to weight and bias.
    fn can_be_added(layer: &[usize], shapes: &Shapes) -> Result<()> {
        let ones = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        let tensors: Tensors = shapes.iter().map(|(role, shape)| (*role, ones(shape))).collect();
        assert_eq!(adapted(&ones(layer), &tensors, 0.5)?.dims(), layer);
        adapted_bias(&ones(&layer[..1]), &tensors, 0.5).map(|_| ())
    }

    /// A model is given away before anything is added to it, so that what is refused then would cost it.
    #[test]
    fn what_is_said_to_fit_can_be_added_and_what_does_not_meet_is_refused() {
        let mut refused = 0;
        for (layer, form) in forms() {
            assert!(is_said_to_fit(layer, &form), "{form:?}");
            can_be_added(layer, &form).unwrap();
            for (which, side) in
                form.iter().enumerate().flat_map(|(which, (_, shape))| (0..=shape.len()).map(move |side| (which, side)))
            {
                let changes: [fn(&mut Vec<usize>, usize); 5] = [
                    |shape, side| shape.iter_mut().skip(side).take(1).for_each(|side| *side = 0),
                    |shape, side| shape.iter_mut().skip(side).take(1).for_each(|side| *side *= 2),
                    |shape, side| shape.insert(side, 1),
                    |shape, side| shape.truncate(side),
                    |shape, _| shape.reverse(),
                ];
                for change in changes {
                    for layer in [layer, LINEAR, CONV, NORM] {
                        let mut changed = form.clone();
                        change(&mut changed[which].1, side);
                        if is_said_to_fit(layer, &changed) {
                            can_be_added(layer, &changed)
                                .unwrap_or_else(|error| panic!("{layer:?} {changed:?}: {error}"));
                        } else {
                            refused += 1;
                        }
                    }
                }
            }
        }
        assert!(refused > 1000, "{refused}");
    }

    /// As many numbers come out as there should, but far more are needed for them.
    #[test]
    fn nothing_much_larger_is_made_on_the_way() {
        let through = |between: usize| {
            vec![
                (Role::Up, vec![6, 1, 1, 1]),
                (Role::Mid, vec![1, between, 3, 3]),
                (Role::Down, vec![between, 4, 1, 1]),
            ]
        };
        assert!(is_said_to_fit(CONV, &through(1000)));
        assert!(!is_said_to_fit(CONV, &through(MOST / 9)));
        // Of two long and narrow ones that are multiplied, each for itself is measured.
        let long = vec![
            (Role::Difference, LINEAR.to_vec()),
            (Role::KronHalf(Side::One, Half::A), vec![200_000, 1]),
            (Role::KronHalf(Side::One, Half::B), vec![1, 200_000]),
        ];
        assert!(!is_said_to_fit(LINEAR, &long));
    }
}
