//! Pickles that hold the weights of a network, read without running anything.
//!
//! A pickle is a program for a small stack machine, and Python's own reader lets it call whatever it names. This machine knows only the
//! instructions that dictionaries, lists, texts and numbers are made with (of protocol 2, which torch writes, and of 4, which some ask it
//! for), and for calls only the names in [`CALLABLES`], which here are descriptions of data, not functions. Everything else ends the reading, by its name.
//!
//! Values lie in one list and name each other by their places in it, so that neither a value that holds itself nor one that is deeply
//! nested can recurse, and a value that is used often is there once. candle has a reader of pickles too, which panics on calls with too
//! few arguments, takes gigabytes on the word of a length, and passes over what it does not know.

mod machine;

use candle_core::DType;

/// The place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(usize);

/// What a pickle can hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A number that no shape and no offset has: it is read and not kept.
    OtherNumber,
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Callable(Callable),
    /// What the pickle calls something that lies outside of it.
    Outside(Id),
    Tensor(Tensor),
    /// An object that was not given its state yet.
    Unbuilt,
    /// What a training program keeps beside weights, of which nothing is made.
    Opaque,
}

/// Where a tensor lies in a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    /// The [`Value::Outside`] that it lies in.
    pub(super) storage: Id,
    /// In elements.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// In elements, as many as sides.
    pub(super) strides: Vec<usize>,
}

/// What a pickle of weights names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callable {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// A module of torch that is a dictionary of parameters: its state stands for it.
    ParameterDict,
    Storage(DType),
    /// What training programs write beside weights. It is not made: its name alone stands for it.
    Unmade,
}

const CALLABLES: &[(&str, &str, Callable)] = &[
    ("collections", "OrderedDict", Callable::OrderedDict),
    ("torch._utils", "_rebuild_tensor_v2", Callable::RebuildTensor),
    ("torch._utils", "_rebuild_parameter", Callable::RebuildParameter),
    ("torch.nn.modules.container", "ParameterDict", Callable::ParameterDict),
    ("torch", "DoubleStorage", Callable::Storage(DType::F64)),
    ("torch", "FloatStorage", Callable::Storage(DType::F32)),
    ("torch", "HalfStorage", Callable::Storage(DType::F16)),
    ("torch", "BFloat16Storage", Callable::Storage(DType::BF16)),
    ("torch", "LongStorage", Callable::Storage(DType::I64)),
    ("torch", "IntStorage", Callable::Storage(DType::I32)),
    ("torch", "ShortStorage", Callable::Storage(DType::I16)),
    ("torch", "ByteStorage", Callable::Storage(DType::U8)),
    ("torch", "BoolStorage", Callable::Storage(DType::U8)),
    ("torch", "float32", Callable::Unmade),
    ("torch", "float16", Callable::Unmade),
    ("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint", Callable::Unmade),
    ("__builtin__", "set", Callable::Unmade),
    ("numpy", "dtype", Callable::Unmade),
    ("numpy", "ndarray", Callable::Unmade),
    ("numpy.core.multiarray", "_reconstruct", Callable::Unmade),
    ("numpy._core.multiarray", "_reconstruct", Callable::Unmade),
    ("numpy.core.multiarray", "scalar", Callable::Unmade),
    ("numpy._core.multiarray", "scalar", Callable::Unmade),
    ("_codecs", "encode", Callable::Unmade),
];

/// What a name stands for, which is one of those that are known or the end of the reading.
fn callable(module: &str, name: &str) -> Result<Value, Refusal> {
    let known = CALLABLES.iter().find(|known| (known.0, known.1) == (module, name));
    let (_, _, callable) = known.ok_or_else(|| Refusal::Name(shown(&format!("{module}.{name}"))))?;
    Ok(Value::Callable(*callable))
}

/// A name from a file, fit to be shown.
fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(100).collect()
}

/// Why a pickle was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It names something that weights do not need.
    Name(String),
    /// It has an instruction that weights do not need.
    Instruction(String),
    /// It makes no sense, or ends too early.
    Damaged(&'static str),
}

/// A value with all that it holds.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads the pickle at the start of `bytes`, and says how many bytes it has.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), Refusal> {
        machine::run(bytes)
    }

    pub(super) fn root(&self) -> &Value {
        self.value(self.root)
    }

    pub(super) fn value(&self, id: Id) -> &Value {
        &self.values[id.0]
    }

    /// All that there are, in the order in which they were made.
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        if let Value::Text(text) = self.value(id) { Some(text) } else { None }
    }
}
