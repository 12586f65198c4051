use crate::geom::Extent;

/// Where to repaint: one byte of coverage a pixel, 255 = repaint, 0 = keep. The same in files, in the window and in tensors.
#[derive(Clone, PartialEq, Eq)]
pub struct Mask {
    extent: Extent,
    coverage: Vec<u8>,
}

impl Mask {
    /// A mask from its bytes, one a pixel. `None` if there are not exactly as many as `extent` says.
    pub fn from_coverage(extent: Extent, coverage: Vec<u8>) -> Option<Self> {
        (coverage.len() == extent.area()).then_some(Self { extent, coverage })
    }

    /// A mask that keeps everything.
    pub fn empty(extent: Extent) -> Self {
        Self {
            extent,
            coverage: vec![0; extent.area()],
        }
    }

    /// Its size.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Its bytes, one a pixel.
    pub fn coverage(&self) -> &[u8] {
        &self.coverage
    }

    /// Its bytes, to paint on.
    pub fn coverage_mut(&mut self) -> &mut [u8] {
        &mut self.coverage
    }

    /// Whether it keeps everything.
    pub fn is_empty(&self) -> bool {
        self.coverage.iter().all(|&c| c == 0)
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({})", self.extent)
    }
}
