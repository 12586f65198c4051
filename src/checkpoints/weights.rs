use super::Error;
use super::header::{Place, Stored, read_places};
use candle_core::quantized::{QStorage, QTensor};
use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use half::vec::HalfBitsVecExt;
use half::{bf16, f16};
use rayon::prelude::*;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The weights of one network, in one file or several. They are read, not mapped into memory: a file that somebody changes while it is
/// mapped brings the program down. What is mapped is what the program itself wrote of them (`packed`).
#[derive(Debug)]
pub(super) struct Weights {
    files: Vec<File>,
    tensors: HashMap<String, (usize, Place)>,
}

impl Weights {
    /// Opens the weights in `folder` called `stem` and checks their headers.
    pub(super) fn open(folder: &Path, stem: &str) -> std::result::Result<Self, Error> {
        Self::open_files(&weight_files(folder, stem)?)
    }

    /// None, to which files are added.
    pub(super) fn none() -> Self {
        Self { files: Vec::new(), tensors: HashMap::new() }
    }

    /// Opens the weights that lie in these files, and checks their headers.
    pub(super) fn open_files(paths: &[PathBuf]) -> std::result::Result<Self, Error> {
        let mut weights = Self::none();
        for path in paths {
            weights.add(path, read_places(path)?)?;
        }
        Ok(weights)
    }

    /// Opens one file, whose tensors lie at `places`.
    pub(super) fn open_file(path: &Path, places: BTreeMap<String, Place>) -> std::result::Result<Self, Error> {
        let mut weights = Self::none();
        weights.add(path, places)?;
        Ok(weights)
    }

    /// Adds what lies in one more file.
    pub(super) fn add(&mut self, path: &Path, places: BTreeMap<String, Place>) -> std::result::Result<(), Error> {
        let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let index = self.files.len();
        self.files.push(file);
        self.tensors.extend(places.into_iter().map(|(name, place)| (name, (index, place))));
        Ok(())
    }

    /// For networks that multiply in `dtype`. Every tensor becomes one, but on the CPU all stay as they are stored: its kernels
    /// widen and round them as they need. What is stored in eight bits or fewer, in ggml's blocks or not, becomes f16 when it is read.
    pub(super) fn into_builder(self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self), dtype, device.clone())
    }

    /// The shape of the tensor of this name.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|(_, place)| place.shape.as_slice())
    }

    fn place(&self, name: &str) -> Result<&(usize, Place)> {
        self.tensors.get(name).ok_or_else(|| candle_core::Error::CannotFindTensor { path: name.to_owned() })
    }

    fn bytes(&self, file: usize, place: &Place) -> Result<Vec<u8>> {
        let mut bytes = vec![0u8; place.bytes];
        self.read(file, place.start, &mut bytes)?;
        Ok(bytes)
    }

    fn halves(&self, file: usize, start: u64, count: usize) -> Result<Vec<u16>> {
        let mut halves = vec![0u16; count];
        self.read(file, start, bytemuck::cast_slice_mut(&mut halves))?;
        Ok(halves)
    }

    /// By all threads: what the system has in memory comes as fast as it is copied.
    fn read(&self, file: usize, start: u64, bytes: &mut [u8]) -> Result<()> {
        let piece =
            |(index, bytes): (usize, &mut [u8])| read_at(&self.files[file], start + (index * PIECE) as u64, bytes);
        Ok(bytes.par_chunks_mut(PIECE).enumerate().try_for_each(piece)?)
    }
}

/// The numbers of a tensor, of so many bytes each, in rows; there, they lie `strides` apart along the sides of `shape`.
fn in_rows(bytes: &[u8], shape: &[usize], strides: &[usize], size: usize) -> Vec<u8> {
    let count = shape.iter().product();
    let (mut rows, mut index) = (Vec::with_capacity(count * size), vec![0; shape.len()]);
    for _ in 0..count {
        let at = size * index.iter().zip(strides).map(|(index, stride)| index * stride).sum::<usize>();
        rows.extend_from_slice(&bytes[at..at + size]);
        for (index, side) in index.iter_mut().zip(shape).rev() {
            *index += 1;
            if *index < *side {
                break;
            }
            *index = 0;
        }
    }
    rows
}

/// Bytes that a thread reads at once.
const PIECE: usize = 1 << 20;

/// Fills `bytes` with what stands from byte `start` of the file on.
#[cfg(unix)]
fn read_at(file: &File, start: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, start)
}

/// Fills `bytes` with what stands from byte `start` of the file on.
#[cfg(windows)]
fn read_at(file: &File, mut start: u64, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, start) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                start += count as u64;
                bytes = &mut std::mem::take(&mut bytes)[count..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl SimpleBackend for Weights {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let found = Shape::from(self.place(name)?.1.shape.as_slice());
        if found == shape {
            self.get_unchecked(name, dtype, device)
        } else {
            Err(candle_core::Error::UnexpectedShape { msg: name.to_owned(), expected: shape, got: found })
        }
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let (file, place) = self.place(name)?;
        let shape = place.shape.as_slice();
        let count = shape.iter().product::<usize>();
        // What is most of every file is read in place.
        let tensor = match place.stored {
            Stored::Numbers(dtype) if let Some(strides) = &place.strides => {
                let bytes = in_rows(&self.bytes(*file, place)?, shape, strides, dtype.size_in_bytes());
                Tensor::from_raw_buffer(&bytes, dtype, shape, &Device::Cpu)?
            }
            Stored::Numbers(DType::F32) => {
                let mut numbers = vec![0f32; count];
                self.read(*file, place.start, bytemuck::cast_slice_mut(&mut numbers))?;
                Tensor::from_vec(numbers, shape, &Device::Cpu)?
            }
            Stored::Numbers(DType::F16) => {
                let numbers: Vec<f16> = self.halves(*file, place.start, count)?.reinterpret_into();
                Tensor::from_vec(numbers, shape, &Device::Cpu)?
            }
            Stored::Numbers(DType::BF16) => {
                let numbers: Vec<bf16> = self.halves(*file, place.start, count)?.reinterpret_into();
                Tensor::from_vec(numbers, shape, &Device::Cpu)?
            }
            Stored::Numbers(DType::F8E4M3) => {
                let bytes = self.bytes(*file, place)?;
                // Each is one of f16's numbers, which all networks multiply with: half the memory of f32.
                Tensor::from_raw_buffer(&bytes, DType::F8E4M3, shape, &Device::Cpu)?.to_dtype(DType::F16)?
            }
            Stored::Float8E5M2 => {
                let bytes = self.bytes(*file, place)?;
                let numbers: Vec<f16> = bytes.into_iter().map(|byte| f16::from_bits(u16::from(byte) << 8)).collect();
                Tensor::from_vec(numbers, shape, &Device::Cpu)?
            }
            Stored::Numbers(other) => Tensor::from_raw_buffer(&self.bytes(*file, place)?, other, shape, &Device::Cpu)?,
            Stored::Blocks(kind) => {
                // Blocks are read as what they are, so they must lie where numbers may.
                let mut words = vec![0u64; place.bytes.div_ceil(8)];
                let bytes = &mut bytemuck::cast_slice_mut(&mut words)[..place.bytes];
                self.read(*file, place.start, bytes)?;
                let blocks = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, kind)?;
                QTensor::new(blocks, (1, count))?.dequantize(&Device::Cpu)?.to_dtype(DType::F16)?.reshape(shape)?
            }
        };
        let stays = device.is_cpu() && matches!(tensor.dtype(), DType::F32 | DType::F16 | DType::BF16);
        let dtype = if device.is_cpu() { DType::F32 } else { dtype };
        if stays { Ok(tensor) } else { tensor.to_dtype(dtype)?.to_device(device) }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}

/// The files of the weights `stem` in `folder`: one, or those that an index names. safetensors before torch's own, whole precision before
/// half.
pub(super) fn weight_files(folder: &Path, stem: &str) -> std::result::Result<Vec<PathBuf>, Error> {
    const VARIANTS: [&str; 4] = ["", ".fp16", ".bf16", ".non_ema"];
    // transformers calls its own otherwise.
    let pickled = if stem == "model" { "pytorch_model" } else { stem };
    for (stem, ending) in [(stem, "safetensors"), (pickled, "bin")] {
        for variant in VARIANTS {
            let path = folder.join(format!("{stem}{variant}.{ending}"));
            if path.is_file() {
                return Ok(vec![path]);
            }
        }
        for variant in VARIANTS {
            for name in [format!("{stem}.{ending}.index{variant}.json"), format!("{stem}{variant}.{ending}.index.json")]
            {
                let path = folder.join(name);
                if path.is_file() {
                    return indexed_files(folder, &path);
                }
            }
        }
    }
    Err(Error::MissingFile(folder.join(format!("{stem}.safetensors"))))
}

/// All that decides what a network in a folder of its own is made of: its weights, and its config.
pub(super) fn weights_and_config(folder: &Path, stem: &str) -> std::result::Result<Vec<PathBuf>, Error> {
    let mut files = weight_files(folder, stem)?;
    files.push(folder.join("config.json"));
    Ok(files)
}

fn indexed_files(folder: &Path, index: &Path) -> std::result::Result<Vec<PathBuf>, Error> {
    let json = super::folder::json_in(index)?;
    let damaged = |reason: &str| Error::Damaged { path: index.to_owned(), reason: reason.to_owned() };
    let map = json.get("weight_map").and_then(Value::as_object).ok_or_else(|| damaged("it has no weight_map"))?;
    let mut files = Vec::new();
    for name in map.values() {
        let name = name.as_str().filter(|name| Path::new(name).file_name().is_some_and(|last| last == *name));
        let path =
            folder.join(name.ok_or_else(|| damaged("its weight_map names something that is not a file beside it"))?);
        if !files.contains(&path) {
            files.push(path);
        }
    }
    if files.is_empty() { Err(damaged("its weight_map is empty")) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::new(values, &Device::Cpu).unwrap()
    }

    #[test]
    fn weights_in_several_files_are_found_in_their_own_precision() {
        let folder = tempfile::tempdir().unwrap();
        let save = |file: &str, name: &str, tensor: Tensor| {
            let tensors = HashMap::from([(name.to_owned(), tensor)]);
            candle_core::safetensors::save(&tensors, folder.path().join(file)).unwrap();
        };
        save("model-1.safetensors", "a", tensor(&[1.5, 2.0]).to_dtype(DType::F16).unwrap());
        save("model-2.safetensors", "b", tensor(&[3.0]).to_dtype(DType::BF16).unwrap());
        let index = r#"{"metadata": {}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;
        std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        let weights = Weights::open(folder.path(), "model").unwrap().into_builder(DType::F32, &Device::Cpu);
        let (a, b) = (weights.get(2, "a").unwrap(), weights.get(1, "b").unwrap());
        assert_eq!((a.dtype(), b.dtype()), (DType::F16, DType::BF16));
        assert_eq!(a.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap(), [1.5, 2.0]);
        assert_eq!(b.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap(), [3.0]);

        let error = Error::from_candle(&weights.get(3, "a").unwrap_err(), folder.path()).to_string();
        assert!(error.starts_with("the tensor a is [2] but must be [3]"), "{error}");
        let error = Error::from_candle(&weights.get(3, "c").unwrap_err(), folder.path()).to_string();
        assert!(error.starts_with("the tensor c is missing from the weights"), "{error}");
    }

    #[test]
    fn eight_bits_are_read_as_the_numbers_that_they_stand_for() {
        // OCP 8-bit Floating Point Specification, 1.0: the largest, the smallest, one, and minus two.
        let header = br#"{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"F8_E5M2","shape":[4],"data_offsets":[4,8]}}"#;
        let data = [0x7E, 0x01, 0x38, 0xC0, 0x7B, 0x01, 0x3C, 0xC0];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header, &data].concat()).unwrap();
        let weights = Weights::open_files(&[path]).unwrap().into_builder(DType::F32, &Device::Cpu);
        let numbers = |name: &str| {
            let tensor = weights.get(4, name).unwrap();
            assert_eq!(tensor.dtype(), DType::F16);
            tensor.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(numbers("a"), [448.0, 1.0 / 512.0, 1.0, -2.0]);
        assert_eq!(numbers("b"), [57344.0, 1.0 / 65536.0, 1.0, -2.0]);
    }

    /// `tests/fixtures/generate_checkpoints.py`, by the instructions of protocol 4: what torch turned, cut and laid out by channels.
    #[test]
    fn what_does_not_lie_in_rows_is_read_in_rows() {
        let at = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name);
        let expected = candle_core::safetensors::load(at("strides.safetensors"), &Device::Cpu).unwrap();
        let places = read_places(&at("strides.ckpt")).unwrap();
        let mut names: Vec<&str> = places.keys().map(String::as_str).collect();
        // What is one number over and over again is left out.
        assert_eq!(names, ["channels_last", "cut", "mask", "turned"]);
        names.retain(|name| *name != "mask");
        assert!(names.iter().all(|name| places[*name].strides.is_some()));
        let weights = Weights::open_file(&at("strides.ckpt"), places.clone()).unwrap();
        let weights = weights.into_builder(DType::F32, &Device::Cpu);
        for name in names {
            let (found, expected) = (weights.get(expected[name].shape(), name).unwrap(), &expected[name]);
            let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(numbers(&found), numbers(expected), "{name}");
        }
    }

    #[test]
    fn an_index_may_not_point_out_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let index = r#"{"weight_map": {"a": "../../secret.safetensors"}}"#;
        std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        assert!(matches!(weight_files(folder.path(), "model"), Err(Error::Damaged { .. })));
    }

    #[test]
    fn other_forms_are_taken_where_there_is_no_better() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            matches!(weight_files(folder.path(), "model"), Err(Error::MissingFile(path)) if path.ends_with("model.safetensors"))
        );
        // The worst first, so that each goes before those that are there already.
        for name in ["pytorch_model.bin", "model.fp16.safetensors", "model.safetensors"] {
            std::fs::write(folder.path().join(name), "").unwrap();
            assert_eq!(weight_files(folder.path(), "model").unwrap(), [folder.path().join(name)]);
        }
        std::fs::write(folder.path().join("unet.bf16.bin"), "").unwrap();
        assert_eq!(weight_files(folder.path(), "unet").unwrap(), [folder.path().join("unet.bf16.bin")]);
    }
}
