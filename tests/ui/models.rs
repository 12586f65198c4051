//! Choosing models and getting them.

use super::*;
use sfumato::checkpoints::download::Progress;
use sfumato::checkpoints::{BytesRead, WeightBytes};
use sfumato::session::{Details, Download, KnownVae};

fn model(name: &str, kind: &str, megabytes: u64, side: u32, preview: Option<PathBuf>) -> Model {
    let defaults = Defaults {
        extent: Extent::new(side, side),
        steps: 20,
        sampler: SamplerName::DpmPlusPlus2M,
        schedule: ScheduleName::Karras,
        guidance_scale: 7.0,
    };
    let details = Details {
        kind: kind.into(),
        stored: "f16",
        bytes: megabytes * 1_000_000,
        weights: WeightBytes { unet: BytesRead { wide: 0, halves: megabytes * 1_000_000 }, ..WeightBytes::default() },
        vae_width: 128,
        path: kind.into(),
        preview,
    };
    Model { details: Some(details), ..Model::new(name, "", &defaults) }
}

/// A window with models to choose from, whose engine has said nothing yet.
fn window_with_models(theme: Theme) -> Window {
    let setup = Setup { theme, controlnets: Vec::new(), ..Setup::default() };
    let preview = setup.home.path().join("dreamshaper.png");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(root.join("assets/models/bozzetto/things.jpg"), preview.with_extension("jpg")).unwrap();
    let models = vec![
        model("bozzetto", "", 37, 128, None),
        model("dreamshaper_8", "Stable Diffusion 1", 2132, 512, Some(preview.with_extension("jpg"))),
        model("sd_xl_base_1.0", "Stable Diffusion XL", 6938, 1024, None),
        model("sd-v1-5-inpainting", "Stable Diffusion 1 inpainting", 2132, 512, None),
        Model::unusable(
            "half-a-file",
            "",
            "the weights are cut short: 12 bytes instead of 2132000000; copy or download the file anew",
        ),
    ];
    let mut window = Setup { models, ..setup }.open();
    let session = &mut window.harness.state_mut().session;
    session.memory = Some(8_000_000_000);
    session.draft.seed = 7;
    window
}

impl Window {
    /// The models that the engine was told to load.
    fn loaded(&self) -> Vec<String> {
        let commands = std::iter::from_fn(|| self.peer.try_command());
        commands
            .filter_map(|command| if let Command::Load { model, .. } = command { Some(model) } else { None })
            .collect()
    }
}

#[test]
fn a_model_is_found_by_words_and_chosen_by_what_is_said_of_it() {
    let mut window = window_with_models(Theme::Dark);
    window.click("Model");
    window.wait("the picture of a model", |session| session.previews.contains_key("dreamshaper_8"));
    snapshot(&mut window, "models_dark");
    assert!(window.harness.query_by_label("half-a-file").is_some());
    // The search has the focus.
    window.harness.event(egui::Event::Text("xl".into()));
    window.harness.run();
    assert!(window.harness.query_by_label("dreamshaper_8").is_none());
    window.loaded();
    window.click("sd_xl_base_1.0");
    assert_eq!(window.session().draft.model, "sd_xl_base_1.0");
    assert_eq!(window.loaded(), ["sd_xl_base_1.0"]);
    assert!(window.harness.query_by_label("half-a-file").is_none(), "the list is closed");
}

#[test]
fn enter_takes_the_first_model_that_is_found_and_the_arrows_another() {
    let mut window = window_with_models(Theme::Dark);
    window.click("Model");
    window.harness.event(egui::Event::Text("stable".into()));
    window.harness.run_ok();
    window.harness.key_press(egui::Key::Enter);
    window.harness.run_ok();
    assert_eq!(window.session().draft.model, "dreamshaper_8");
    assert!(window.harness.query_by_label("sd_xl_base_1.0").is_none(), "the list is closed");
    window.click("Model");
    window.harness.event(egui::Event::Text("stable".into()));
    window.harness.run_ok();
    for (key, times) in [(egui::Key::ArrowDown, 5), (egui::Key::ArrowUp, 1)] {
        for _ in 0..times {
            window.harness.key_press(key);
            window.harness.run_ok();
        }
    }
    window.harness.key_press(egui::Key::Enter);
    window.harness.run_ok();
    assert_eq!(window.session().draft.model, "sd_xl_base_1.0", "the last but one");
    // What cannot be painted with is not taken.
    window.click("Model");
    window.harness.event(egui::Event::Text("half".into()));
    window.harness.run_ok();
    window.harness.key_press(egui::Key::Enter);
    window.harness.run_ok();
    assert_eq!(window.session().draft.model, "sd_xl_base_1.0");
}

#[test]
fn the_window_to_get_models_is_whole_at_once_and_says_in_it_why_one_did_not_come() {
    let mut window = window_with_models(Theme::Dark);
    // Nobody listens there.
    window.harness.state_mut().session.settings.hub = Some("http://127.0.0.1:9".into());
    window.click("Model");
    window.click("Get models\u{2026}");
    let bottom = |window: &Window, label: &str| window.harness.get_by_label(label).rect().bottom();
    let others = window.harness.get_by_label("Another model in the layout of diffusers").rect();
    assert!(bottom(&window, "Get SDXL Turbo") < others.top(), "all are seen, and the field under them");
    window.click("Get SDXL Turbo");
    let complains = |session: &Session| session.notices.iter().any(|notice| notice.text.contains("was not downloaded"));
    window.wait("the complaint", complains);
    window.harness.run_ok();
    let said = |window: &Window| window.harness.query_all_by_label_contains("cannot be reached").count();
    assert_eq!(said(&window), 2, "on the canvas, and in its row");
    window.harness.get_by_label("Get SDXL Turbo").click();
    window.harness.step();
    assert!(!complains(window.session()), "it is tried again");
    assert_eq!(window.session().downloads.len(), 1);
}

#[test]
fn models_to_begin_with_are_offered_with_what_they_need_and_how_far_they_are() {
    let mut window = window_with_models(Theme::Light);
    window.click("Model");
    window.click("Get models\u{2026}");
    let mut download = Download::new("stable-diffusion-v1-5/stable-diffusion-v1-5");
    let file = "unet/diffusion_pytorch_model.fp16.safetensors".into();
    download.progress = Some(Progress { file, bytes: 812_000_000, total: 2_135_000_000 });
    download.bytes_per_second = Some(9_000_000.0);
    window.harness.state_mut().session.downloads.push(download);
    window.harness.run();
    snapshot(&mut window, "get_models_light");
    window.click("Cancel");
    assert!(window.session().downloads[0].is_cancelled);
    window.harness.key_press(egui::Key::Escape);
    window.harness.run();
    assert!(window.harness.query_by_label("Get SDXL Turbo").is_none(), "Escape closes it");
}

#[test]
fn a_model_that_is_dropped_is_used_and_looked_for_from_then_on() {
    let mut window = window_with_models(Theme::Dark);
    let bozzetto = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    let sketch = bozzetto.join("bozzetto-4-steps");
    window.harness.state_mut().session.apply(Action::AddModel(sketch.clone()));
    window.wait("the model", |session| session.draft.model == "bozzetto-4-steps");
    assert_eq!(window.session().settings.model_folders, [sketch]);
    assert!(window.loaded().contains(&"bozzetto-4-steps".to_owned()));

    let nothing = window.home.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    window.harness.state_mut().session.apply(Action::AddModel(nothing));
    window.wait("the complaint", |session| {
        session.notices.iter().any(|notice| notice.text.contains("There is no model in"))
    });
}

fn vae(name: &str) -> KnownVae {
    KnownVae { name: name.to_owned(), path: name.into(), hash: None }
}

#[test]
fn what_a_model_takes_from_elsewhere_is_chosen_beside_it() {
    let mut window = window_with_models(Theme::Light);
    assert!(window.harness.query_by_label("VAE").is_none());
    let session = &mut window.harness.state_mut().session;
    session.models.push(Model {
        vaes: ["vae-ft-mse-840000-ema-pruned", "taesd_decoder"].map(vae).to_vec(),
        lenders: vec!["dreamshaper_8".into(), "sd-v1-5".into()],
        ..model("sd-v1-5-Q4_0", "Stable Diffusion 1", 486, 512, None)
    });
    session.draft.model = "sd-v1-5-Q4_0".into();
    window.harness.run();
    window.click("VAE");
    window.click("taesd_decoder");
    window.click("Parts from");
    window.click("sd-v1-5");
    let borrowed = window.session().draft.borrowed.clone();
    assert_eq!((borrowed.vae.as_deref(), borrowed.parts_from.as_deref()), (Some("taesd_decoder"), Some("sd-v1-5")));
    window.click("VAE");
    window.click("The model's own");
    assert_eq!(window.session().draft.borrowed.vae, None);
}
