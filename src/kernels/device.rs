//! What depends on the device, beside the kernels themselves.

use candle_core::{DType, Device, Error, Result, Tensor};

/// The most bytes that one of candle's operations may lay out at once on a GPU, of scores or of squares of a picture: so many that it has enough to do.
pub const MOST_AT_ONCE_ON_GPU: usize = 512 << 20;

/// The same on any device; in main memory they are few.
pub(super) fn most_at_once(device: &Device) -> usize {
    if device.is_cpu() { 64 << 20 } else { MOST_AT_ONCE_ON_GPU }
}

/// The numbers of a tensor, in rows. A GPU is waited for until all that was asked of it is done, or it says what failed: candle's copy asks
/// only after the last of it, and what Metal did not compute are numbers from before.
pub fn read_numbers(x: &Tensor) -> Result<Vec<f32>> {
    let numbers = x.to_dtype(DType::F32)?.flatten_all()?;
    numbers.device().synchronize()?;
    numbers.to_vec1()
}

/// Whether this says that a GPU has too little memory. candle has no kind of error for that, only the words of CUDA, cuBLAS and Metal.
pub fn is_out_of_memory(error: &Error) -> bool {
    let said = error.to_string();
    let words =
        ["OUT_OF_MEMORY", "ALLOC_FAILED", "OutOfMemory", "Insufficient Memory", "create metal resource: Buffer"];
    words.iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_rows_however_they_lie() {
        let x = Tensor::new(&[[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
        let turned = x.t().unwrap().to_dtype(DType::F16).unwrap();
        assert_eq!(read_numbers(&turned).unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(read_numbers(&x.sum_all().unwrap()).unwrap(), [21.0]);
    }

    #[test]
    fn too_little_memory_is_told_apart_from_other_errors() {
        for words in [
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "CublasError(CUBLAS_STATUS_ALLOC_FAILED)",
            "Metal error Failed to create metal resource: Buffer",
            "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
        ] {
            assert!(is_out_of_memory(&Error::msg(words).context("in a layer")), "{words}");
        }
        assert!(!is_out_of_memory(&Error::msg("shape mismatch")));
    }
}
