use super::read::MOST_CONTENTS;
use super::{BeyondEntry, CONTENTS, Contents, Error, GUIDE, Kind, LayerEntry, MASK, Project, VERSION, ora};
use crate::files::save_atomically;
use std::io::{Cursor, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An archive under way, in memory: it takes its name only when it is whole.
pub(super) struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    pub(super) fn new() -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new())))
    }

    /// Adds a file as it is: what is in it is compressed already.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) {
        let plain = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(bytes.len() > 1 << 31);
        self.0.start_file(name, plain).expect("names are short and no two alike");
        self.0.write_all(bytes).expect("memory takes everything");
    }

    pub(super) fn finished(self) -> Vec<u8> {
        self.0.finish().expect("memory takes everything").into_inner()
    }
}

impl Project {
    /// Writes a file of this kind: all of it, or nothing.
    pub fn save(&self, path: &Path, kind: Kind) -> Result<(), Error> {
        let bytes = match kind {
            Kind::Sfumato => self.archived()?,
            Kind::OpenRaster => ora::archived(self)?,
        };
        Ok(save_atomically(path, &bytes)?)
    }

    /// The bytes of a `.sfumato` file. Fails if a picture in it cannot be encoded.
    pub fn archived(&self) -> Result<Vec<u8>, Error> {
        let mut archive = Archive::new();
        let file_of = |position: usize| format!("layers/{position}.png");
        let beyond_of = |position: usize| format!("layers/{position}-beyond.png");
        let entries = self.stack.layers().iter().enumerate().map(|(position, layer)| LayerEntry {
            id: layer.id,
            file: file_of(position),
            beyond: layer.beyond.as_ref().map(|beyond| BeyondEntry {
                file: beyond_of(position),
                left: beyond.left,
                top: beyond.top,
            }),
            look: layer.look.clone(),
        });
        let mut contents = Contents {
            version: VERSION,
            extent: self.extent,
            active: self.stack.active().map(|layer| layer.id),
            layers: entries.collect(),
            mask: self.mask.as_ref().map(|_| MASK.to_owned()),
            masks_room: self.masks_room,
            guide: self.guide.as_ref().map(|_| GUIDE.to_owned()),
            settings: self.settings.clone(),
            file: self.file.as_deref().and_then(Path::to_str).map(str::to_owned),
        };
        let written = |contents: &Contents| {
            serde_json::to_vec_pretty(contents).expect("strings, numbers and lists can be written as JSON")
        };
        let mut text = written(&contents);
        if text.len() as u64 > MOST_CONTENTS {
            // What cannot be opened again is worth less than what does not say how it was made.
            contents.layers.iter_mut().for_each(|layer| layer.look.recipes.clear());
            text = written(&contents);
        }
        archive.add(CONTENTS, &text);
        for (position, layer) in self.stack.layers().iter().enumerate() {
            archive.add(&file_of(position), &layer.tiles.to_picture().encode_png(&[])?);
            if let Some(beyond) = &layer.beyond {
                archive.add(&beyond_of(position), &beyond.tiles.to_picture().encode_png(&[])?);
            }
        }
        if let Some(mask) = &self.mask {
            archive.add(MASK, &mask.to_picture().encode_png(&[])?);
        }
        if let Some(guide) = &self.guide {
            archive.add(GUIDE, &guide.encode_png(&[])?);
        }
        Ok(archive.finished())
    }
}
