//! A part of a larger picture, painted by itself: it is brought to the size at which the model paints, painted, and brought back.

use super::Request;
use crate::geom::{Bounds, Extent};
use crate::pixels::{Mask, Picture};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which part of a canvas a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The part.
    pub bounds: Bounds,
    /// The canvas's size.
    pub of: Extent,
}

/// The size at which a part is painted: of its shape, with about as many pixels as `native`, the size that the model paints best.
/// Both sides are multiples of 8, and at most [`MAX_SIDE`](Request::MAX_SIDE).
pub fn extent_to_paint(part: Extent, native: Extent) -> Extent {
    let most = f64::from(Request::<(), ()>::MAX_SIDE);
    let scale = (native.area() as f64 / part.area().max(1) as f64).sqrt();
    let side = |side: u32| (f64::from(side) * scale).min(most).round() as u32;
    Extent::new(side(part.width), side(part.height)).rounded_to(8)
}

/// What a request starts from, at the size at which it is painted.
pub(super) fn picture_to_start_from(request: &Request) -> Option<Arc<Picture>> {
    let picture = &request.input.as_ref()?.picture;
    Some(if picture.extent() == request.extent {
        Arc::clone(picture)
    } else {
        Arc::new(picture.resized(request.extent))
    })
}

/// Where a request repaints, at the size at which it is painted.
pub(super) fn mask_to_paint(request: &Request) -> Option<Arc<Mask>> {
    let mask = request.input.as_ref()?.mask.as_ref()?;
    Some(if mask.extent() == request.extent { Arc::clone(mask) } else { Arc::new(mask.resized(request.extent)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_painted_in_its_shape_with_the_pixels_that_the_model_likes() {
        let native = Extent::new(128, 128);
        assert_eq!(extent_to_paint(Extent::new(256, 256), native), native);
        assert_eq!(extent_to_paint(Extent::new(20, 20), native), native);
        // 16384 pixels, four times as broad as high.
        assert_eq!(extent_to_paint(Extent::new(400, 100), native), Extent::new(256, 64));
        assert_eq!(extent_to_paint(Extent::new(768, 512), Extent::new(512, 512)), Extent::new(624, 416));
        assert_eq!(extent_to_paint(Extent::new(8192, 1), native), Extent::new(4096, 8));
    }
}
