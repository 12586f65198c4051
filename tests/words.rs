//! What prompts become: clip skip and learned words (textual inversion) are what diffusers makes of them. The numbers and the files come
//! from `tests/fixtures/generate_words.py`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/hashed.rs"]
#[allow(dead_code, reason = "no network is given an input here")]
mod hashed;
#[path = "shared/tiny_checkpoint.rs"]
#[allow(dead_code, reason = "some of its forms are enough here")]
mod tiny_checkpoint;

use candle_core::{Device, Tensor};
use hashed::weights;
use sfumato::checkpoints::{LearnedWord, Library, Model, Precision};
use sfumato::diffusion::{
    Borrowed, Emphasis, Ending, Error, Extras, Painted, Progress, Reproduce, Request, SamplerName, Savings,
    ScheduleName, Stop, Tuning, paint,
};
use sfumato::geom::Extent;
use std::collections::HashMap;
use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};
use tiny_checkpoint::{Tiny, fixtures};

const PROMPT: &str = "a red apple by frobnicated, on a hill";

fn words() -> PathBuf {
    fixtures().with_file_name("words")
}

fn tiny(name: &str) -> Model {
    let folder = tempfile::tempdir().unwrap();
    Model::load(&Tiny::read(name).write_file(folder.path(), "tiny.safetensors"), &Device::Cpu, Precision::F32).unwrap()
}

fn request(prompt: &str, clip_skip: u32) -> Request {
    Request {
        model: "tiny".to_owned(),
        borrowed: Borrowed::default(),
        prompt: prompt.to_owned(),
        negative_prompt: String::new(),
        extent: Extent::new(64, 64),
        seed: 3,
        sampler: SamplerName::Euler,
        schedule: ScheduleName::Karras,
        steps: 1,
        guidance_scale: 1.0,
        precision: Precision::F32,
        savings: Savings::default(),
        tuning: Tuning::default(),
        prediction: None,
        clip_skip,
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input: None,
        control: None,
        upscale: None,
        hints: Vec::new(),
    }
}

/// What conditions a run: every eighth token of it.
fn conditioning(model: &Model, learned: &[LearnedWord], request: &Request) -> Result<Tensor, Error> {
    let mut found = None;
    let extras = Extras { learned, ..Extras::default() };
    paint(model, extras, request, &mut |progress| match progress {
        Progress::Start { conditioning, .. } => {
            let eighths = Tensor::from_iter((0..77u32).step_by(8), &Device::Cpu).unwrap();
            found = Some(conditioning.index_select(&eighths, 1).unwrap());
            Break(Stop::Discard)
        }
        _ => Continue(()),
    })?;
    Ok(found.unwrap())
}

fn painted(model: &Model, learned: &[LearnedWord], request: &Request) -> Painted {
    match paint(model, Extras { learned, ..Extras::default() }, request, &mut |_| Continue(())).unwrap() {
        Ending::Finished(painted) => painted,
        other => panic!("nobody stopped it, but it ended {other:?}"),
    }
}

fn distance(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

fn open(name: &str) -> LearnedWord {
    let renamed = tempfile::tempdir().unwrap();
    let file = words().join(name);
    let path = renamed.path().join("frobnicated").with_extension(file.extension().unwrap());
    std::fs::copy(&file, &path).unwrap();
    LearnedWord::open(&path).unwrap().unwrap()
}

#[test]
fn clip_skip_and_learned_words_condition_as_in_diffusers() {
    let expected = candle_core::safetensors::load(words().join("expected.safetensors"), &Device::Cpu).unwrap();
    let (model, word) = (tiny("sd1"), open("webui.pt"));
    let near = |learned: &[LearnedWord], prompt: &str, clip_skip, key: &str| {
        let found = conditioning(&model, learned, &request(prompt, clip_skip)).unwrap();
        let worst = distance(&found, &expected[key]);
        assert!(worst < 1e-4, "{key} is {worst} away with {prompt}");
    };
    near(&[], PROMPT, 1, "last");
    near(&[], PROMPT, 2, "skipped");
    for (clip_skip, key) in [(1, "learned"), (2, "learned.skipped")] {
        near(std::slice::from_ref(&word), PROMPT, clip_skip, key);
        let as_in_comfyui = PROMPT.replace("frob", "embedding:Frob");
        near(std::slice::from_ref(&word), &as_in_comfyui, clip_skip, key);
    }
    assert!(distance(&expected["last"], &expected["learned"]) > 0.01);
    assert!(distance(&expected["last"], &expected["skipped"]) > 0.01);
}

#[test]
fn a_layer_that_is_not_there_is_refused_and_one_that_is_not_to_be_skipped_is_noted() {
    let error = conditioning(&tiny("sd1"), &[], &request(PROMPT, 3)).unwrap_err().to_string();
    assert!(error.contains("has 2 layers") && error.contains("between 1 and 2"), "{error}");
    let second = tiny("sd2");
    let (one, two) = (painted(&second, &[], &request(PROMPT, 1)), painted(&second, &[], &request(PROMPT, 2)));
    assert_eq!(one.picture, two.picture);
    assert_eq!((one.notes.len(), two.notes.len()), (0, 1), "{:?}", two.notes);
}

#[test]
fn every_form_holds_the_same_word() {
    let vectors = weights("frobnicated", (3, 64));
    for name in
        ["webui.pt", "original.pt", "original-of-old.pt", "concept.bin", "plain.safetensors", "chunk.png", "card.png"]
    {
        let word = open(name);
        let token = (name == "concept.bin").then(|| "<frob>".to_owned());
        assert_eq!((word.summary.vectors, &word.summary.widths, &word.summary.token), (3, &vec![64], &token), "{name}");
        assert!(distance(word.vectors(64).unwrap(), &vectors) < 1e-6, "{name}");
    }
    let of_xl = open("xl.safetensors");
    assert_eq!(of_xl.summary.widths, [64, 128]);
    assert!(distance(of_xl.vectors(64).unwrap(), &vectors) < 1e-6);
}

#[test]
fn a_word_for_another_text_encoder_is_passed_over_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, shape: (usize, usize)| {
        let path = folder.path().join(name);
        let tensors = HashMap::from([("emb_params".to_owned(), weights("x", shape))]);
        candle_core::safetensors::save(&tensors, &path).unwrap();
        path
    };
    let model = tiny("sd1");
    let plain = painted(&model, &[], &request(PROMPT, 1));
    for (name, width, expected) in
        [("frobnicated.safetensors", 1024, "for Stable Diffusion 2"), ("hill.safetensors", 48, "2 vectors 48 wide")]
    {
        let word = LearnedWord::open(&written(name, (2, width))).unwrap().unwrap();
        let found = painted(&model, &[word], &request(PROMPT, 1));
        assert_eq!(found.picture, plain.picture);
        assert!(found.notes[0].contains(expected) && found.notes[0].contains("64 wide"), "{:?}", found.notes);
    }
    let refused = |path: &Path| LearnedWord::open(path).unwrap_err().to_string();
    let long = refused(&written("long.safetensors", (76, 64)));
    assert!(long.contains("1 to 75 vectors") && long.ends_with("long.safetensors"), "{long}");
    let checkpoint = refused(&Tiny::read("sd1").write_file(folder.path(), "checkpoint.safetensors"));
    assert!(checkpoint.contains("no embedding"), "{checkpoint}");
}

#[test]
fn no_cut_card_makes_the_reader_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.png");
    for name in ["chunk.png", "card.png"] {
        let whole = std::fs::read(words().join(name)).unwrap();
        for part in 1..16 {
            std::fs::write(&path, &whole[..whole.len() * part / 16]).unwrap();
            let cut = LearnedWord::open(&path);
            let says = cut.as_ref().map_err(ToString::to_string);
            assert!(matches!(cut, Ok(None) | Err(_)) || name == "chunk.png", "{part}: {says:?}");
        }
    }
}

#[test]
fn words_are_found_in_embeddings_beside_models_and_pictures_of_something_else_are_not() {
    let home = tempfile::tempdir().unwrap();
    let models = home.path().join("models");
    let (inside, beside) = (models.join("embeddings/styles"), home.path().join("embeddings"));
    for folder in [&inside, &beside] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::copy(words().join("concept.bin"), inside.join("Frob.bin")).unwrap();
    std::fs::copy(words().join("card.png"), beside.join("Frob card.png")).unwrap();
    std::fs::copy(words().join("card.png"), beside.join("Frob.preview.png")).unwrap();
    let picture = sfumato::pixels::Picture::filled(Extent::new(9, 9), [3, 50, 90, 255]);
    picture.write_png(&beside.join("plain.png"), &[]).unwrap();
    std::fs::write(beside.join("broken.pt"), "no").unwrap();
    let library = Library::discover(&[models]);
    let found: Vec<_> = library.embeddings().iter().map(|entry| (entry.name.as_str(), entry.summary.is_ok())).collect();
    assert_eq!(found, [("Frob", true), ("Frob card", true), ("broken", false)]);
    assert_eq!(library.embeddings()[0].names().collect::<Vec<_>>(), ["Frob", "<frob>"]);
}
