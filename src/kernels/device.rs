//! What depends on the device, beside the kernels themselves.

use candle_core::Device;

/// The most bytes that one of candle's operations may lay out at once, of scores or of squares of a picture: few in main memory, and on a GPU so
/// many that it has enough to do.
pub fn most_at_once(device: &Device) -> usize {
    if device.is_cpu() { 64 << 20 } else { 512 << 20 }
}
