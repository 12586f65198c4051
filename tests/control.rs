//! A picture's lines guide what is painted, with the `ControlNet` that ships.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "shared/decibels.rs"]
mod decibels;

use candle_core::Device;
use decibels::decibels;
use sfumato::checkpoints::{ControlNet, Library, Model, Precision, load_controlnet};
use sfumato::diffusion::{
    Borrowed, Control, Emphasis, Ending, Error, Extras, Preprocessor, Reproduce, Request, SamplerName, Savings,
    ScheduleName, Tuning, paint,
};
use sfumato::geom::Extent;
use sfumato::pixels::Picture;
use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::sync::Arc;

const EXTENT: Extent = Extent { width: 128, height: 128 };

fn shipped() -> (Model, ControlNet) {
    shipped_in(Precision::F32)
}

fn shipped_in(precision: Precision) -> (Model, ControlNet) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    let model = Model::load(&folder, &Device::Cpu, precision).unwrap();
    (model, load_controlnet(&folder.join("controlnet"), &Device::Cpu, precision, None).unwrap())
}

/// A ring drawn dark on light paper, in the upper right quarter.
fn ring() -> Picture {
    let distance = |i: usize| ((i % 256) as f64 - 195.0).hypot((i / 256) as f64 - 70.0);
    let rgba = (0..256 * 256).flat_map(|i| if (distance(i) - 46.0).abs() < 3.0 { [0, 0, 0, 255] } else { [255; 4] });
    Picture::from_rgba(Extent::new(256, 256), rgba.collect()).unwrap()
}

fn control(weight: f64, end: f64) -> Control {
    let picture = Arc::new(ring());
    let preprocessor = Preprocessor::suiting(&picture);
    assert_eq!(preprocessor, Preprocessor::Invert);
    Control { controlnet: "Bozzetto lines".into(), picture, preprocessor, weight, start: 0.0, end }
}

fn request(control: Option<Control>) -> Request {
    Request {
        model: "bozzetto".into(),
        borrowed: Borrowed::default(),
        prompt: "a purple balloon".into(),
        negative_prompt: String::new(),
        extent: EXTENT,
        seed: 3,
        sampler: SamplerName::Ddim,
        schedule: ScheduleName::Simple,
        steps: 6,
        guidance_scale: 3.5,
        precision: Precision::F32,
        savings: Savings::default(),
        tuning: Tuning::default(),
        prediction: None,
        clip_skip: 1,
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input: None,
        control,
        upscale: None,
        hints: Vec::new(),
    }
}

fn painted(model: &Model, controlnet: &ControlNet, request: &Request) -> Arc<Picture> {
    let extras = Extras { controlnet: Some(controlnet), ..Extras::default() };
    match paint(model, extras, request, &mut |_| Continue(())).unwrap() {
        Ending::Finished(painted) => painted.picture,
        other => panic!("{other:?}"),
    }
}

/// How much of what is not white lies in the upper right quarter.
fn share_in_corner(picture: &Picture) -> f64 {
    let (mut inside, mut all) = (0.0, 0.0);
    for (i, pixel) in picture.rgba().as_chunks::<4>().0.iter().enumerate() {
        if pixel.iter().min() < Some(&200) {
            all += 1.0;
            inside += f64::from(u8::from(i % 128 >= 64 && i / 128 < 64));
        }
    }
    inside / all
}

#[test]
fn a_thing_is_painted_where_its_lines_are_drawn() {
    let (model, controlnet) = shipped();
    let free = painted(&model, &controlnet, &request(None));
    let guided = painted(&model, &controlnet, &request(Some(control(1.0, 1.0))));
    let (before, after) = (share_in_corner(&free), share_in_corner(&guided));
    assert!(before < 0.5 && after > before + 0.2, "{before} of it was in the corner, {after} is");
    for nothing in [control(0.0, 1.0), control(1.0, 0.0)] {
        assert_eq!(painted(&model, &controlnet, &request(Some(nothing))), free, "neither weight nor steps");
    }
    assert_ne!(painted(&model, &controlnet, &request(Some(control(1.0, 0.5)))), guided, "the last steps are free");
}

#[test]
fn in_8_bit_integers_lines_guide_nearly_as_they_do_in_f32_and_the_same_each_time() {
    if !Precision::Int8.is_there(&Device::Cpu) {
        return;
    }
    let request = |control, precision| Request { precision, ..request(control) };
    let guided = |precision| {
        let (model, controlnet) = shipped_in(precision);
        painted(&model, &controlnet, &request(Some(control(1.0, 1.0)), precision))
    };
    let (exact, coarse) = (guided(Precision::F32), guided(Precision::Int8));
    assert_eq!(coarse, guided(Precision::Int8));
    let near = decibels(&coarse, &exact);
    assert!(near > 30.0, "{near} dB");
    if Precision::Bf16.is_there(&Device::Cpu) {
        assert_ne!(coarse, guided(Precision::Bf16), "no byte was multiplied");
    }
    let (model, controlnet) = shipped_in(Precision::Int8);
    let free = painted(&model, &controlnet, &request(None, Precision::Int8));
    assert!(decibels(&free, &coarse) < near - 10.0, "the lines do nothing");
    // The model in f32 tells what the ControlNet alone multiplies.
    let model = shipped().0;
    assert_ne!(painted(&model, &controlnet, &request(Some(control(1.0, 1.0)), Precision::F32)), exact);
}

#[test]
fn what_cannot_guide_is_said_before_anything_is_painted() {
    let (model, _) = shipped();
    let error =
        paint(&model, Extras::default(), &request(Some(control(1.0, 1.0))), &mut |_| panic!("it began")).unwrap_err();
    assert!(matches!(&error, Error::NoControlNet(name) if name == "Bozzetto lines"), "{error}");
    for (weight, end, words) in [(2.5, 1.0, "weight of 2.5"), (f64::NAN, 1.0, "NaN"), (1.0, 1.5, "from 0 to 1.5")] {
        let error = request(Some(control(weight, end))).checked().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn controlnets_are_found_beside_models_and_held_against_them() {
    let place = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto/controlnet");
    let copy = |name: &str, change: &dyn Fn(String) -> String| {
        let folder = place.path().join("controlnet").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let config = std::fs::read_to_string(shipped.join("config.json")).unwrap();
        std::fs::write(folder.join("config.json"), change(config)).unwrap();
        std::fs::copy(
            shipped.join("diffusion_pytorch_model.safetensors"),
            folder.join("diffusion_pytorch_model.safetensors"),
        )
        .unwrap();
    };
    copy("edges", &|config| config);
    copy("wider", &|config| config.replace("\"cross_attention_dim\": 256", "\"cross_attention_dim\": 768"));
    copy("broken", &|config| config.replace("\"rgb\"", "\"bgr\""));
    let library = Library::discover(&[place.path().to_owned()]);
    let fitting: Vec<_> = library.controlnets_for("bozzetto").iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(fitting, ["Bozzetto lines", "edges"], "its own first, and none that does not fit");
    assert!(library.find_controlnet("WIDER").unwrap().summary.is_ok());
    let problem = library.find_controlnet("broken").unwrap().summary.as_ref().unwrap_err().to_string();
    assert!(problem.contains("controlnet_conditioning_channel_order") && problem.contains("config.json"), "{problem}");
    let unknown = library.find_controlnet("depth").unwrap_err().to_string();
    assert!(unknown.contains("choose one of Bozzetto lines"), "{unknown}");

    std::fs::write(place.path().join("controlnet/edges/diffusion_pytorch_model.safetensors"), [0; 20]).unwrap();
    let folder = place.path().join("controlnet/edges");
    let error = load_controlnet(&folder, &Device::Cpu, Precision::F32, None).unwrap_err().to_string();
    assert!(error.contains("diffusion_pytorch_model.safetensors"), "{error}");
}
