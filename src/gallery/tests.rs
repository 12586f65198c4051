//! A gallery in a folder of its own.

mod harm;
mod meaning;

use super::*;
use crate::diffusion::{Borrowed, Emphasis, Input, Precision, Reproduce, SamplerName, Savings, ScheduleName, Tuning};
use crate::geom::Extent;
use crate::pixels::{Mask, texts_in};
use std::time::{Duration, SystemTime};

const EXTENT: Extent = Extent::new(16, 8);

fn request(prompt: &str, seed: u64, input: Option<Input>) -> Request {
    Request {
        model: "bozzetto".into(),
        borrowed: Borrowed::default(),
        prompt: prompt.into(),
        negative_prompt: String::new(),
        extent: EXTENT,
        seed,
        sampler: SamplerName::Euler,
        schedule: ScheduleName::Karras,
        steps: 20,
        guidance_scale: 7.5,
        precision: Precision::F32,
        savings: Savings::default(),
        tuning: Tuning::default(),
        prediction: None,
        clip_skip: 1,
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input,
        control: None,
        upscale: None,
        hints: Vec::new(),
    }
}

fn result_of(request: Request) -> NewEntry {
    let grey = request.seed as u8;
    NewEntry {
        picture: Arc::new(Picture::filled(EXTENT, [grey, 7, 9, 255])),
        parameters: format!("{}\nSteps: 20, Seed: {}", request.prompt, request.seed),
        request,
        steps_made: 20,
        seconds: 1.5,
        partial: false,
    }
}

fn result(prompt: &str, seed: u64) -> NewEntry {
    result_of(request(prompt, seed, None))
}

fn with_input(seed: u64) -> Request {
    let mut mask = Mask::empty(EXTENT);
    mask.coverage_mut()[3..60].fill(130);
    let picture = Picture::from_rgba(EXTENT, (0..EXTENT.area() * 4).map(|i| (i * 5) as u8).collect()).unwrap();
    let input = Input::new(Arc::new(picture), 0.5, Some(Arc::new(mask)));
    request("a house", seed, Some(input))
}

/// A gallery that has no trash, so that tests leave the user's alone.
fn open(folder: &Path) -> Gallery {
    let mut gallery = Gallery::open(folder).unwrap();
    gallery.to_trash = |_| Err("there is none".into());
    gallery
}

fn prompts(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.record.prompt.as_str()).collect()
}

#[test]
fn a_result_is_kept_with_all_that_is_known_about_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let new = NewEntry { partial: true, steps_made: 7, ..result_of(with_input(12)) };
    let added = gallery.add(new.clone()).unwrap();
    drop(gallery);

    let gallery = open(dir.path());
    assert_eq!(gallery.entry(added.id).unwrap(), added);
    assert_eq!(gallery.entries(10, 0).unwrap(), std::slice::from_ref(&added));
    assert_eq!((added.steps_made, added.partial, added.missing), (7, true, false));
    assert_eq!(gallery.picture(added.id).unwrap(), *new.picture);
    assert_eq!(gallery.request(added.id).unwrap(), new.request, "with its picture and mask, to the byte");
    let texts = texts_in(&std::fs::read(&added.path).unwrap());
    assert_eq!(texts[0], ("parameters".into(), new.parameters));
}

#[test]
fn files_are_numbered_by_day_and_named_by_seed() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let day = gallery.day(1_000_000_000).unwrap();
    assert!(day.starts_with("2001-09-0"), "10^9 seconds after 1970: {day}");
    let names: Vec<_> = [5, u64::MAX].map(|seed| gallery.add_at(result("x", seed), noon).unwrap().path).into();
    let expected = ["00001-5.png".to_owned(), format!("00002-{}.png", u64::MAX)];
    assert_eq!(names, expected.map(|name| dir.path().join(&day).join(name)));
}

#[test]
fn another_programs_file_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let now = SystemTime::now();
    let day = dir.path().join(gallery.day(seconds(now)).unwrap());
    std::fs::create_dir(&day).unwrap();
    std::fs::write(day.join("00041-5.png"), b"another's").unwrap();
    std::fs::write(day.join("notes.txt"), b"another's").unwrap();
    assert_eq!(gallery.add_at(result("x", 5), now).unwrap().path, day.join("00042-5.png"));
    assert_eq!(std::fs::read(day.join("00041-5.png")).unwrap(), b"another's");
}

fn seconds(time: SystemTime) -> i64 {
    index::seconds_since_1970(time)
}

#[test]
fn the_newest_come_first_and_pages_do_not_overlap() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    for (seed, prompt) in (0..).zip(["a", "b", "c", "d", "e"]) {
        gallery.add(result(prompt, seed)).unwrap();
    }
    assert_eq!(prompts(&gallery.entries(2, 0).unwrap()), ["e", "d"]);
    assert_eq!(prompts(&gallery.entries(2, 2).unwrap()), ["c", "b"]);
    assert_eq!(prompts(&gallery.entries(usize::MAX, 4).unwrap()), ["a"]);
    assert_eq!(gallery.count().unwrap(), 5);
}

#[test]
fn a_search_finds_all_words_in_any_order_case_and_script() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    for prompt in ["a Red apple", "red ÄPFEL, 100% of them", "日本の山", "o'brien \"quoted\" [x:0.5]"] {
        gallery.add(result(prompt, 1)).unwrap();
    }
    let found = |text: &str| gallery.search(text, 10, 0).unwrap().len();
    assert_eq!(prompts(&gallery.search("apple RED", 10, 0).unwrap()), ["a Red apple"]);
    assert_eq!(
        (found("red"), found("äpfel"), found("本の"), found("100%"), found("%"), found("_")),
        (2, 1, 1, 1, 1, 0)
    );
    assert_eq!((found("o'brien \"quoted\""), found("\\"), found("blue"), found("  ")), (1, 0, 0, 4));
}

#[test]
fn a_thumbnail_is_small_and_outlives_its_picture() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let mut new = result("x", 1);
    new.picture = Arc::new(Picture::filled(Extent::new(400, 200), [1, 2, 3, 255]));
    let entry = gallery.add(new).unwrap();
    std::fs::remove_file(&entry.path).unwrap();
    assert_eq!(gallery.thumbnail(entry.id).unwrap(), Picture::filled(Extent::new(192, 96), [1, 2, 3, 255]));
    assert!(gallery.entry(entry.id).unwrap().missing);
    assert!(matches!(gallery.picture(entry.id), Err(Error::Missing(path)) if path == entry.path));
}

#[test]
fn a_damaged_thumbnail_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let entry = gallery.add(result("x", 1)).unwrap();
    gallery.db.execute("UPDATE thumbnails SET png = x'00ff'", []).unwrap();
    assert_eq!(gallery.thumbnail(entry.id).unwrap(), *result("x", 1).picture);
}

#[test]
fn an_input_is_stored_once_and_a_changed_one_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let entry = gallery.add(result_of(with_input(1))).unwrap();
    gallery.add(result_of(with_input(2))).unwrap();
    let inputs: Vec<_> = std::fs::read_dir(dir.path().join("inputs")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(inputs.len(), 2, "a picture and a mask");
    let other = Picture::filled(EXTENT, [0; 4]).encode_png(&[]).unwrap();
    for input in &inputs {
        let original = std::fs::read(input).unwrap();
        std::fs::write(input, &other).unwrap();
        let error = gallery.request(entry.id).unwrap_err();
        assert!(matches!(&error, Error::Input { path, .. } if path == input), "{error}");
        std::fs::write(input, original).unwrap();
    }
    assert!(gallery.request(entry.id).is_ok());
}

#[test]
fn a_deleted_result_goes_to_the_trash_and_stays_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let entries = [1, 2, 3, 4].map(|seed| gallery.add(result("x", seed)).unwrap());
    let moved = dir.path().join("trash").join(entries[0].path.file_name().unwrap());
    assert_eq!(gallery.delete(entries[0].id).unwrap(), Deleted::MovedTo(moved.clone()));
    assert!(moved.is_file() && !entries[0].path.exists());

    gallery.to_trash = |path| std::fs::remove_file(path).map_err(|e| e.to_string());
    assert_eq!(gallery.delete(entries[1].id).unwrap(), Deleted::ToTrash);
    std::fs::remove_file(&entries[2].path).unwrap();
    assert_eq!(gallery.delete(entries[2].id).unwrap(), Deleted::WasMissing);
    assert!(matches!(gallery.delete(entries[2].id), Err(Error::NoEntry(id)) if id == entries[2].id));
    drop(gallery);

    let mut gallery = open(dir.path());
    assert_eq!(gallery.entries(9, 0).unwrap(), [entries[3].clone()]);
    assert_eq!(gallery.take_notices(), [""; 0]);
    let thumbnails: i64 = gallery.db.query_row("SELECT count(*) FROM thumbnails", [], |row| row.get(0)).unwrap();
    assert_eq!(thumbnails, 1);
}

#[test]
fn a_deleted_result_is_brought_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let entries = [1, 2, 3].map(|seed| gallery.add(result("x", seed)).unwrap());
    let id = entries[1].id;
    gallery
        .db
        .execute("INSERT INTO embeddings (entry, clip, vector, fit) VALUES (?1, 'clip', x'0102', 0.25)", [id.0])
        .unwrap();
    let before = gallery.entry(id).unwrap();
    let (png, thumbnail) = (std::fs::read(&before.path).unwrap(), gallery.thumbnail(id).unwrap());
    for has_trash in [false, true] {
        if has_trash {
            gallery.to_trash = |path| std::fs::remove_file(path).map_err(|e| e.to_string());
        }
        let (deleted, spare) = gallery.delete_sparing(id).unwrap();
        assert_eq!((deleted == Deleted::ToTrash, before.path.exists()), (has_trash, false));
        assert_eq!(gallery.bring_back(&spare.unwrap()).unwrap(), before, "with what was seen in it");
        assert_eq!(
            (std::fs::read(&before.path).unwrap(), gallery.thumbnail(id).unwrap()),
            (png.clone(), thumbnail.clone())
        );
        assert_eq!(std::fs::read_dir(dir.path().join("trash")).unwrap().count(), 0, "it is not there twice");
    }
    let order: Vec<_> = gallery.entries(9, 0).unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(order, [entries[2].id, id, entries[0].id]);
    std::fs::remove_file(&before.path).unwrap();
    assert!(matches!(gallery.delete_sparing(id).unwrap(), (Deleted::WasMissing, None)));
}

#[test]
fn what_is_brought_back_takes_no_name_from_another_file_and_knows_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let entry = gallery.add(result("x", 7)).unwrap();
    let png = std::fs::read(&entry.path).unwrap();
    let (_, spare) = gallery.delete_sparing(entry.id).unwrap();
    let spare = spare.unwrap();
    // Painted again meanwhile, to the same bytes.
    let again = gallery.add(result("x", 7)).unwrap();
    assert_eq!(again.path, entry.path);
    let back = gallery.bring_back(&spare).unwrap();
    assert_eq!(back, Entry { path: back.path.clone(), ..entry.clone() });
    assert!(back.path != again.path && std::fs::read(&back.path).unwrap() == png);
    assert_eq!((gallery.count().unwrap(), again.path.is_file()), (2, true));
    // Taken out of the trash by hand.
    let (_, spare) = gallery.delete_sparing(back.id).unwrap();
    std::fs::write(&back.path, png).unwrap();
    assert_eq!(gallery.bring_back(&spare.unwrap()).unwrap(), back);
}

#[test]
fn deleting_two_files_of_one_name_keeps_both() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let at = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_hours(24 * days);
    let targets: Vec<_> = [10, 20]
        .map(|days| {
            let entry = gallery.add_at(result("x", 1), at(days)).unwrap();
            gallery.delete(entry.id).unwrap()
        })
        .into();
    assert_ne!(targets[0], targets[1]);
    assert_eq!(std::fs::read_dir(dir.path().join("trash")).unwrap().count(), 2);
}

#[test]
fn a_gallery_can_work_on_another_thread() {
    fn movable<T: Send>(_: &T) {}
    let dir = tempfile::tempdir().unwrap();
    movable(&open(dir.path()));
}

#[test]
fn a_record_of_before_there_were_upscalers_is_read_and_one_with_an_upscaler_comes_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut gallery = open(folder.path());
    let upscale = Some(crate::diffusion::Upscale { upscaler: "Bozzetto 4x".into(), factor: 4.0, refine: None });
    let larger = Request { upscale, ..request("a house", 3, None) };
    let id = gallery.add(result_of(larger.clone())).unwrap().id;
    assert_eq!(gallery.request(id).unwrap(), larger);
    let mut json = serde_json::to_value(&gallery.entry(id).unwrap().record).unwrap();
    json.as_object_mut().unwrap().remove("upscale").unwrap();
    let record: Record = serde_json::from_value(json).unwrap();
    assert_eq!((record.upscale, record.prompt.as_str()), (None, "a house"));
}
