//! What a model takes from elsewhere: VAEs in files of their own, tiny ones, and the text encoders and VAE of another model for a U-Net that
//! stands alone. The numbers of tiny VAEs come from `tests/fixtures/generate_tiny_vae.py`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/hashed.rs"]
mod hashed;
#[path = "shared/parity.rs"]
mod parity;
#[path = "shared/runs.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod runs;
#[path = "shared/tiny_checkpoint.rs"]
#[allow(dead_code, reason = "some of its forms are enough here")]
mod tiny_checkpoint;

use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
use candle_core::{DType, Device, Tensor};
use hashed::{wave, weights};
use runs::{load, painted, request};
use serde_json::Value;
use sfumato::checkpoints::{Library, Model, Precision, Prediction};
use sfumato::engine::{self, CancelToken, Command, Event, Job, JobId, Memory, Priority};
use sfumato::geom::Extent;
use sfumato::pixels::Picture;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tiny_checkpoint::Tiny;

type Tensors = HashMap<String, Tensor>;

fn save(tensors: &Tensors, path: &Path) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    candle_core::safetensors::save(tensors, path).unwrap();
    path.to_owned()
}

fn picture(model: &Model) -> Arc<Picture> {
    painted(model, &request("blurry", None)).1.picture
}

/// Those whose names begin with `prefix`, under the names that are left, after another.
fn under(tensors: &Tensors, prefix: &str, other: &str) -> Tensors {
    let renamed =
        |(name, tensor): (&String, &Tensor)| Some((format!("{other}{}", name.strip_prefix(prefix)?), tensor.clone()));
    tensors.iter().filter_map(renamed).collect()
}

const VAE: &str = "first_stage_model.";

#[test]
fn a_vae_apart_is_what_it_would_be_in_a_checkpoint_in_all_forms_that_it_is_shared_in() {
    let home = tempfile::tempdir().unwrap();
    let tiny = Tiny::read("sd1");
    let tensors = tiny.tensors();
    // The same checkpoint with another VAE in it, so that nothing is the same by chance.
    let other: Tensors = tensors
        .iter()
        .map(|(name, tensor)| {
            let is_it = name.starts_with(VAE) && name.ends_with("conv_out.bias");
            (name.clone(), if is_it { (tensor + 0.25).unwrap() } else { tensor.clone() })
        })
        .collect();
    let expected = picture(&load(&save(&tensors, &home.path().join("whole.safetensors"))));
    let mut model = load(&save(&other, &home.path().join("other.safetensors")));
    let own = picture(&model);
    assert_ne!(own, expected);

    let folder = home.path().join("folder");
    tiny.write_folder(&folder, Prediction::Epsilon);
    let of_diffusers = home.path().join("of-diffusers.safetensors");
    std::fs::copy(folder.join("vae/diffusion_pytorch_model.safetensors"), &of_diffusers).unwrap();
    let forms = [
        save(&under(&tensors, VAE, ""), &home.path().join("plain.safetensors")),
        save(&under(&tensors, VAE, VAE), &home.path().join("prefixed.vae.safetensors")),
        of_diffusers,
        folder.join("vae"),
    ];
    for form in forms {
        model.use_vae(Some(&form)).unwrap();
        assert_eq!(picture(&model), expected, "{}", form.display());
    }
    model.use_vae(None).unwrap();
    assert_eq!(picture(&model), own);
    let error = model.use_vae(Some(&home.path().join("whole.safetensors"))).map(|()| picture(&model));
    assert_eq!(error.unwrap(), expected, "a checkpoint lends its VAE");
    let lora =
        save(&HashMap::from([("lora_unet.a".to_owned(), wave(4, "a", 1.0))]), &home.path().join("lora.safetensors"));
    let error = model.use_vae(Some(&lora)).unwrap_err().to_string();
    assert!(error.contains("no VAE that can be used") && error.ends_with("lora.safetensors"), "{error}");
    assert_eq!(picture(&model), expected, "what is refused leaves the model as it was");
}

/// The weights of the fixture's network, by diffusers' names.
fn tiny_tensors() -> (Value, Tensors) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/networks/vae_tiny.json");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let shape = |shape: &Value| -> Vec<usize> { serde_json::from_value(shape.clone()).unwrap() };
    let parameters = json["parameters"].as_object().unwrap().iter();
    let tensors = parameters.map(|(name, of)| (name.clone(), weights(name, shape(of)))).collect();
    (json["config"].clone(), tensors)
}

/// Half of them as TAESD's own files have them, the layers counted from `first`.
fn half(tensors: &Tensors, prefix: &str, first: usize) -> Tensors {
    let renumbered = |(name, tensor): (String, Tensor)| {
        let (number, rest) = name.split_once('.').unwrap();
        (format!("{}.{rest}", number.parse::<usize>().unwrap() + first), tensor)
    };
    under(tensors, prefix, "").into_iter().map(renumbered).collect()
}

#[test]
fn a_tiny_vae_encodes_and_decodes_as_diffusers_does_in_all_forms() {
    let home = tempfile::tempdir().unwrap();
    let (config, tensors) = tiny_tensors();
    let folder = home.path().join("folder");
    save(&tensors, &folder.join("diffusion_pytorch_model.safetensors"));
    let mut config = config;
    config["_class_name"] = "AutoencoderTiny".into();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let apart = home.path().join("vae_approx/taesd_decoder.safetensors");
    save(&half(&tensors, "decoder.layers.", 1), &apart);
    save(&half(&tensors, "encoder.layers.", 0), &home.path().join("vae_approx/taesd_encoder.safetensors"));
    let alone = save(&half(&tensors, "decoder.layers.", 1), &home.path().join("alone.safetensors"));
    let file = save(&tensors, &home.path().join("both.safetensors"));

    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/networks/vae_tiny.safetensors");
    let expected = candle_core::safetensors::load(fixture, &Device::Cpu).unwrap();
    let mut model = load(&Tiny::read("sd1").write_file(home.path(), "tiny.safetensors"));
    let off = |found: &Tensor, name: &str| -> f64 {
        assert_eq!(found.dims(), expected[name].dims());
        let worst = (found - &expected[name]).unwrap().abs().unwrap().max_all().unwrap();
        f64::from(worst.to_scalar::<f32>().unwrap())
    };
    for (form, path) in [("folder", &folder), ("file", &file), ("two files", &apart), ("decoder alone", &alone)] {
        model.use_vae(Some(path)).unwrap();
        let vae = model.vae.get().unwrap();
        let decoded = vae.decode(&wave((1, 4, 8, 4), "latent", 4.0)).unwrap();
        parity::within("tiny VAE", &format!("{form}: decoded"), "diffusers", off(&decoded, "rgb"), 1e-4);
        let encoded = vae.encode(&wave((1, 3, 64, 32), "rgb", 1.0));
        if path == &alone {
            assert!(encoded.unwrap_err().to_string().contains("decoder alone"));
        } else {
            parity::within(
                "tiny VAE",
                &format!("{form}: encoded"),
                "diffusers",
                off(&encoded.unwrap(), "latent"),
                1e-4,
            );
        }
    }
    let library = Library::discover(&[home.path().to_owned()]);
    let names: Vec<_> = library.vaes_for("tiny").iter().map(|vae| vae.name.as_str()).collect();
    // Files that lie about in a folder of one's own are taken for what they hold.
    assert_eq!(names, ["taesd_decoder", "alone", "both", "diffusion_pytorch_model"]);
    assert!(library.find_vae("taesd_decoder.safetensors").unwrap().summary.as_ref().unwrap().is_tiny);
}

#[test]
fn a_vae_that_was_changed_since_it_was_put_into_a_model_is_refused_until_it_is_put_in_anew() {
    let home = tempfile::tempdir().unwrap();
    let tiny = Tiny::read("sd1");
    let vae = save(&under(&tiny.tensors(), VAE, ""), &home.path().join("fine.safetensors"));
    let path = tiny.write_file(home.path(), "tiny.safetensors");
    let mut model = Model::open(&path, None, &Device::Cpu, Precision::F32, None).unwrap();
    model.use_vae(Some(&vae)).unwrap();
    assert!(model.has_current_vae() && model.vae.get().is_ok());
    model.vae.give_back();
    // As long as before, and later.
    let file = std::fs::File::options().write(true).open(&vae).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(5)).unwrap();
    let error = model.vae.get().unwrap_err().to_string();
    assert!(error.contains("was changed since it was looked at") && error.ends_with("fine.safetensors"), "{error}");
    assert!(!model.has_current_vae());
    model.use_vae(Some(&vae)).unwrap();
    assert!(model.has_current_vae() && model.vae.get().is_ok());
    // What is out of sight stays what it was.
    std::fs::remove_file(&vae).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(model.has_current_vae() && model.is_current());
}

#[test]
fn a_u_net_alone_paints_with_what_another_model_of_its_family_lends() {
    let home = tempfile::tempdir().unwrap();
    for name in ["sd1", "xl"] {
        let tiny = Tiny::read(name);
        let lender = tiny.write_file(home.path(), &format!("{name}-whole.safetensors"));
        let expected = picture(&load(&lender));
        for prefix in ["", "model.diffusion_model."] {
            let unet = under(&tiny.tensors(), "model.diffusion_model.", prefix);
            let file = home.path().join(format!("unet/{name}-{}.gguf", prefix.len()));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let stored: Vec<_> = unet
                .iter()
                .map(|(name, tensor)| {
                    (name.as_str(), QTensor::quantize(&tensor.to_dtype(DType::F32).unwrap(), GgmlDType::F16).unwrap())
                })
                .collect();
            let stored: Vec<_> = stored.iter().map(|(name, tensor)| (*name, tensor)).collect();
            gguf_file::write(&mut std::fs::File::create(&file).unwrap(), &[], &stored).unwrap();
            let model = Model::load_with(&file, Some(&lender), &Device::Cpu, Precision::F32, None).unwrap();
            assert_eq!(picture(&model), expected, "{}", file.display());
            let error = Model::load(&file, &Device::Cpu, Precision::F32).unwrap_err().to_string();
            assert!(error.contains("no text encoder and no VAE") && error.contains("unet/"), "{error}");
        }
    }
    let library = Library::discover(&[home.path().to_owned()]);
    let lenders = |name: &str| -> Vec<&str> {
        let entry = library.entries().iter().find(|entry| entry.name == name).unwrap();
        assert!(entry.summary.is_ok(), "{entry:?}");
        library.lenders(&entry.path).map(|lender| lender.name.as_str()).collect()
    };
    assert_eq!(lenders("sd1-0"), ["sd1-whole"]);
    assert_eq!(lenders("xl-22"), ["xl-whole"]);
    assert_eq!(lenders("xl-whole"), Vec::<&str>::new());
    let other = home.path().join("xl-whole.safetensors");
    let of_another =
        Model::load_with(&home.path().join("unet/sd1-0.gguf"), Some(&other), &Device::Cpu, Precision::F32, None);
    let error = of_another.unwrap_err().to_string();
    assert!(error.contains("Stable Diffusion XL, not of Stable Diffusion 1"), "{error}");
}

#[test]
fn what_nothing_lends_to_says_so_in_the_list() {
    let home = tempfile::tempdir().unwrap();
    let unet = under(&Tiny::read("sd1").tensors(), "model.diffusion_model.", "");
    save(&unet, &home.path().join("unet/alone.safetensors"));
    let without_vae: Tensors =
        Tiny::read("sd1").tensors().into_iter().filter(|(name, _)| !name.starts_with(VAE)).collect();
    save(&without_vae, &home.path().join("pruned.safetensors"));
    let library = Library::discover(&[home.path().to_owned()]);
    let problem = |name: &str| {
        let entry = library.entries().iter().find(|entry| entry.name == name).unwrap();
        entry.summary.as_ref().unwrap_err().to_string()
    };
    assert!(problem("alone").contains("has no text encoder and no VAE of its own"), "{}", problem("alone"));
    assert!(problem("pruned").contains("has no VAE of its own"), "{}", problem("pruned"));
    assert!(problem("pruned").contains("no whole model of Stable Diffusion 1"), "{}", problem("pruned"));
}

#[test]
fn a_u_net_alone_in_the_names_of_diffusers_is_the_same() {
    let home = tempfile::tempdir().unwrap();
    for name in ["sd1", "sd2", "xl"] {
        let tiny = Tiny::read(name);
        let lender = tiny.write_file(home.path(), &format!("{name}.safetensors"));
        let folder = home.path().join(name);
        tiny.write_folder(&folder, Prediction::Epsilon);
        let file = folder.join("unet/diffusion_pytorch_model.safetensors");
        let model = Model::load_with(&file, Some(&lender), &Device::Cpu, Precision::F32, None).unwrap();
        assert_eq!(picture(&model), picture(&load(&lender)), "{name}");
        let mut tensors = candle_core::safetensors::load(&file, &Device::Cpu).unwrap();
        tensors.insert("time_embedding.cond_proj.weight".to_owned(), wave((4, 4), "told", 1.0));
        let told = save(&tensors, &home.path().join("told.safetensors"));
        let error = Model::load_with(&told, Some(&lender), &Device::Cpu, Precision::F32, None).unwrap_err().to_string();
        assert!(error.contains("time_embedding.cond_proj.weight") && error.ends_with("told.safetensors"), "{error}");
    }
}

#[test]
fn steps_are_shown_finely_where_a_tiny_vae_is_at_hand() {
    let shown = |has_tiny: bool| {
        let home = tempfile::tempdir().unwrap();
        Tiny::read("sd1").write_file(home.path(), "tiny.safetensors");
        if has_tiny {
            let tensors = half(&tiny_tensors().1, "decoder.layers.", 1);
            save(&tensors, &home.path().join("vae_approx/taesd_decoder.safetensors"));
        }
        let library = Library::discover(&[home.path().to_owned()]);
        let client = engine::spawn(library, Priority::Normal, Memory::Plenty, None, || ());
        let request = Box::new(request("blurry", None));
        client.send(Command::Generate(Job::new(JobId(1), request, CancelToken::default())));
        loop {
            match client.event_within(Duration::from_mins(2)).unwrap() {
                Event::JobStep { preview: Some(preview), .. } => return preview.extent(),
                Event::JobEnded { outcome, .. } => panic!("it ended without a step: {outcome:?}"),
                _ => {}
            }
        }
    };
    // The first is fine where it is as small as this; the latent is an eighth of the picture.
    assert_eq!((shown(true), shown(false)), (Extent::new(64, 64), Extent::new(8, 8)));
}

#[test]
fn each_step_is_told_also_where_it_comes_before_the_next_preview_is_wanted() {
    let home = tempfile::tempdir().unwrap();
    Tiny::read("sd1").write_file(home.path(), "tiny.safetensors");
    let library = Library::discover(&[home.path().to_owned()]);
    let client = engine::spawn(library, Priority::Normal, Memory::Plenty, None, || ());
    client.preview_every(Duration::from_hours(1));
    let request = Box::new(request("blurry", None));
    client.send(Command::Generate(Job::new(JobId(1), request, CancelToken::default())));
    let mut steps = Vec::new();
    loop {
        match client.event_within(Duration::from_mins(2)).unwrap() {
            Event::JobStep { index, preview, .. } => steps.push((index, preview.is_some())),
            Event::JobEnded { .. } => break,
            _ => {}
        }
    }
    assert_eq!(steps, [(0, true), (1, false), (2, false), (3, false)]);
}
