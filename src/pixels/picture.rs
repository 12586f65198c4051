use crate::geom::Extent;

/// Finished pixels: RGBA, 8 bits a channel, straight alpha, rows from the top, sRGB.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    extent: Extent,
    rgba: Vec<u8>,
}

impl Picture {
    /// A picture from its bytes, four a pixel. `None` if there are not exactly as many as `extent` says.
    pub fn from_rgba(extent: Extent, rgba: Vec<u8>) -> Option<Self> {
        (rgba.len() == extent.area() * 4).then_some(Self { extent, rgba })
    }

    /// A picture of one colour.
    pub fn filled(extent: Extent, pixel: [u8; 4]) -> Self {
        Self {
            extent,
            rgba: pixel.repeat(extent.area()),
        }
    }

    /// Its size.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Its bytes, four a pixel.
    pub fn rgba(&self) -> &[u8] {
        &self.rgba
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({})", self.extent)
    }
}
