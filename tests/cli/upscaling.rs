//! Making pictures larger.

use super::*;

/// An upscaler of random weights, four times.
fn tiny_upscaler() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upscaler/sequence_x4.pth")
}

#[test]
fn a_picture_is_made_larger_and_its_texts_stay_in_it() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("models/upscalers")).unwrap();
    fs::copy(tiny_upscaler(), desk.path("models/upscalers/tiny.pth")).unwrap();
    desk.paint(&["--seed", "7", "--size", "64x72", "--guidance", "1", "--out", "small.png"]);
    let output = desk.run(&["upscale", "small.png", "--with", "Tiny", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((object["upscaler"].as_str(), object["scale"].as_f64()), (Some("tiny"), Some(4.0)));
    let file = object["pictures"][0]["file"].as_str().unwrap();
    assert!(file.ends_with("/small-4x.png"), "{file}");
    assert_eq!(Picture::load(Path::new(file)).unwrap().extent(), Extent::new(256, 288));
    let texts = read_texts(Path::new(file));
    let parameters = &texts.iter().find(|(key, _)| key == "parameters").unwrap().1;
    assert!(parameters.starts_with("a red apple\nSteps: 3"), "{parameters}");
    assert!(parameters.ends_with(", Postprocess upscale by: 4, Postprocess upscaler: tiny"), "{parameters}");
    assert!(texts.contains(&("postprocessing".into(), "Postprocess upscale by: 4, Postprocess upscaler: tiny".into())));

    let inspected = desk.run(&["inspect", tiny_upscaler().to_str().unwrap()]);
    assert!(
        String::from_utf8_lossy(&inspected.stdout)
            .starts_with("upscaler, ESRGAN, 6 features, 2 blocks, 4 times larger")
    );

    // The same when it is painted larger at once, but for what the text begins with.
    let args = ["--seed", "7", "--size", "64x72", "--guidance", "1", "--out", "large.png", "--upscale", "tiny"];
    let request = desk.paint(&args)["pictures"][0]["request"].clone();
    assert_eq!(request["upscale"], serde_json::json!({ "upscaler": "tiny", "factor": 4.0, "refine": null }));
    let pixels = |name: &str| Picture::load(&desk.path(name)).unwrap().digest();
    assert_eq!(pixels("large.png"), pixels("small-4x.png"));
    let inspected = desk.run(&["inspect", "large.png", "--json"]);
    let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(
        (&inspected["settings"]["upscaler"], &inspected["settings"]["upscale_by"]),
        (&"tiny".into(), &4.0.into())
    );
    assert_eq!(inspected["unknown"], serde_json::json!({}));
}

#[test]
fn without_a_name_the_upscaler_in_the_box_makes_a_picture_four_times_larger() {
    let desk = Desk::new();
    let object = desk.paint(&["--size", "64x64", "--guidance", "1", "--upscale", "--out", "a.png"]);
    let expected = serde_json::json!({ "upscaler": "Bozzetto 4x", "factor": 4.0, "refine": null });
    assert_eq!(object["pictures"][0]["request"]["upscale"], expected);
    assert_eq!(Picture::load(&desk.path("a.png")).unwrap().extent(), Extent::new(256, 256));
    let models = desk.run(&["models", "--json"]);
    let models: Value = serde_json::from_slice(&models.stdout).unwrap();
    let listed = &models["upscalers"][0];
    let facts = ["name", "model", "scale", "problem"].map(|key| listed[key].clone());
    assert_eq!(facts, ["Bozzetto 4x".into(), "bozzetto".into(), 4.into(), Value::Null]);
}

#[test]
fn several_pictures_go_into_a_folder_at_any_scale_and_none_is_overwritten() {
    let desk = Desk::new();
    desk.save("a.png", Extent::new(10, 6), [200, 30, 40, 255]);
    desk.save("b.png", Extent::new(3, 3), [20, 30, 240, 100]);
    let upscaler = tiny_upscaler();
    let args = ["upscale", "a.png", "b.png", "--with", upscaler.to_str().unwrap(), "--scale", "1.5", "--out", "large"];
    for names in [["a-1.5x.png", "b-1.5x.png"], ["a-1.5x-2.png", "b-1.5x-2.png"]] {
        let output = desk.run(&args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let written: Vec<_> = std::str::from_utf8(&output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(written, names.map(|name| format!("large/{name}")));
    }
    assert_eq!(Picture::load(&desk.path("large/a-1.5x.png")).unwrap().extent(), Extent::new(15, 9));
    let clear = Picture::load(&desk.path("large/b-1.5x.png")).unwrap();
    assert!(clear.extent() == Extent::new(5, 5) && clear.rgba().iter().skip(3).step_by(4).all(|&alpha| alpha == 100));
}

#[test]
fn what_cannot_be_made_larger_says_why() {
    let desk = Desk::new();
    desk.save("a.png", Extent::new(8, 8), [9, 9, 9, 255]);
    desk.save("wide.png", Extent::new(5000, 1), [9, 9, 9, 255]);
    fs::write(desk.path("torn.png"), &fs::read(desk.path("a.png")).unwrap()[..40]).unwrap();
    fs::write(desk.path("page.pth"), "<!DOCTYPE html><html>").unwrap();
    let upscaler = tiny_upscaler();
    let with = ["--with", upscaler.to_str().unwrap()];
    for (args, code, expected) in [
        (&["upscale", "torn.png", with[0], with[1]][..], 1, "torn.png"),
        (&["upscale", "nothing.png", with[0], with[1]], 1, "there is no such file"),
        (&["upscale", "wide.png", with[0], with[1]], 1, "this picture is 5000x1 and would become 20000x4"),
        (&["upscale", "a.png", "--with", "page.pth"], 1, "no safetensors file"),
        (&["upscale", "a.png", "--with", "blurry"], 1, "there is no upscaler named blurry"),
        (&["upscale", "a.png", "--scale", "17"], 2, "between 1 and 16"),
        (&["upscale", "a.png", "a.png", "--out", "b.png", with[0], with[1]], 2, "give --out a folder"),
        (&["paint", "x", "--upscale", "blurry"], 1, "there is no upscaler named blurry"),
    ] {
        let (found, sentence) = desk.fail(args);
        assert!(found == code && sentence.contains(expected), "{args:?}: {found}, {sentence}");
    }
}
