use super::*;
use crate::checkpoints::WeightBytes;
use std::path::PathBuf;

/// A model of this name in a folder.
pub(super) fn model_in(folder: &Path, name: &str) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    std::os::unix::fs::symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto"), &path).unwrap();
    path
}

/// A model of this name, which this file is.
fn model_of(name: &str, path: PathBuf) -> Model {
    let (kind, stored, weights) = (String::new(), "f16", WeightBytes::default());
    let details = Details { kind, stored, bytes: 3, weights, vae_width: 32, path, preview: None };
    Model { details: Some(details), ..Model::new(name, "", &defaults()) }
}

pub(super) fn names(session: &Session) -> Vec<&str> {
    session.models.iter().map(|model| model.name.as_str()).collect()
}

/// Where the engine finds a model now.
fn place_in_engine(stage: &Stage, name: &str) -> PathBuf {
    let commands = std::iter::from_fn(|| stage.peer.try_command());
    let libraries = commands.filter_map(|command| match command {
        Command::UseLibrary(library) => Some(library),
        _ => None,
    });
    libraries.last().unwrap().find(name).unwrap()
}

#[test]
fn models_that_are_dropped_one_after_the_other_are_all_there_and_the_next_time_as_well() {
    let home = tempfile::tempdir().unwrap();
    let one = model_in(&home.path().join("a"), "one");
    let two = model_in(&home.path().join("b"), "two");
    let mut stage = stage(home.path());
    stage.apply(Action::AddModel(one.clone()));
    stage.apply(Action::AddModel(two.clone()));
    stage.until(|s| names(s).contains(&"two"));
    assert!(names(&stage.session).contains(&"one"), "{:?}", names(&stage.session));
    assert_eq!(place_in_engine(&stage, "one"), one);
    assert_eq!(stage.session.settings.model_folders, [two, one]);
    let file = Paths::in_one_folder(home.path()).settings_file();
    let saved = stage.session.settings.model_folders.clone();
    drop(stage);
    assert_eq!(Settings::load(&file).0.model_folders, saved);
}

#[test]
fn a_model_that_is_not_found_where_models_are_looked_for_is_remembered_and_another_is_not() {
    let home = tempfile::tempdir().unwrap();
    let models = home.path().join("models");
    let found = model_in(&models, "found");
    let hidden = model_in(&models.join("mine/of old/and/older"), "hidden");
    let mut stage = stage(home.path());
    stage.apply(Action::AddModel(found));
    stage.until(|s| names(s).contains(&"found"));
    assert_eq!(stage.session.settings.model_folders, Vec::<PathBuf>::new());
    stage.apply(Action::AddModel(hidden.clone()));
    stage.until(|s| names(s).contains(&"hidden"));
    assert_eq!(stage.session.settings.model_folders, [hidden]);
}

#[test]
fn a_model_that_takes_over_the_name_of_the_loaded_one_is_loaded_in_its_place() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (model_in(&home.path().join("a"), "sepia"), model_in(&home.path().join("b"), "sepia"));
    let mut stage = stage(home.path());
    stage.apply(Action::AddModel(first.clone()));
    stage.until(|s| names(s).contains(&"sepia"));
    assert_eq!(place_in_engine(&stage, "sepia"), first);
    stage.tell(Event::ModelLoaded { model: "sepia".into(), seconds: 1.0 });

    // One of another name leaves it as it is.
    stage.apply(Action::AddModel(model_in(&home.path().join("c"), "other one")));
    stage.until(|s| names(s).contains(&"other one"));
    let state = |s: &Session| s.models.iter().find(|model| model.name == "sepia").unwrap().state;
    assert_eq!(state(&stage.session), ModelState::Loaded { seconds: 1.0 });
    stage.apply(Action::ChooseModel("sepia".into()));
    stage.tell(Event::ModelLoaded { model: "sepia".into(), seconds: 1.0 });
    while !stage.is_idle() {}

    stage.apply(Action::AddModel(home.path().join("b")));
    stage.until(|s| state(s) == ModelState::Loading);
    let commands: Vec<_> = std::iter::from_fn(|| stage.peer.try_command()).collect();
    let Some(Command::UseLibrary(library)) = commands.first() else { panic!("{commands:?}") };
    assert_eq!(library.find("sepia").unwrap(), second);
    assert!(matches!(&commands[1], Command::Load { model, .. } if model == "sepia"), "{commands:?}");
}

#[test]
fn the_file_of_the_chosen_model_is_read_in_the_background_and_found_by_what_is_in_it() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let vae = KnownVae { name: "fine".to_owned(), path: file("fine.pt", "message digest"), hash: None };
    let mut models = vec![model_of("sepia", file("sepia.ckpt", "abc")), model_of("ink", file("ink.ckpt", "abd"))];
    models[1].vaes.push(vae);
    let mut stage = stage_with(home.path(), models);
    // FIPS 180-2, appendix B.1.
    stage.until(|s| s.models[0].hash.as_deref() == Some("ba7816bf8f"));
    assert_eq!(stage.session.models[1].hash, None, "nobody asked for it");

    let text = "a cat\nSteps: 9, Sampler: Euler, Seed: 5, Model hash: a52d159f26, Model: dreamer, VAE hash: f7846f55cf, \
                VAE: other.safetensors, Version: v1.10.1";
    let picture = crate::pixels::Picture::filled(Extent::new(8, 8), [9; 4]);
    let path = home.path().join("cat.png");
    picture.write_png(&path, &[(crate::metadata::PARAMETERS_KEY, text)]).unwrap();
    for looked_up in [false, true] {
        stage.apply(Action::OpenPicture(path.clone()));
        stage.until(|s| s.found_settings);
        stage.apply(Action::UseSettings);
        assert_eq!(stage.session.draft.model == "ink", looked_up, "{:?}", stage.said());
        if !looked_up {
            stage.until(|s| s.models[1].hash.is_some());
            assert_eq!(stage.session.models[1].hash.as_deref(), Some("a52d159f26"));
            stage.until(|s| s.models[1].vaes[0].hash.as_deref() == Some("f7846f55cf"));
        }
    }
    assert_eq!(stage.session.draft.borrowed.vae.as_deref(), Some("fine"));
}

#[test]
fn a_file_of_the_right_name_that_is_another_one_is_told_of_as_soon_as_it_was_read() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let vae = |name: &str, bytes: &str| KnownVae { name: name.to_owned(), path: file(name, bytes), hash: None };
    let mut models = vec![model_of("sepia", file("sepia.ckpt", "abc")), model_of("ink", file("ink.ckpt", "abd"))];
    for model in &mut models {
        model.vaes = vec![vae("fine.pt", "other"), vae("soft.pt", "message digest")];
    }
    let mut stage = stage_with(home.path(), models);
    let use_settings = |stage: &mut Stage, text: &str| {
        let path = home.path().join("cat.png");
        let text = format!("a cat\nSteps: 9, Sampler: Euler, Seed: 5, {text}, Version: v1.10.1");
        let picture = crate::pixels::Picture::filled(Extent::new(8, 8), [9; 4]);
        picture.write_png(&path, &[(crate::metadata::PARAMETERS_KEY, text.as_str())]).unwrap();
        stage.apply(Action::OpenPicture(path));
        stage.until(|s| s.found_settings);
        stage.apply(Action::UseSettings);
    };
    // What is what it is called is not spoken of.
    let right = "Model hash: ba7816bf8f, Model: sepia, VAE hash: f7846f55cf, VAE: soft.pt";
    use_settings(&mut stage, right);
    stage.until(|s| s.models[0].hash.is_some() && s.models[0].vaes[1].hash.is_some());
    let heard = |stage: &Stage, name: &str| {
        stage.said().iter().any(|said| said.contains(&format!("{name} of this machine is another than")))
    };
    assert!(!heard(&stage, "sepia.ckpt") && !heard(&stage, "soft.pt"), "{:?}", stage.said());

    // What was read is found under other names, and what was not has the right ones.
    let wrong = "Model hash: ba7816bf8f, Model: ink, VAE hash: f7846f55cf, VAE: fine.pt";
    use_settings(&mut stage, wrong);
    assert_eq!(stage.session.draft.model, "sepia");
    assert_eq!(stage.session.draft.borrowed.vae.as_deref(), Some("soft.pt"));
    let unknown = "Model hash: 0123456789, Model: ink, VAE hash: 0123456789, VAE: fine.pt";
    assert_eq!((&stage.session.models[1].hash, &stage.session.models[1].vaes[0].hash), (&None, &None));
    use_settings(&mut stage, unknown);
    assert_eq!(stage.session.draft.model, "ink");
    stage.hears("ink.ckpt of this machine is another than that of the picture");
    stage.hears("fine.pt of this machine is another than that of the picture");
    // And at once where it was read.
    use_settings(&mut stage, "VAE hash: 9876543210, VAE: soft.pt");
    stage.hears("soft.pt of this machine is another than that of the picture");
}

#[test]
fn a_picture_does_not_carry_the_hash_of_what_its_model_was_before_it_was_changed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sepia.ckpt");
    std::fs::write(&path, "abc").unwrap();
    let mut stage = stage_with(home.path(), vec![model_of("sepia", path.clone())]);
    stage.until(|s| s.models[0].hash.is_some());
    stage.apply(Action::Generate);
    let job = stage.job();
    assert_eq!(stage.session.file_hashes(&job.request).model.as_deref(), Some("ba7816bf8f"));
    std::fs::write(&path, "").unwrap();
    assert_eq!(stage.session.file_hashes(&job.request).model, None);
    stage.end(&job, Outcome::Finished(painted(&job, 9)));
    stage.until(|s| s.models[0].hash.as_deref() == Some("e3b0c44298"));
}

#[test]
fn what_goes_with_models_is_taken_where_it_is_dropped_and_says_how_it_is_used() {
    let home = tempfile::tempdir().unwrap();
    let lora = home.path().join("ink.safetensors");
    let header = r#"{"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]},"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight":{"dtype":"F32","shape":[4,4],"data_offsets":[64,128]}}"#;
    let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 128]].concat();
    std::fs::write(&lora, file).unwrap();
    let mut stage = stage(home.path());
    let chosen = stage.session.draft.model.clone();
    stage.apply(Action::AddModel(lora.clone()));
    stage.hears("write <lora:ink:1> into the prompt");
    assert!(stage.session.library.as_ref().unwrap().find_lora("ink").is_ok());
    assert_eq!((&stage.session.draft.model, &stage.session.settings.model_folders), (&chosen, &vec![lora]));
}

#[test]
fn a_model_is_found_by_as_many_of_its_folders_as_tell_it_apart() {
    let home = tempfile::tempdir().unwrap();
    let models = ["model", "xl/model", "v1/model"].map(|name| Model::new(name, "", &defaults()));
    let mut stage = stage_with(home.path(), models.to_vec());
    for (written, meant) in [("sd/xl/model", "xl/model"), ("v1/model", "v1/model"), ("sd/other/model", "model")] {
        let path = home.path().join("cat.png");
        let text = format!("a cat\nSteps: 9, Sampler: Euler, Seed: 5, Model: {written}, Version: v1.10.1");
        let picture = crate::pixels::Picture::filled(Extent::new(8, 8), [9; 4]);
        picture.write_png(&path, &[(crate::metadata::PARAMETERS_KEY, text.as_str())]).unwrap();
        stage.apply(Action::OpenPicture(path));
        stage.until(|s| s.found_settings);
        stage.apply(Action::UseSettings);
        assert_eq!(stage.session.draft.model, meant, "{written}");
    }
}

#[test]
fn a_folder_is_not_said_to_be_another_than_the_checkpoint_of_its_name() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sepia");
    std::fs::create_dir(&folder).unwrap();
    let mut stage = stage_with(home.path(), vec![model_of("sepia", folder)]);
    stage.session.models[0].hash = Some("ba7816bf8f".into());
    let text = "a cat\nSteps: 9, Sampler: Euler, Seed: 5, Model hash: 0123456789, Model: sepia";
    stage.apply(Action::TakeText(text.into()));
    assert_eq!(stage.session.draft.prompt, "a cat");
    assert!(!stage.said().iter().any(|said| said.contains("is another than")), "{:?}", stage.said());
}
