use super::cpu::{Kept, Packing, Values};
use super::host::{serves, with_values};
use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::VarBuilder;
use std::fmt;
use std::sync::Arc;

/// Where packed weights are kept, so that they need be neither read nor packed the next time.
pub trait Keep: Send + Sync {
    /// What is kept of the tensor of this name and this shape. It must be what was taken of the very same numbers.
    fn find(&self, name: &str, shape: &[usize]) -> Option<Kept>;

    /// Takes what was packed of a tensor that was not found, from any thread.
    fn take(&self, name: &str, weight: &Tensor, kept: Kept);
}

/// The weights of a network, or of a part of it: named tensors, and where what is packed of them is kept.
#[derive(Clone)]
pub struct Weights<'a> {
    tensors: VarBuilder<'a>,
    keep: Option<Arc<dyn Keep>>,
    /// Whether candle's operations compute with them, wherever they are.
    are_candles: bool,
}

impl<'a> From<VarBuilder<'a>> for Weights<'a> {
    fn from(tensors: VarBuilder<'a>) -> Self {
        Self { are_candles: !tensors.device().is_cpu(), tensors, keep: None }
    }
}

impl fmt::Debug for Weights<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weights({:?})", self.tensors.prefix())
    }
}

impl<'a> Weights<'a> {
    /// Those of which what is packed is kept.
    pub fn kept(tensors: VarBuilder<'a>, keep: Arc<dyn Keep>) -> Self {
        Self { keep: Some(keep), ..Self::from(tensors) }
    }

    /// Those with which candle's operations compute on the CPU as they would on a GPU, so that this can be tried without one.
    #[cfg(test)]
    pub(crate) fn of_candle(tensors: VarBuilder<'a>) -> Self {
        Self { are_candles: true, ..Self::from(tensors) }
    }

    /// Those of the part of this name.
    #[must_use]
    pub fn pp(&self, part: impl ToString) -> Self {
        Self { tensors: self.tensors.pp(part), keep: self.keep.clone(), are_candles: self.are_candles }
    }

    /// Reads a tensor; one of another shape is an error.
    pub fn get(&self, shape: impl Into<Shape>, name: &str) -> Result<Tensor> {
        self.tensors.get(shape, name)
    }

    /// Whether there is a tensor of this name.
    pub fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.contains_tensor(name)
    }

    /// The same, for a network that multiplies in `dtype`.
    #[must_use]
    pub fn set_dtype(self, dtype: DType) -> Self {
        Self { tensors: self.tensors.set_dtype(dtype), ..self }
    }

    /// The same, for a part in which candle's operations are to compute in f32 whatever the others do: it is little work, and what it rounds would be off
    /// everywhere. Our own kernels add up in f32 anyway.
    #[must_use]
    pub fn exact(self) -> Self {
        if self.are_candles { self.set_dtype(DType::F32) } else { self }
    }

    /// What a network of them is to multiply in.
    pub fn dtype(&self) -> DType {
        self.tensors.dtype()
    }

    /// Where they are to be.
    pub fn device(&self) -> &Device {
        self.tensors.device()
    }

    /// Whether candle's operations compute with all of them.
    pub(super) fn are_candles(&self) -> bool {
        self.are_candles
    }

    /// Whether our own kernels compute with one of them.
    pub(super) fn serve(&self, weight: &Tensor) -> bool {
        !self.are_candles && serves(weight)
    }

    /// The tensor `weight` packed for our own kernels: `of_kept` where it is kept and fits, or else read and packed by `of_values`.
    pub(super) fn packed<P: Packing>(
        &self,
        shape: &[usize],
        of_kept: impl FnOnce(&Kept) -> Option<P>,
        of_values: impl FnOnce(Values<'_>) -> P,
    ) -> Result<Weight<P>> {
        const NAME: &str = "weight";
        let path = || format!("{}.{NAME}", self.tensors.prefix());
        let kept = self.keep.as_ref().and_then(|keep| keep.find(&path(), shape));
        if let Some(packed) = kept.as_ref().and_then(of_kept) {
            return Ok(Weight::Packed(Arc::new(packed)));
        }
        let weight = self.get(shape, NAME)?;
        if !self.serve(&weight) {
            return Ok(Weight::Read(weight));
        }
        let packed = with_values(&weight, of_values)?;
        if let Some(keep) = &self.keep {
            keep.take(&path(), &weight, packed.keep());
        }
        Ok(Weight::Packed(Arc::new(packed)))
    }
}

/// A weight as it is used.
pub(super) enum Weight<P> {
    /// By our own kernels.
    Packed(Arc<P>),
    /// By candle's operations: as files store it.
    Read(Tensor),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{BYTES, Conv2d, Form, GatedLinear, Linear, Padding, Section};
    use candle_nn::Init;
    use candle_nn::var_builder::SimpleBackend;
    use std::collections::{BTreeSet, HashMap};
    use std::sync::Mutex;

    /// A shelf in memory, on which sections lie as they would in a file.
    #[derive(Default)]
    struct Shelf(Mutex<HashMap<String, Kept>>);

    impl Keep for Shelf {
        fn find(&self, name: &str, _: &[usize]) -> Option<Kept> {
            self.0.lock().unwrap().get(name).cloned()
        }

        fn take(&self, name: &str, _: &Tensor, kept: Kept) {
            let sections = kept.sections.iter().map(|section| aligned(section, 0)).collect();
            self.0.lock().unwrap().insert(name.to_owned(), Kept { sections, ..kept });
        }
    }

    /// The same bytes, so many from where any number may lie.
    fn aligned(bytes: &[u8], past: usize) -> Section {
        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C, align(64))]
        struct Line([u8; 64]);
        struct Lines(Vec<Line>);
        impl AsRef<[u8]> for Lines {
            fn as_ref(&self) -> &[u8] {
                bytemuck::cast_slice(&self.0)
            }
        }
        let mut lines = vec![Line([0; 64]); (bytes.len() + past).div_ceil(64)];
        bytemuck::cast_slice_mut(&mut lines)[past..past + bytes.len()].copy_from_slice(bytes);
        Section::new(Arc::new(Lines(lines)), past..past + bytes.len()).unwrap()
    }

    fn wave(shape: &[usize], step: f64) -> Tensor {
        let numbers: Vec<f32> = (0..shape.iter().product()).map(|at: usize| (at as f64 * step).sin() as f32).collect();
        Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
    }

    /// What layers of all kinds make of a wave.
    fn computed(weights: &Weights<'_>) -> Vec<Vec<f32>> {
        let (tokens, picture) = (wave(&[3, 330], 0.7), wave(&[1, 13, 9, 330], 0.3));
        let linear = Linear::new(330, 320, weights.pp("linear")).unwrap();
        let pointwise = Linear::from_pointwise_conv(330, 20, weights.pp("pointwise")).unwrap();
        let gated = GatedLinear::new(330, 170, weights.pp("gated")).unwrap();
        let conv = Conv2d::new(330, 40, 3, weights.pp("conv")).unwrap();
        let strided = Conv2d::without_bias(330, 10, 2, 2, Padding::even(0), weights.pp("strided")).unwrap();
        let outputs = [
            linear.forward(&tokens),
            pointwise.forward(&tokens),
            gated.forward(&tokens),
            conv.forward(&picture),
            strided.forward(&picture),
        ];
        let numbers = |y: Result<Tensor>| y?.flatten_all()?.to_dtype(DType::F32)?.to_vec1();
        outputs.map(|y| numbers(y).unwrap()).into()
    }

    fn tensors(stored: DType, has_weights: bool) -> HashMap<String, Tensor> {
        let shapes: [(&str, &[usize]); 5] = [
            ("linear", &[320, 330]),
            ("pointwise", &[20, 330, 1, 1]),
            ("gated", &[340, 330]),
            ("conv", &[40, 330, 3, 3]),
            ("strided", &[10, 330, 2, 2]),
        ];
        let mut tensors = HashMap::new();
        for (name, shape) in shapes {
            if has_weights {
                tensors.insert(format!("{name}.weight"), wave(shape, 0.37).to_dtype(stored).unwrap());
            }
            tensors.insert(format!("{name}.bias"), wave(&shape[..1], 0.9).to_dtype(stored).unwrap());
        }
        tensors
    }

    /// Tensors that stay as they are stored.
    struct Stored(HashMap<String, Tensor>);

    impl SimpleBackend for Stored {
        fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
            self.get_unchecked(name, dtype, device)?.reshape(shape)
        }

        fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
            let tensor = self.0.get(name).cloned();
            tensor.ok_or_else(|| candle_core::Error::CannotFindTensor { path: name.to_owned() })
        }

        fn contains_tensor(&self, name: &str) -> bool {
            self.0.contains_key(name)
        }
    }

    fn weights(stored: DType, multiplied: DType, has_weights: bool) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(Stored(tensors(stored, has_weights))), multiplied, Device::Cpu)
    }

    #[test]
    fn what_is_kept_computes_the_same_bytes_without_being_read() {
        let mut forms = BTreeSet::new();
        for stored in [DType::F32, DType::F16, DType::BF16] {
            for multiplied in [DType::F32, DType::BF16, BYTES] {
                let shelf = Arc::new(Shelf::default());
                let read = |has_weights| {
                    computed(&Weights::kept(weights(stored, multiplied, has_weights), Arc::<Shelf>::clone(&shelf)))
                };
                let before = read(true);
                assert_eq!(before, computed(&weights(stored, multiplied, true).into()));
                assert_eq!(shelf.0.lock().unwrap().len(), 5);
                forms.extend(shelf.0.lock().unwrap().values().map(|kept| kept.form.name()));
                assert_eq!(before, read(false), "{stored:?}, {multiplied:?}");
            }
        }
        // What is rounded and of bytes needs a machine that multiplies so.
        assert!(forms.len() >= 3, "{forms:?}");
    }

    #[test]
    fn what_does_not_fit_is_packed_anew() {
        let shelf = Arc::new(Shelf::default());
        let read = || computed(&Weights::kept(weights(DType::F16, DType::F32, true), Arc::<Shelf>::clone(&shelf)));
        let whole = read();
        let kept = shelf.0.lock().unwrap().clone();
        let damages: [&dyn Fn(&Kept) -> Kept; 6] = [
            &|kept| Kept { sections: Vec::new(), ..kept.clone() },
            &|kept| Kept { sections: vec![aligned(&kept.sections[0], 1)], ..kept.clone() },
            &|kept| Kept { sections: vec![aligned(&kept.sections[0][64..], 0)], ..kept.clone() },
            &|kept| Kept { form: Form::Bytes, ..kept.clone() },
            &|kept| Kept { is_gated: !kept.is_gated, ..kept.clone() },
            &|kept| Kept { sections: vec![kept.sections[0].clone(); 2], ..kept.clone() },
        ];
        for damage in damages {
            *shelf.0.lock().unwrap() = kept.iter().map(|(name, kept)| (name.clone(), damage(kept))).collect();
            assert_eq!(read(), whole);
        }
    }

    #[test]
    fn what_must_be_exact_is_of_f32_by_candle_alone() {
        let of = |multiplied| weights(DType::F32, multiplied, false);
        assert_eq!(Weights::of_candle(of(DType::F16)).pp("linear").exact().dtype(), DType::F32);
        assert_eq!(Weights::from(of(DType::BF16)).exact().dtype(), DType::BF16);
    }

    #[test]
    fn what_was_rounded_is_not_taken_for_what_is_whole() {
        let shelf = Arc::new(Shelf::default());
        let read =
            |multiplied| computed(&Weights::kept(weights(DType::F16, multiplied, true), Arc::<Shelf>::clone(&shelf)));
        read(DType::BF16);
        assert_eq!(read(DType::F32), computed(&weights(DType::F16, DType::F32, true).into()));
    }

    #[test]
    fn a_section_is_within_what_it_is_of() {
        let bytes: Arc<Vec<u8>> = Arc::new(vec![1, 2, 3]);
        assert_eq!(&*Section::new(Arc::<Vec<u8>>::clone(&bytes), 1..3).unwrap(), [2, 3]);
        assert!(Section::new(Arc::<Vec<u8>>::clone(&bytes), 1..4).is_none());
        let (first, last) = (3, 2);
        assert!(Section::new(bytes, first..last).is_none());
        assert!(Form::ALL.into_iter().all(|form| Form::from_name(form.name()) == Some(form)));
    }
}
