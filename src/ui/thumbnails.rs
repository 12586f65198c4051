//! Small pictures as egui textures: made once for each picture, dropped when it is no longer drawn.

use crate::geom::Extent;
use crate::pixels::Picture;
use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use std::collections::HashMap;
use std::sync::Arc;

/// The textures of the pictures that were drawn in the last frame.
#[derive(Default)]
pub struct Thumbnails {
    textures: HashMap<usize, Held>,
    frame: u64,
}

/// The picture is kept so that its address stays its own.
struct Held {
    _picture: Arc<Picture>,
    texture: TextureHandle,
    last_used: u64,
}

impl Thumbnails {
    /// The texture of a picture, uploaded when it is new.
    pub fn get(&mut self, ctx: &Context, picture: &Arc<Picture>) -> TextureHandle {
        let frame = self.frame;
        let held = self.textures.entry(Arc::as_ptr(picture) as usize).or_insert_with(|| Held {
            _picture: picture.clone(),
            texture: ctx.load_texture("thumbnail", color_image(picture), TextureOptions::LINEAR),
            last_used: frame,
        });
        held.last_used = frame;
        held.texture.clone()
    }

    /// Forgets what was not asked for since the last call. Once a frame.
    pub fn end_frame(&mut self) {
        let frame = self.frame;
        self.textures.retain(|_, held| held.last_used == frame);
        self.frame += 1;
    }
}

/// The picture as egui holds pictures.
pub fn color_image(picture: &Picture) -> ColorImage {
    let size = [picture.extent().width as usize, picture.extent().height as usize];
    ColorImage::from_rgba_unmultiplied(size, picture.rgba())
}

/// The picture that egui holds, with straight alpha; none if it has no pixels.
pub fn picture_of(image: &ColorImage) -> Option<Picture> {
    let extent = Extent::new(image.width() as u32, image.height() as u32);
    let rgba = image.pixels.iter().flat_map(egui::Color32::to_srgba_unmultiplied).collect();
    Picture::from_rgba(extent, rgba).filter(|picture| !picture.extent().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_goes_to_egui_and_back() {
        let picture = Picture::from_rgba(Extent::new(2, 1), vec![200, 100, 0, 255, 10, 20, 30, 255]).unwrap();
        assert_eq!(picture_of(&color_image(&picture)), Some(picture));
        assert_eq!(picture_of(&ColorImage::from_rgba_unmultiplied([0, 0], &[])), None);
    }
}
