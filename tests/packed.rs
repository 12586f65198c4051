//! Packed weights that are kept: networks compute from them what they compute from the files of the model, byte for byte.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/hashed.rs"]
#[allow(dead_code, reason = "no network is given an input here")]
mod hashed;
#[path = "shared/runs.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod runs;
#[path = "shared/tiny_checkpoint.rs"]
#[allow(dead_code, reason = "some of its forms are enough here")]
mod tiny_checkpoint;

use candle_core::Device;
use runs::{painted, request};
use sfumato::checkpoints::{
    Model, PackedFolder, Precision, Prediction, finish_packing, is_still_packing, load_controlnet,
};
use sfumato::diffusion::{Control, Ending, Extras, Preprocessor, Request, paint};
use sfumato::geom::Extent;
use sfumato::pixels::Picture;
use std::collections::BTreeSet;
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tiny_checkpoint::Tiny;

/// A folder of packed weights, in which the smallest networks are kept.
struct Shelf {
    folder: tempfile::TempDir,
    packed: PackedFolder,
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let packed = PackedFolder::new(folder.path().to_owned(), Some(8)).with_least(1);
        Self { folder, packed }
    }

    fn files(&self) -> BTreeSet<PathBuf> {
        let entries = self.folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "packed")).collect()
    }

    /// Its files, when all that was packed is written.
    fn written(&self) -> BTreeSet<PathBuf> {
        assert!(!is_still_packing(Duration::from_mins(5)), "it takes too long");
        self.files()
    }

    /// What a model paints, which takes what it lacks from a lender.
    fn painted(&self, path: &Path, lender: Option<&Path>, precision: Precision) -> Arc<Picture> {
        picture(path, lender, precision, Some(&self.packed))
    }
}

fn picture(path: &Path, lender: Option<&Path>, precision: Precision, packed: Option<&PackedFolder>) -> Arc<Picture> {
    let model = Model::load_with(path, lender, &Device::Cpu, precision, packed).unwrap();
    painted(&model, &Request { precision, ..request("blurry", None) }).1.picture
}

/// Has a file hold nothing but zeros in place of its numbers, as long as `what` is done.
fn without_numbers<T>(file: &Path, what: impl FnOnce() -> T) -> T {
    let aside = file.with_extension("aside");
    let mut bytes = std::fs::read(file).unwrap();
    let header = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    bytes[24 + header..].fill(0);
    // Written anew, not written to: somebody may still have it mapped into memory.
    std::fs::rename(file, &aside).unwrap();
    std::fs::write(file, bytes).unwrap();
    let done = what();
    std::fs::rename(&aside, file).unwrap();
    done
}

/// Loads a model of so many networks twice in each precision that there is.
fn paints_the_same(shelf: &Shelf, path: &Path, networks: usize) {
    let mut known = shelf.files();
    for &precision in Precision::ALL.iter().filter(|precision| precision.is_there(&Device::Cpu)) {
        let what = format!("{}, {}", path.display(), precision.name());
        let expected = picture(path, None, precision, None);
        assert_eq!(shelf.painted(path, None, precision), expected, "{what}, while it was packed");
        let files = shelf.written();
        let new: Vec<_> = files.difference(&known).collect();
        // All but the U-Net multiply as another precision has it.
        let of_its_own = if precision == Precision::Int8 { 1 } else { networks };
        assert_eq!(new.len(), of_its_own, "{what}");
        assert_eq!(shelf.painted(path, None, precision), expected, "{what}, from what was kept");
        assert_eq!(shelf.written(), files, "{what}");
        // One precision will do: with each file three more pictures are painted.
        for file in new.into_iter().filter(|_| precision == Precision::F32) {
            let other = without_numbers(file, || shelf.painted(path, None, precision));
            assert_ne!(other, expected, "{what}: {} is not used", file.display());
        }
        assert_eq!(shelf.written(), files, "{what}: what was kept was of no use");
        known = files;
    }
}

/// Text encoders and VAE of a lender are known from when it was painted with itself.
fn lent_parts_are_kept_once(shelf: &Shelf, lender: &Path, unet: &Path) {
    let before = shelf.files();
    let expected = picture(unet, Some(lender), Precision::F32, None);
    for _ in 0..2 {
        assert_eq!(shelf.painted(unet, Some(lender), Precision::F32), expected);
        assert_eq!(shelf.written().len(), before.len() + 1, "{}", unet.display());
    }
}

fn a_controlnet_guides_the_same(shelf: &Shelf) {
    let bozzetto = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    let model = Model::load(&bozzetto, &Device::Cpu, Precision::F32).unwrap();
    let distance = |i: usize| ((i % 128) as f64 - 90.0).hypot((i / 128) as f64 - 40.0);
    let ring = (0..128 * 128).flat_map(|i| if (distance(i) - 25.0).abs() < 3.0 { [0, 0, 0, 255] } else { [255; 4] });
    let extent = Extent::new(128, 128);
    let picture = Arc::new(Picture::from_rgba(extent, ring.collect()).unwrap());
    let (controlnet, preprocessor) = ("Bozzetto lines".to_owned(), Preprocessor::suiting(&picture));
    let control = Some(Control { controlnet, picture, preprocessor, weight: 1.0, start: 0.0, end: 1.0 });
    let request = Request { prompt: "a purple balloon".into(), control, extent, ..request("", None) };
    let guided = |packed: Option<&PackedFolder>| {
        let controlnet = load_controlnet(&bozzetto.join("controlnet"), &Device::Cpu, Precision::F32, packed).unwrap();
        let extras = Extras { controlnet: Some(&controlnet), ..Extras::default() };
        match paint(&model, extras, &request, &mut |_| Continue(())).unwrap() {
            Ending::Finished(painted) => painted.picture,
            other => panic!("nobody stopped it, but it ended {other:?}"),
        }
    };
    let (before, expected) = (shelf.files(), guided(None));
    assert_eq!(guided(Some(&shelf.packed)), expected);
    let files = shelf.written();
    let new: Vec<_> = files.difference(&before).collect();
    assert_eq!(new.len(), 1);
    assert_eq!(guided(Some(&shelf.packed)), expected);
    assert_ne!(without_numbers(new[0], || guided(Some(&shelf.packed))), expected);
    assert_eq!(shelf.written(), files);
}

/// One test: what ends the keeping ends it for the whole program.
#[test]
fn models_paint_the_same_bytes_from_what_was_kept_of_them() {
    let home = tempfile::tempdir().unwrap();
    let shelf = Shelf::new();
    // Text encoders, U-Net and VAE.
    for (name, networks) in [("sd1", 3), ("xl", 4)] {
        let tiny = Tiny::read(name);
        let file = tiny.write_file(home.path(), &format!("{name}.safetensors"));
        paints_the_same(&shelf, &file, networks);
        let folder = home.path().join(name);
        tiny.write_folder(&folder, Prediction::Epsilon);
        paints_the_same(&shelf, &folder, networks);
        let unet = home.path().join(format!("{name}-unet.safetensors"));
        candle_core::safetensors::save(&tiny.unet(), &unet).unwrap();
        lent_parts_are_kept_once(&shelf, &file, &unet);
    }
    a_controlnet_guides_the_same(&shelf);

    // What is being written when the program ends is waited for, and after that nothing is written.
    let last = Shelf::new();
    let path = home.path().join("sd1.safetensors");
    last.painted(&path, None, Precision::F32);
    finish_packing(Duration::from_mins(5));
    assert_eq!(last.folder.path().read_dir().unwrap().count(), 3);
    let none = Shelf::new();
    none.painted(&path, None, Precision::F32);
    finish_packing(Duration::from_mins(5));
    assert_eq!(none.files().len(), 0);
}
