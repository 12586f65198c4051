//! The machine that carries out a pickle's instructions, as few as weights need.

use super::{Callable, Id, Pickle, Refusal, Tensor, Value, callable};
use std::collections::HashMap;

/// Dimensions of a tensor, at most: no network has more than six.
const MAX_RANK: usize = 8;

/// Values, at most, and what else takes many times as much memory as the bytes that ask for it: a tensor has some twenty, and Stable
/// Diffusion XL with all that a training program keeps beside it nine thousand tensors.
const MAX_VALUES: usize = 1 << 18;

const TOO_SHORT: Refusal = Refusal::Damaged("it ends too early");
const SENSELESS: Refusal = Refusal::Damaged("its instructions make no sense");
const TOO_MANY: Refusal = Refusal::Damaged("it holds more values than weights need");

/// Carries out the pickle at the start of `bytes`, and says how many bytes it has.
pub(super) fn run(bytes: &[u8]) -> Result<(Pickle, usize), Refusal> {
    let mut machine =
        Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    while machine.step()? {}
    let root = machine.pop()?;
    Ok((Pickle { values: machine.values, root }, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    /// One instruction; whether there is another.
    fn step(&mut self) -> Result<bool, Refusal> {
        let counts = [self.values.len(), self.stack.len(), self.marks.len(), self.memo.len()];
        if counts.iter().any(|count| *count > MAX_VALUES) {
            return Err(TOO_MANY);
        }
        let code = self.byte()?;
        if let Some(value) = self.literal(code)? {
            self.push(value);
            return Ok(true);
        }
        if self.remembers(code)? {
            return Ok(true);
        }
        match code {
            0x80 => {
                let protocol = self.byte()?;
                if protocol > 5 {
                    return Err(SENSELESS);
                }
            }
            b'.' => return Ok(false),
            b'(' => self.marks.push(self.stack.len()),
            b't' => {
                let parts = self.pop_to_mark()?;
                self.push(Value::Tuple(parts));
            }
            count @ 0x85..=0x87 => {
                let start = self.above_mark(usize::from(count - 0x84))?;
                let parts = self.stack.split_off(start);
                self.push(Value::Tuple(parts));
            }
            b'a' => {
                let part = self.pop()?;
                self.append(vec![part])?;
            }
            b'e' => {
                let parts = self.pop_to_mark()?;
                self.append(parts)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let parts = self.pop_to_mark()?;
                self.set(&parts)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(callable(&module, &name)?);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (&self.values[module.0], &self.values[name.0]) else {
                    return Err(SENSELESS);
                };
                let found = callable(module, name)?;
                self.push(found);
            }
            b'Q' => {
                let name = self.pop()?;
                self.push(Value::Outside(name));
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                let made = self.called(callable, arguments)?;
                self.push(made);
            }
            0x81 => self.make()?,
            b'b' => self.give_state()?,
            other => return Err(Refusal::Instruction(instruction_name(other))),
        }
        Ok(true)
    }

    /// Whether it was an instruction about what is kept for later, which was carried out.
    fn remembers(&mut self, code: u8) -> Result<bool, Refusal> {
        let name = match code {
            b'q' | b'h' => u32::from(self.byte()?),
            b'r' | b'j' => u32::from_le_bytes(self.array()?),
            0x94 => self.memo.len() as u32,
            // How many bytes the next instructions have, which they say themselves.
            0x95 => {
                self.take(8)?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        match code {
            b'h' | b'j' => self.recall(name)?,
            _ => self.remember(name)?,
        }
        Ok(true)
    }

    /// The value that an instruction stands for by itself; none if it does something else.
    fn literal(&mut self, code: u8) -> Result<Option<Value>, Refusal> {
        Ok(Some(match code {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(self.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.array()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            0x8a => {
                let length = usize::from(self.byte()?);
                long(self.take(length)?).map_or(Value::OtherNumber, Value::Int)
            }
            b'G' => {
                self.take(8)?;
                Value::OtherNumber
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?) as usize;
                self.text(length)?
            }
            0x8c => {
                let length = usize::from(self.byte()?);
                self.text(length)?
            }
            // Bytes, which are no weights.
            b'C' => {
                let length = usize::from(self.byte()?);
                self.take(length)?;
                Value::Opaque
            }
            b'B' => {
                let length = u32::from_le_bytes(self.array()?) as usize;
                self.take(length)?;
                Value::Opaque
            }
            b')' => Value::Tuple(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            b']' => Value::List(Vec::new()),
            _ => return Ok(None),
        }))
    }

    fn text(&mut self, length: usize) -> Result<Value, Refusal> {
        let text = str::from_utf8(self.take(length)?).map_err(|_| Refusal::Damaged("a text is no UTF-8"))?;
        Ok(Value::Text(text.to_owned()))
    }

    /// Makes an object without its state.
    fn make(&mut self) -> Result<(), Refusal> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        if !self.is_parameter_dict(class) || self.values[arguments.0] != Value::Tuple(Vec::new()) {
            return Err(Refusal::Instruction(instruction_name(0x81)));
        }
        self.push(Value::Unbuilt);
        Ok(())
    }

    fn give_state(&mut self) -> Result<(), Refusal> {
        let state = self.pop()?;
        let object = self.stack[self.above_mark(1)?];
        match (&self.values[object.0], &self.values[state.0]) {
            // What is set on an object beside its items; of a dictionary of weights, the versions of its modules.
            (Value::Dict(_) | Value::Opaque, _) => Ok(()),
            (Value::Unbuilt, Value::Dict(_)) => {
                // Moved: copied, one large state given to many objects would fill the memory.
                self.values[object.0] = std::mem::replace(&mut self.values[state.0], Value::None);
                Ok(())
            }
            _ => Err(SENSELESS),
        }
    }

    /// Whether this is torch's class, named as it is or, without an archive, as something that lies outside, `("module", class, …)`.
    fn is_parameter_dict(&self, class: Id) -> bool {
        match &self.values[class.0] {
            Value::Callable(callable) => *callable == Callable::ParameterDict,
            Value::Outside(name) => match &self.values[name.0] {
                Value::Tuple(parts) if parts.len() > 1 => {
                    self.values[parts[0].0] == Value::Text("module".to_owned())
                        && self.values[parts[1].0] == Value::Callable(Callable::ParameterDict)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// What a call describes.
    fn called(&mut self, callable: Id, arguments: Id) -> Result<Value, Refusal> {
        let (Value::Callable(callable), Value::Tuple(arguments)) =
            (&self.values[callable.0], &self.values[arguments.0])
        else {
            return Err(SENSELESS);
        };
        match (callable, &arguments[..]) {
            (Callable::OrderedDict, []) => Ok(Value::Dict(Vec::new())),
            // Behind them: whether it is trained, hooks, and what newer versions add.
            (Callable::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                let offset = match &self.values[offset.0] {
                    Value::Int(offset) => usize::try_from(*offset).map_err(|_| SENSELESS)?,
                    _ => return Err(SENSELESS),
                };
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                if !matches!(self.values[storage.0], Value::Outside(_)) || shape.len() != strides.len() {
                    return Err(SENSELESS);
                }
                Ok(Value::Tensor(Tensor { storage, offset, shape, strides }))
            }
            (Callable::Unmade, _) => Ok(Value::Opaque),
            (Callable::RebuildParameter, &[tensor, ..]) => match &self.values[tensor.0] {
                tensor @ Value::Tensor(_) => Ok(tensor.clone()),
                _ => Err(SENSELESS),
            },
            _ => Err(SENSELESS),
        }
    }

    fn sizes(&self, tuple: Id) -> Result<Vec<usize>, Refusal> {
        let Value::Tuple(parts) = &self.values[tuple.0] else {
            return Err(SENSELESS);
        };
        if parts.len() > MAX_RANK {
            return Err(Refusal::Damaged("a tensor has too many dimensions"));
        }
        let size = |part: &Id| match &self.values[part.0] {
            Value::Int(size) => usize::try_from(*size).map_err(|_| SENSELESS),
            _ => Err(SENSELESS),
        };
        parts.iter().map(size).collect()
    }

    fn append(&mut self, parts: Vec<Id>) -> Result<(), Refusal> {
        let list = self.stack[self.above_mark(1)?];
        match &mut self.values[list.0] {
            Value::List(list) => list.extend(parts),
            _ => return Err(SENSELESS),
        }
        Ok(())
    }

    /// Keys and values in turn.
    fn set(&mut self, parts: &[Id]) -> Result<(), Refusal> {
        let dict = self.stack[self.above_mark(1)?];
        let (pairs, []) = parts.as_chunks::<2>() else {
            return Err(SENSELESS);
        };
        match &mut self.values[dict.0] {
            Value::Dict(dict) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err(SENSELESS),
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(Id(self.values.len() - 1));
    }

    fn pop(&mut self) -> Result<Id, Refusal> {
        self.above_mark(1)?;
        self.stack.pop().ok_or(SENSELESS)
    }

    /// Where the uppermost `count` values begin, none of which may lie under a mark.
    fn above_mark(&self, count: usize) -> Result<usize, Refusal> {
        let start = self.stack.len().checked_sub(count).ok_or(SENSELESS)?;
        if self.marks.last().is_some_and(|mark| start < *mark) { Err(SENSELESS) } else { Ok(start) }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, Refusal> {
        let mark = self.marks.pop().ok_or(SENSELESS)?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, name: u32) -> Result<(), Refusal> {
        let value = self.stack[self.above_mark(1)?];
        self.memo.insert(name, value);
        Ok(())
    }

    fn recall(&mut self, name: u32) -> Result<(), Refusal> {
        self.stack.push(*self.memo.get(&name).ok_or(SENSELESS)?);
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&[u8], Refusal> {
        let end = self.at.checked_add(count).ok_or(TOO_SHORT)?;
        let taken = self.bytes.get(self.at..end).ok_or(TOO_SHORT)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were taken"))
    }

    fn byte(&mut self) -> Result<u8, Refusal> {
        self.array().map(|[byte]| byte)
    }

    /// The text up to the end of the line.
    fn line(&mut self) -> Result<String, Refusal> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or(TOO_SHORT)?;
        self.at += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }
}

/// A whole number of any length, little-endian, if it fits.
fn long(bytes: &[u8]) -> Option<i64> {
    let mut number = [if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 }; 8];
    number.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(number))
}

/// The names of instructions that call, make or find objects, as Python's pickletools has them.
fn instruction_name(code: u8) -> String {
    let names = [
        (b'i', "INST"),
        (b'o', "OBJ"),
        (b'P', "PERSID"),
        (0x81, "NEWOBJ"),
        (0x82, "EXT1"),
        (0x83, "EXT2"),
        (0x84, "EXT4"),
        (0x92, "NEWOBJ_EX"),
    ];
    let name = names.iter().find(|(known, _)| *known == code);
    name.map_or_else(|| format!("0x{code:02x}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_instructions_do_not_fill_the_memory() {
        // Values, marks, what is recalled, what is remembered under the next number, and calls.
        for again in [&b")"[..], b"N", b"}", b"(", b"h\x00", b"\x94", b"h\x01h\x02R"] {
            let begin = b"N\x94ccollections\nOrderedDict\n\x94)\x94";
            let bytes = [&begin[..], &again.repeat(2 * MAX_VALUES)].concat();
            assert_eq!(Pickle::read(&bytes).unwrap_err(), TOO_MANY, "{again:?}");
        }
    }
}
