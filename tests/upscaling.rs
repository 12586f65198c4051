//! Upscalers compute what torch computes, from whatever file they come, piece by piece as in one piece; and files that are none are
//! refused in words. Fixtures: `tests/fixtures/generate_upscaler.py`, which names the versions in them.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use sfumato::checkpoints::{Error, Library, Model, Precision, Upscaler};
use sfumato::diffusion::{
    self, Borrowed, Emphasis, Ending, Extras, Input, Phase, Progress, Reproduce, Request, SamplerName, Savings,
    ScheduleName, Stop, Tuning, Upscale,
};
use sfumato::geom::Extent;
use sfumato::pixels::Picture;
use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};

/// The largest difference allowed between an element of ours and theirs.
const TOLERANCE: f32 = 1e-4;

const FILES: [(&str, u32); 5] = [
    ("compact_x4.safetensors", 4),
    ("compact_x2.pth", 2),
    ("rrdb_x4.pth", 4),
    ("rrdb_x2.safetensors", 2),
    ("sequence_x4.pth", 4),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upscaler").join(name)
}

fn load(name: &str) -> Upscaler {
    Upscaler::load(&fixture(name), &Device::Cpu).unwrap()
}

fn problem(path: &Path) -> Error {
    Upscaler::load(path, &Device::Cpu).unwrap_err()
}

fn written(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Smooth colours with hard edges, different everywhere.
fn picture(extent: Extent) -> Picture {
    let pixel = |x: u32, y: u32| {
        let wave = |step: f64| (127.5 + 127.5 * (f64::from(x) * step + f64::from(y) * step * 0.7).sin()) as u8;
        [wave(0.11), wave(0.37), if (x / 5 + y / 3).is_multiple_of(2) { 30 } else { wave(0.9) }, 255]
    };
    let rgba = (0..extent.height).flat_map(|y| (0..extent.width).flat_map(move |x| pixel(x, y))).collect();
    Picture::from_rgba(extent, rgba).unwrap()
}

fn enlarged(picture: &Picture, upscaler: &Upscaler, factor: f64) -> Picture {
    match diffusion::upscale(picture, upscaler, factor, &mut |_| Continue(())).unwrap() {
        Continue(picture) => picture,
        Break(stop) => panic!("{stop:?} was not asked for"),
    }
}

#[test]
fn every_network_from_every_kind_of_file_gives_torchs_numbers() {
    let expected = candle_core::safetensors::load(fixture("expected.safetensors"), &Device::Cpu).unwrap();
    let picture = expected["picture"].permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
    for (file, scale) in FILES {
        let upscaler = load(file);
        assert_eq!(upscaler.scale(), scale, "{file}");
        let found = upscaler.network.forward(&picture).unwrap().permute((0, 3, 1, 2)).unwrap();
        let expected = &expected[file.split_once('.').unwrap().0];
        let apart = (found - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(apart < TOLERANCE, "{file}: {apart}");
    }
}

/// Of the same network, in one piece: what the pieces must fit to.
fn in_one_piece(picture: &Picture, upscaler: &Upscaler) -> Picture {
    let Extent { width, height } = picture.extent();
    let rgb: Vec<f32> =
        picture.rgba().chunks(4).flat_map(|pixel| pixel[..3].iter().map(|&v| f32::from(v) / 255.0)).collect();
    let rgb = Tensor::from_vec(rgb, (1, height as usize, width as usize, 3), &Device::Cpu).unwrap();
    let rgb = upscaler.network.forward(&rgb).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    let rgba = rgb.chunks(3).flat_map(|p| [byte(p[0]), byte(p[1]), byte(p[2]), 255]).collect();
    let scale = upscaler.scale();
    Picture::from_rgba(Extent::new(width * scale, height * scale), rgba).unwrap()
}

#[test]
fn the_pieces_of_a_compact_network_fit_to_the_bit() {
    let picture = picture(Extent::new(260, 150));
    for file in ["compact_x4.safetensors", "compact_x2.pth"] {
        let upscaler = load(file);
        let whole = in_one_piece(&picture, &upscaler);
        assert!(enlarged(&picture, &upscaler, f64::from(upscaler.scale())) == whole, "{file}");
    }
}

#[test]
fn the_pieces_of_a_deep_network_show_no_seam() {
    // Two blocks reach 36 pixels, the margin is as wide; of one with 2x, twice as far.
    let picture = picture(Extent::new(264, 136));
    for file in ["rrdb_x4.pth", "rrdb_x2.safetensors"] {
        let upscaler = load(file);
        let (whole, pieces) =
            (in_one_piece(&picture, &upscaler), enlarged(&picture, &upscaler, f64::from(upscaler.scale())));
        let apart = whole.rgba().iter().zip(pieces.rgba()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(apart <= 1, "{file}: {apart} of 255");
    }
}

#[test]
fn sides_that_no_network_takes_are_mirrored_and_every_size_has_its_factor() {
    for (file, scale) in FILES {
        let upscaler = load(file);
        for extent in [Extent::new(1, 1), Extent::new(7, 3), Extent::new(2, 131)] {
            let found = enlarged(&picture(extent), &upscaler, f64::from(scale)).extent();
            assert_eq!(found, Extent::new(extent.width * scale, extent.height * scale), "{file}");
        }
        let (small, factors) =
            (picture(Extent::new(10, 6)), [(1.0, (10, 6)), (1.5, (15, 9)), (3.0, (30, 18)), (5.0, (50, 30))]);
        for (factor, (width, height)) in factors {
            assert_eq!(enlarged(&small, &upscaler, factor).extent(), Extent::new(width, height), "{file} {factor}");
        }
    }
}

#[test]
fn what_shines_through_is_enlarged_plainly_and_changes_no_colour() {
    let upscaler = load("compact_x4.safetensors");
    let solid = picture(Extent::new(20, 12));
    let clear = solid.rgba().chunks(4).enumerate().flat_map(|(i, p)| [p[0], p[1], p[2], (i * 3) as u8]).collect();
    let clear = Picture::from_rgba(solid.extent(), clear).unwrap();
    let (solid, clear) = (enlarged(&solid, &upscaler, 4.0), enlarged(&clear, &upscaler, 4.0));
    assert!(solid.is_opaque() && !clear.is_opaque());
    let colours = |picture: &Picture| -> Vec<u8> { picture.rgba().chunks(4).flat_map(|p| p[..3].to_vec()).collect() };
    assert_eq!(colours(&solid), colours(&clear));
}

#[test]
fn it_is_stopped_between_two_pieces() {
    let (upscaler, picture) = (load("compact_x2.pth"), picture(Extent::new(300, 20)));
    let mut seen = Vec::new();
    let ending = diffusion::upscale(&picture, &upscaler, 2.0, &mut |progress| match progress {
        Progress::Piece { index, count } => {
            seen.push((index, count));
            if index == 1 { Break(Stop::Discard) } else { Continue(()) }
        }
        _ => Continue(()),
    });
    assert!(matches!(ending, Ok(Break(Stop::Discard))));
    assert_eq!(seen, [(0, 3), (1, 3)]);
}

#[test]
fn a_result_larger_than_a_picture_can_be_is_refused_before_it_is_begun() {
    let huge = Picture::filled(Extent::new(5000, 2), [0, 0, 0, 255]);
    let error = diffusion::upscale(&huge, &load("compact_x4.safetensors"), 4.0, &mut |_| panic!("it began"));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("this picture is 5000x2 and would become 20000x8"), "{error}");
}

#[test]
fn a_network_that_gives_no_numbers_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = candle_core::safetensors::load(fixture("compact_x4.safetensors"), &Device::Cpu).unwrap();
    tensors.insert("body.0.bias".into(), Tensor::full(f32::NAN, 8, &Device::Cpu).unwrap());
    let path = folder.path().join("broken.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let upscaler = Upscaler::load(&path, &Device::Cpu).unwrap();
    let error = diffusion::upscale(&picture(Extent::new(8, 8)), &upscaler, 4.0, &mut |_| Continue(())).unwrap_err();
    assert!(error.to_string().starts_with("the upscaler gave something that is not a number"), "{error}");
}

fn bozzetto() -> Model {
    Model::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto"), &Device::Cpu, Precision::F32)
        .unwrap()
}

/// Small and short.
fn request() -> Request {
    Request {
        model: "bozzetto".into(),
        borrowed: Borrowed::default(),
        prompt: "a red apple".into(),
        negative_prompt: String::new(),
        extent: Extent::new(64, 64),
        seed: 3,
        sampler: SamplerName::Ddim,
        schedule: ScheduleName::Simple,
        steps: 2,
        guidance_scale: 1.0,
        precision: Precision::F32,
        savings: Savings::default(),
        tuning: Tuning::default(),
        prediction: None,
        clip_skip: 1,
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input: None,
        control: None,
        upscale: None,
        hints: Vec::new(),
    }
}

#[test]
fn to_refine_is_to_paint_again_from_the_enlarged_picture() {
    let (model, upscaler) = (bozzetto(), load("compact_x4.safetensors"));
    let extras = Extras { upscaler: Some(&upscaler), ..Extras::default() };
    // 64 pixels 1.5 times are 96; a factor that does not give multiples of 8 is rounded to them.
    let refined = |factor, refine| {
        let upscale = Some(Upscale { upscaler: "tiny 4x".into(), factor, refine });
        Request { steps: 2, upscale, ..request() }
    };
    let finished = |request: &Request| match diffusion::paint(&model, extras, request, &mut |_| Continue(())).unwrap() {
        Ending::Finished(painted) => painted,
        other => panic!("{other:?}"),
    };
    let painted = finished(&refined(1.5, Some(0.5)));
    let input = Input::new(finished(&refined(1.5, None)).picture, 0.5, None);
    let again = Request { extent: Extent::new(96, 96), input: Some(input), upscale: None, ..refined(1.5, None) };
    assert_eq!(painted.picture, finished(&again).picture);
    assert_eq!((*painted.request, painted.notes), (refined(1.5, Some(0.5)), Vec::<String>::new()));
    assert_eq!(refined(1.6, Some(0.5)).picture_extent(), Extent::new(104, 104));

    let stopped = |when: usize, how: Stop| {
        let (mut phases, mut is_stopped) = (0, false);
        let mut on_progress = |progress: Progress<'_>| {
            phases += usize::from(matches!(progress, Progress::Phase(Phase::EncodePrompt)));
            is_stopped |= phases > 1 && (when == 0 || matches!(progress, Progress::Step { .. }));
            if is_stopped { Break(how) } else { Continue(()) }
        };
        diffusion::paint(&model, extras, &refined(1.5, Some(1.0)), &mut on_progress).unwrap()
    };
    let Ending::Finished(enlarged) = stopped(0, Stop::Keep) else { panic!("all but the refining was done") };
    assert_eq!(enlarged.picture, finished(&refined(1.5, None)).picture);
    assert_eq!(*enlarged.request, refined(1.5, None));
    let Ending::Stopped(half) = stopped(1, Stop::Keep) else { panic!("a step was left out") };
    assert!(half.notes[0].contains("after 1 of the 2 steps that refine it"), "{:?}", half.notes);
    assert!(matches!(stopped(1, Stop::Discard), Ending::Discarded));
    let far = Request { extent: Extent::new(1024, 64), ..refined(8.0, Some(0.5)) }.checked().unwrap_err().to_string();
    assert!(far.contains("8192x512") && far.contains("4096"), "{far}");
}

#[test]
fn a_request_that_is_enlarged_gives_what_its_picture_enlarged_gives() {
    let (model, upscaler) = (bozzetto(), load("compact_x4.safetensors"));
    let upscale = Some(Upscale { upscaler: "tiny 4x".into(), factor: 4.0, refine: None });
    let larger = Request { upscale, ..request() };
    let paint = |request: &Request, stop: Option<Stop>| {
        let mut on_progress = |progress: Progress<'_>| match (progress, stop) {
            (Progress::Phase(Phase::Upscale), Some(stop)) => Break(stop),
            _ => Continue(()),
        };
        diffusion::paint(&model, Extras { upscaler: Some(&upscaler), ..Extras::default() }, request, &mut on_progress)
            .unwrap()
    };
    let Ending::Finished(plain) = paint(&request(), None) else { panic!("nobody stopped it") };
    let Ending::Finished(painted) = paint(&larger, None) else { panic!("nobody stopped it") };
    assert_eq!((painted.picture.extent(), larger.picture_extent()), (Extent::new(256, 256), Extent::new(256, 256)));
    assert_eq!(*painted.picture, enlarged(&plain.picture, &upscaler, 4.0));
    assert_eq!(*painted.request, larger);

    let Ending::Finished(kept) = paint(&larger, Some(Stop::Keep)) else { panic!("every step was made") };
    assert_eq!((&kept.picture, kept.request.upscale), (&plain.picture, None));
    assert!(kept.notes[0].contains("before it was upscaled"), "{:?}", kept.notes);
    assert!(matches!(paint(&larger, Some(Stop::Discard)), Ending::Discarded));
    let without = diffusion::paint(&model, Extras::default(), &larger, &mut |_| panic!("it began"));
    assert!(without.unwrap_err().to_string().contains("tiny 4x"));
}

#[test]
fn a_request_says_what_cannot_be_enlarged() {
    let with = |extent, factor| {
        let upscale = Some(Upscale { upscaler: "x".into(), factor, refine: None });
        Request { extent, upscale, ..request() }.checked().unwrap_err().to_string()
    };
    assert!(with(Extent::new(64, 64), f64::NAN).contains("NaN times"));
    assert!(with(Extent::new(64, 64), 0.5).contains("0.5 times"));
    assert!(with(Extent::new(4096, 4096), 4.0).contains("would become 16384x16384"));
}

#[test]
fn upscalers_are_found_in_the_folders_of_models_and_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, file: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(fixture(file), path).unwrap();
    };
    place("upscalers/sharp.pth", "sequence_x4.pth");
    place("upscalers/Twice.SAFETENSORS", "rrdb_x2.safetensors");
    place("upscalers/notes.txt", "compact_x2.pth");
    place("tiny/upscaler/model.safetensors", "compact_x4.safetensors");
    std::fs::write(folder.path().join("upscalers/bad.pth"), "PK\x03\x04").unwrap();
    std::fs::write(folder.path().join("tiny/model_index.json"), "{}").unwrap();
    let library = Library::discover(&[folder.path().to_owned()]);
    let found = library.upscalers().iter().filter(|entry| entry.path.starts_with(folder.path()));
    let found: Vec<_> = found.map(|e| (e.name.as_str(), e.summary.as_ref().ok().map(|s| s.scale))).collect();
    assert_eq!(found, [("tiny 4x", Some(4)), ("Twice", Some(2)), ("bad", None), ("sharp", Some(4))]);
    assert_eq!(library.preferred_upscaler(Some("tiny")).unwrap().name, "tiny 4x");
    assert_eq!(library.find_upscaler("SHARP").unwrap().name, "sharp");
    let error = library.find_upscaler("blurry").unwrap_err().to_string();
    assert!(
        error.starts_with("there is no upscaler named blurry: choose one of ") && error.contains("sharp"),
        "{error}"
    );
}

#[test]
fn a_file_that_asks_for_more_than_weights_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let before = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    for (pickle, named) in [
        (&b"\x80\x02cos\nsystem\nX\x09\x00\x00\x00touch /x/\x85R."[..], "to call os.system"),
        (b"\x80\x02}X\x01\x00\x00\x00acbuiltins\neval\nX\x01\x00\x00\x00x\x85Rs.", "to call builtins.eval"),
        (b"\x80\x02(ios\nsystem\n.", "for the instruction INST"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93)R.", "to call os.system"),
        (b"\x80\x02cos\nsystem\n)\x81.", "to call os.system"),
    ] {
        let path = written(&folder, "hostile.pth", &[&before[..], pickle].concat());
        let error = problem(&path).to_string();
        assert!(error.contains(named) && error.contains("Nothing of it was run"), "{error}");
    }
    // The same in an archive.
    let mut archive = zip::ZipWriter::new(std::fs::File::create(folder.path().join("zipped.pth")).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("archive/data.pkl", options).unwrap();
    std::io::Write::write_all(&mut archive, b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap();
    archive.finish().unwrap();
    let error = problem(&folder.path().join("zipped.pth")).to_string();
    assert!(error.contains("to call posix.system"), "{error}");
}

#[test]
fn pickles_that_nest_name_themselves_or_lie_about_lengths_end_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let before = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02";
    let nested = [&b")"[..], &vec![0x85; 1 << 20], b"."].concat();
    let doubled: Vec<u8> = [&b")q\x00"[..], &b"h\x00\x86q\x00h\x00".repeat(1 << 16), b"."].concat();
    for pickle in [
        &nested[..],
        &doubled,
        b"]q\x00h\x00a.",
        b"}q\x00X\x01\x00\x00\x00ah\x00s.",
        b"X\xff\xff\xff\xff",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"ctorch._utils\n_rebuild_parameter\n)R.",
        b"(u.",
        b"}(K\x01u.",
        b"(\x85.",
        b"\x87.",
        b"h\x07.",
        b".",
        b"",
    ] {
        let path = written(&folder, "odd.pth", &[&before[..], pickle].concat());
        let error = problem(&path).to_string();
        assert!(error.contains("the weights are damaged") && error.ends_with("odd.pth"), "{error}");
    }
}

#[test]
fn what_is_no_upscaler_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let says = |path: &Path, expected: &str| {
        let error = problem(path).to_string();
        assert!(error.contains(expected), "{error}");
    };
    says(
        &root.join("assets/models/bozzetto/vae/diffusion_pytorch_model.safetensors"),
        "no upscaler that is known here",
    );
    says(Path::new("/nonexistent/a.pth"), "a file of the model is missing");
    says(&written(&folder, "page.pth", b"<!DOCTYPE html><html>"), "no safetensors file");
    let mut tensors = candle_core::safetensors::load(fixture("compact_x4.safetensors"), &Device::Cpu).unwrap();
    let path = folder.path().join("odd.safetensors");
    let mut saved_with = |name: &str, tensor: Tensor| {
        let before = tensors.insert(name.to_owned(), tensor);
        candle_core::safetensors::save(&tensors, &path).unwrap();
        tensors.remove(name);
        tensors.extend(before.map(|before| (name.to_owned(), before)));
    };
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    saved_with("body.2.weight", zeros(&[8, 7, 3, 3]));
    says(&path, "the tensor body.2.weight is [8, 7, 3, 3], but the other tensors make it [8, 8, 3, 3]");
    saved_with("body.6.weight", zeros(&[47, 8, 3, 3]));
    says(&path, "47 channels of body.6.weight are not RGB");
    saved_with("head.weight", zeros(&[1]));
    says(&path, "the tensor head.weight belongs to a variant");
}

/// Every file of torch's, whole, and where its pickles lie.
fn files_of_torch() -> Vec<(&'static str, Vec<u8>)> {
    let read = |name| (name, std::fs::read(fixture(name)).unwrap());
    vec![read("compact_x2.pth"), read("sequence_x4.pth")]
}

#[test]
fn a_file_of_torchs_that_is_cut_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files_of_torch() {
        for length in (0..bytes.len()).step_by(211).chain(bytes.len() - 30..bytes.len()) {
            let path = written(&folder, name, &bytes[..length]);
            let error = problem(&path).to_string();
            assert!(error.ends_with(name), "{length} bytes: {error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// A few bytes changed, mostly where the pickles are: the numbers are read as they are or the file is refused.
    #[test]
    fn no_changed_file_makes_the_reader_panic(
        which in 0..2usize,
        changes in prop::collection::vec((0.0..1.0f64, any::<u8>()), 1..6),
    ) {
        let (name, mut bytes) = files_of_torch().remove(which);
        for (place, byte) in changes {
            let reach = if place < 0.8 { 4000 } else { bytes.len() };
            let at = (place * reach as f64) as usize % bytes.len();
            bytes[at] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let loaded = Upscaler::load(&written(&folder, name, &bytes), &Device::Cpu);
        prop_assert!(loaded.is_ok() || !loaded.unwrap_err().to_string().is_empty());
    }
}
