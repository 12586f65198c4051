use std::collections::BTreeMap;

/// The tensors of a file: their names and shapes.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// What a file's tensors decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpscalerConfig {
    /// A row of convolutions.
    Compact(CompactConfig),
    /// Dense blocks.
    Rrdb(RrdbConfig),
}

/// A row of convolutions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactConfig {
    /// Channels between the convolutions.
    pub features: usize,
    /// Convolutions between the first and the last.
    pub convolutions: usize,
    /// How many times larger pictures become.
    pub scale: usize,
}

/// Residual blocks of dense blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RrdbConfig {
    /// What the tensors are called.
    pub spelling: Spelling,
    /// Channels between the blocks.
    pub features: usize,
    /// Channels that each convolution of a dense block adds.
    pub growth: usize,
    /// Residual blocks, of three dense blocks each.
    pub blocks: usize,
    /// How often the picture is doubled behind them.
    pub doublings: usize,
    /// The side of the squares of pixels that are made channels before them.
    pub unshuffle: usize,
}

/// The names that `RRDBNet`'s tensors have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Of Real-ESRGAN: `body.0.rdb1.conv1`.
    RealEsrgan,
    /// Of ESRGAN's own repository: `RRDB_trunk.0.RDB1.conv1`.
    Esrgan,
    /// Of the framework that ESRGAN was trained with, in which most upscalers that people trained are: `model.1.sub.0.RDB1.conv1.0`.
    Sequence,
}

impl Spelling {
    const ALL: [Self; 3] = [Self::RealEsrgan, Self::Esrgan, Self::Sequence];

    pub(super) fn first(self) -> String {
        match self {
            Self::RealEsrgan | Self::Esrgan => "conv_first".to_owned(),
            Self::Sequence => "model.0".to_owned(),
        }
    }

    /// The convolution `index`, from 1, of the dense block `part`, from 1, of a residual block, from 0.
    pub(super) fn dense(self, (block, part): (usize, usize), index: usize) -> String {
        match self {
            Self::RealEsrgan => format!("body.{block}.rdb{part}.conv{index}"),
            Self::Esrgan => format!("RRDB_trunk.{block}.RDB{part}.conv{index}"),
            Self::Sequence => format!("model.1.sub.{block}.RDB{part}.conv{index}.0"),
        }
    }

    /// Behind all `blocks`.
    pub(super) fn trunk(self, blocks: usize) -> String {
        match self {
            Self::RealEsrgan => "conv_body".to_owned(),
            Self::Esrgan => "trunk_conv".to_owned(),
            Self::Sequence => format!("model.1.sub.{blocks}"),
        }
    }

    /// Behind the doubling `index`, from 1. In a sequence, the doubling itself and a rectifier have numbers too.
    pub(super) fn doubling(self, index: usize) -> String {
        match self {
            Self::RealEsrgan => format!("conv_up{index}"),
            Self::Esrgan => format!("upconv{index}"),
            Self::Sequence => format!("model.{}", 3 * index),
        }
    }

    pub(super) fn high(self, doublings: usize) -> String {
        match self {
            Self::RealEsrgan => "conv_hr".to_owned(),
            Self::Esrgan => "HRconv".to_owned(),
            Self::Sequence => format!("model.{}", 3 * doublings + 2),
        }
    }

    pub(super) fn last(self, doublings: usize) -> String {
        match self {
            Self::RealEsrgan | Self::Esrgan => "conv_last".to_owned(),
            Self::Sequence => format!("model.{}", 3 * doublings + 4),
        }
    }
}

/// Why a file's tensors are no upscaler that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnUpscaler {
    /// Something else entirely.
    #[error("its tensors are those of no upscaler that is known here: ESRGAN, Real-ESRGAN and compact ones are")]
    Unknown,
    /// A tensor that the others call for.
    #[error("the tensor {0} is missing")]
    Missing(String),
    /// A tensor that does not fit the others.
    #[error("the tensor {name} is {found:?}, but the other tensors make it {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// What fits the others.
        expected: Vec<usize>,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor that such a network has no use for: it is another network.
    #[error("the tensor {0} belongs to a variant that is not known here")]
    Unexpected(String),
    /// Channels that make no scale.
    #[error("{channels} channels of {name} are not RGB, nor RGB in squares of pixels")]
    Channels {
        /// The tensor.
        name: String,
        /// How many it has.
        channels: usize,
    },
    /// A compact network without slopes: whether it has `ReLU` or leaky `ReLU` instead, its file does not say.
    #[error("it has no slopes ({0}): such a file does not say which activation it was trained with")]
    NoSlopes(String),
}

/// The most times larger that one run makes a picture.
const MAX_SCALE: usize = 16;
/// More than any network has, and few enough to reckon with.
const MAX_CHANNELS: usize = 1 << 14;

impl UpscalerConfig {
    /// The network whose tensors these are, all of them.
    pub fn detect(shapes: &Shapes) -> Result<Self, NotAnUpscaler> {
        let config = if shapes.contains_key("body.0.weight") {
            Self::Compact(CompactConfig::detect(shapes)?)
        } else {
            let spelled = |spelling: &Spelling| shapes.contains_key(&weight(spelling.dense((0, 1), 1)));
            let spelling = Spelling::ALL.into_iter().find(spelled).ok_or(NotAnUpscaler::Unknown)?;
            Self::Rrdb(RrdbConfig::detect(spelling, shapes)?)
        };
        let expected = match &config {
            Self::Compact(config) => config.tensors(),
            Self::Rrdb(config) => config.tensors(),
        };
        for (name, shape) in &expected {
            match shapes.get(name) {
                None => return Err(NotAnUpscaler::Missing(name.clone())),
                Some(found) if found != shape => {
                    let (name, expected, found) = (name.clone(), shape.clone(), found.clone());
                    return Err(NotAnUpscaler::Shape { name, expected, found });
                }
                Some(_) => {}
            }
        }
        match shapes.keys().find(|name| !expected.contains_key(*name)) {
            Some(name) => Err(NotAnUpscaler::Unexpected(name.clone())),
            None => Ok(config),
        }
    }

    /// How many times larger pictures become.
    pub fn scale(&self) -> usize {
        match self {
            Self::Compact(config) => config.scale,
            Self::Rrdb(config) => (1 << config.doublings) / config.unshuffle,
        }
    }

    /// What both sides of a picture must be multiples of.
    pub fn multiple(&self) -> usize {
        match self {
            Self::Compact(_) => 1,
            Self::Rrdb(config) => config.unshuffle,
        }
    }

    /// How far from a pixel, in pixels of the picture that is enlarged, something can lie that decides what it becomes.
    pub fn reach(&self) -> usize {
        match self {
            Self::Compact(config) => config.convolutions + 2,
            // Behind the trunk, a convolution reaches half as far each time, and the last two at the full size.
            Self::Rrdb(config) => config.unshuffle * (2 + 15 * config.blocks + 4),
        }
    }

    /// In few words: the kind of network, its width and depth.
    pub fn describe(&self) -> String {
        match self {
            Self::Compact(config) => format!("compact, {} features, {} layers", config.features, config.convolutions),
            Self::Rrdb(config) => format!("ESRGAN, {} features, {} blocks", config.features, config.blocks),
        }
    }
}

impl CompactConfig {
    fn detect(shapes: &Shapes) -> Result<Self, NotAnUpscaler> {
        let features = outputs(shapes, "body.0.weight")?;
        if !shapes.contains_key("body.1.weight") {
            return Err(NotAnUpscaler::NoSlopes("body.1.weight".to_owned()));
        }
        let last = (0..shapes.len()).map(|layer| weight(format!("body.{}", 2 * layer)));
        let last = last.take_while(|name| shapes.contains_key(name)).collect::<Vec<_>>();
        let convolutions =
            last.len().checked_sub(2).ok_or_else(|| NotAnUpscaler::Missing("body.2.weight".to_owned()))?;
        let name = &last[last.len() - 1];
        let scale = side_of_square(name, outputs(shapes, name)?)?;
        Ok(Self { features, convolutions, scale })
    }

    fn tensors(&self) -> Shapes {
        let (features, mut tensors) = (self.features, Shapes::new());
        conv(&mut tensors, "body.0", 3, features);
        for layer in 0..=self.convolutions {
            tensors.insert(weight(format!("body.{}", 2 * layer + 1)), vec![features]);
            let is_last = layer == self.convolutions;
            let outputs = if is_last { 3 * self.scale * self.scale } else { features };
            conv(&mut tensors, &format!("body.{}", 2 * layer + 2), features, outputs);
        }
        tensors
    }
}

impl RrdbConfig {
    fn detect(spelling: Spelling, shapes: &Shapes) -> Result<Self, NotAnUpscaler> {
        let is_there = |name: String| shapes.contains_key(&weight(name));
        let count =
            |part: &dyn Fn(usize) -> String| (0..shapes.len()).take_while(|&index| is_there(part(index))).count();
        let blocks = count(&|block| spelling.dense((block, 1), 1));
        // A sequence goes on with numbers behind the last doubling.
        let doublings = match spelling {
            Spelling::RealEsrgan | Spelling::Esrgan => count(&|index| spelling.doubling(index + 1)),
            Spelling::Sequence => (0..5)
                .find(|&doublings| is_there(spelling.high(doublings)) && is_there(spelling.last(doublings)))
                .ok_or_else(|| NotAnUpscaler::Missing(weight(spelling.last(2))))?,
        };
        let first = weight(spelling.first());
        let unshuffle = side_of_square(&first, side(shapes, &first, 1)?)?;
        if doublings > 4 || (1 << doublings) % unshuffle != 0 || 1 << doublings < unshuffle {
            return Err(NotAnUpscaler::Channels { channels: side(shapes, &first, 1)?, name: first });
        }
        let features = outputs(shapes, &first)?;
        let growth = outputs(shapes, &weight(spelling.dense((0, 1), 1)))?;
        Ok(Self { spelling, features, growth, blocks, doublings, unshuffle })
    }

    fn tensors(&self) -> Shapes {
        let &Self { spelling, features, growth, blocks, doublings, unshuffle } = self;
        let mut tensors = Shapes::new();
        conv(&mut tensors, &spelling.first(), 3 * unshuffle * unshuffle, features);
        for place in (0..blocks).flat_map(|block| (1..=3).map(move |part| (block, part))) {
            for index in 1..=5 {
                let outputs = if index == 5 { features } else { growth };
                conv(&mut tensors, &spelling.dense(place, index), features + (index - 1) * growth, outputs);
            }
        }
        for name in [spelling.trunk(blocks), spelling.high(doublings)] {
            conv(&mut tensors, &name, features, features);
        }
        for index in 1..=doublings {
            conv(&mut tensors, &spelling.doubling(index), features, features);
        }
        conv(&mut tensors, &spelling.last(doublings), features, 3);
        tensors
    }
}

fn weight(name: impl Into<String>) -> String {
    name.into() + ".weight"
}

/// The tensors of a 3×3 convolution.
fn conv(tensors: &mut Shapes, name: &str, inputs: usize, outputs: usize) {
    tensors.insert(weight(name), vec![outputs, inputs, 3, 3]);
    tensors.insert(format!("{name}.bias"), vec![outputs]);
}

fn outputs(shapes: &Shapes, name: &str) -> Result<usize, NotAnUpscaler> {
    side(shapes, name, 0)
}

/// A side of a kernel, from 1 to [`MAX_CHANNELS`].
fn side(shapes: &Shapes, name: &str, index: usize) -> Result<usize, NotAnUpscaler> {
    let shape = shapes.get(name).ok_or_else(|| NotAnUpscaler::Missing(name.to_owned()))?;
    match (shape.len(), shape.get(index)) {
        (4, Some(&side)) if (1..=MAX_CHANNELS).contains(&side) => Ok(side),
        _ => Err(NotAnUpscaler::Shape { name: name.to_owned(), expected: vec![64, 64, 3, 3], found: shape.clone() }),
    }
}

/// s, if there are 3·s² channels.
fn side_of_square(name: &str, channels: usize) -> Result<usize, NotAnUpscaler> {
    let side = (1..=MAX_SCALE).find(|side| 3 * side * side == channels);
    side.ok_or_else(|| NotAnUpscaler::Channels { name: name.to_owned(), channels })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact() -> CompactConfig {
        CompactConfig { features: 8, convolutions: 2, scale: 4 }
    }

    fn rrdb(spelling: Spelling) -> RrdbConfig {
        RrdbConfig { spelling, features: 8, growth: 4, blocks: 2, doublings: 2, unshuffle: 1 }
    }

    #[test]
    fn every_network_is_recognised_by_its_own_tensors() {
        for (features, convolutions, scale) in [(64, 32, 4), (48, 16, 2), (24, 0, 1), (8, 1, 3)] {
            let config = CompactConfig { features, convolutions, scale };
            let detected = UpscalerConfig::detect(&config.tensors()).unwrap();
            assert_eq!((detected.scale(), detected), (scale, UpscalerConfig::Compact(config)));
        }
        for spelling in Spelling::ALL {
            for (doublings, unshuffle, scale) in [(2, 1, 4), (2, 2, 2), (2, 4, 1), (1, 1, 2), (0, 1, 1), (3, 1, 8)] {
                let config = RrdbConfig { doublings, unshuffle, ..rrdb(spelling) };
                let detected = UpscalerConfig::detect(&config.tensors()).unwrap();
                assert_eq!((detected.scale(), detected), (scale, UpscalerConfig::Rrdb(config)));
            }
        }
    }

    #[test]
    fn a_tensor_too_few_too_many_or_of_another_shape_is_named() {
        let all = Spelling::ALL.map(|spelling| rrdb(spelling).tensors());
        for tensors in all.into_iter().chain([compact().tensors()]) {
            for name in tensors.keys() {
                let mut fewer = tensors.clone();
                fewer.remove(name);
                assert!(UpscalerConfig::detect(&fewer).is_err(), "without {name}");
                for index in 0..tensors[name].len() {
                    for side in [0, 5, usize::MAX] {
                        let mut other = tensors.clone();
                        other.get_mut(name).unwrap()[index] = side;
                        assert!(UpscalerConfig::detect(&other).is_err(), "{name} with a side of {side}");
                    }
                }
            }
            let mut more = tensors.clone();
            more.insert("body.0.rdb1.conv1x1.weight".into(), vec![4, 8, 1, 1]);
            let unexpected = NotAnUpscaler::Unexpected("body.0.rdb1.conv1x1.weight".into());
            assert_eq!(UpscalerConfig::detect(&more), Err(unexpected));
        }
    }

    #[test]
    fn what_cannot_be_known_is_not_guessed() {
        let unet = Shapes::from([("conv_in.weight".to_owned(), vec![8, 4, 3, 3])]);
        assert_eq!(UpscalerConfig::detect(&unet), Err(NotAnUpscaler::Unknown));
        let mut plain = compact().tensors();
        plain.retain(|_, shape| shape.len() != 1 || shape[0] != 8);
        assert!(matches!(UpscalerConfig::detect(&plain), Err(NotAnUpscaler::NoSlopes(_))));
    }
}
