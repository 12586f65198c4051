use super::*;
use crate::diffusion::{Borrowed, Emphasis, Input, Precision, Reproduce, SamplerName, Savings, ScheduleName, Tuning};
use crate::geom::Extent;
use crate::meaning::{Embedding, Seen};
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
fn a_file_that_has_no_row_is_found_again_at_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let entry = gallery.add(NewEntry { partial: true, steps_made: 3, ..result_of(with_input(5)) }).unwrap();
    gallery.add(result("y", 6)).unwrap();
    gallery.db.execute("DELETE FROM entries WHERE id = ?1", [entry.id.0]).unwrap();
    std::fs::write(entry.path.with_file_name("00099-1.png"), b"no picture").unwrap();
    drop(gallery);

    let mut gallery = open(dir.path());
    assert_eq!(gallery.take_notices(), ["1 pictures that the gallery's index did not know were found again"]);
    let found = gallery.search("house", 9, 0).unwrap().remove(0);
    assert_eq!((&found.path, &found.record, &found.parameters), (&entry.path, &entry.record, &entry.parameters));
    assert_eq!((found.steps_made, found.partial), (3, true));
    assert_eq!(gallery.request(found.id).unwrap(), with_input(5));
    assert_eq!(gallery.thumbnail(found.id).unwrap(), *result("x", 5).picture);
}

#[test]
fn a_full_disk_while_indexing_loses_no_picture() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let pages: i64 = gallery.db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    gallery.db.pragma_update(None, "max_page_count", pages).unwrap();
    let long = "a long prompt ".repeat(2000);
    let error = gallery.add(result(&long, 5)).unwrap_err();
    let Error::NotIndexed { picture, .. } = &error else { panic!("{error}") };
    assert!(picture.is_file() && error.to_string().contains("disk is full"), "{error}");
    drop(gallery);
    assert_eq!(prompts(&open(dir.path()).entries(9, 0).unwrap()), [long.as_str()]);
}

#[test]
fn a_damaged_index_is_put_aside_and_made_again_from_the_files() {
    // As SQLite's file format has it: the whole file; the header; the first page's tree; a page further in.
    let harms: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.fill(b'x'),
        |bytes| bytes[..16].fill(0),
        |bytes| bytes[100..4096].fill(0xee),
        |bytes| bytes[4096..].fill(0x5a),
    ];
    for (which, harm) in harms.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let mut gallery = open(dir.path());
        for seed in 0..3 {
            gallery.add(result_of(with_input(seed))).unwrap();
        }
        drop(gallery);
        let index = dir.path().join(index::FILE);
        let mut bytes = std::fs::read(&index).unwrap();
        harm(&mut bytes);
        std::fs::write(&index, &bytes).unwrap();

        let mut gallery = open(dir.path());
        let notice = gallery.take_notices().join("");
        assert!(notice.contains("was damaged and was made again from 3 pictures"), "harm {which}: {notice}");
        assert_eq!(std::fs::read(dir.path().join("index-damaged-1.sqlite")).unwrap(), bytes);
        let seeds: Vec<_> = gallery.entries(9, 0).unwrap().iter().map(|entry| entry.record.seed).collect();
        assert_eq!(seeds, [2, 1, 0]);
    }
}

#[test]
fn an_index_without_its_tables_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    gallery.add(result("x", 1)).unwrap();
    gallery.db.execute_batch("DROP TABLE thumbnails; ALTER TABLE entries DROP COLUMN words").unwrap();
    drop(gallery);
    assert_eq!(prompts(&open(dir.path()).entries(9, 0).unwrap()), ["x"]);
}

#[test]
fn an_index_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = open(dir.path());
    gallery.db.pragma_update(None, "user_version", 99).unwrap();
    drop(gallery);
    let error = Gallery::open(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Newer { found: 99, .. }) && error.to_string().contains("newer Sfumato"), "{error}");
}

#[test]
fn two_programs_may_have_one_gallery_open_and_neither_loses_anything() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(dir.path());
    let mut second = open(dir.path());
    assert!(!first.is_shared() && second.is_shared());
    std::thread::scope(|scope| {
        for gallery in [&mut first, &mut second] {
            scope.spawn(move || {
                for _ in 0..15 {
                    gallery.add(result("the same name for both", 5)).unwrap();
                }
            });
        }
    });
    assert_eq!((first.count().unwrap(), second.count().unwrap()), (30, 30));
    assert_eq!(first.entries(99, 0).unwrap(), second.entries(99, 0).unwrap());
    drop(first);
    assert!(!open(dir.path()).is_shared(), "the next one is the first");
}

#[test]
fn a_damaged_index_that_another_program_uses_is_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let lock = File::create(dir.path().join("lock")).unwrap();
    lock.try_lock().unwrap();
    std::fs::write(dir.path().join(index::FILE), vec![b'x'; 5000]).unwrap();
    let error = Gallery::open(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Damaged(_)), "{error}");
    drop(lock);
    assert!(Gallery::open(dir.path()).is_ok());
}

#[test]
fn a_row_that_was_taken_in_meanwhile_is_completed_and_not_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(dir.path());
    let entry = first.add(result("x", 5)).unwrap();
    first.db.execute("UPDATE entries SET seconds = 0", []).unwrap();
    let what = files::FileRecord { record: entry.record.clone(), steps_made: 20, partial: false };
    let file = entry.path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
    let picture = result("x", 5).picture;
    let row = index::Row {
        file,
        created: entry.created,
        what: &what,
        parameters: &entry.parameters,
        seconds: 1.5,
        picture: &picture,
    };
    assert_eq!(first.insert(&row).unwrap(), entry.id.0);
    assert_eq!(first.entries(9, 0).unwrap(), [entry]);
}

#[test]
fn a_file_where_the_folder_should_be_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gallery");
    std::fs::write(&path, b"").unwrap();
    for path in [path.clone(), path.join("deeper")] {
        let error = Gallery::open(&path).unwrap_err().to_string();
        assert!(error.contains("choose another in the settings") && error.contains("gallery"), "{error}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_an_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let now = SystemTime::now();
    let day = dir.path().join(gallery.day(seconds(now)).unwrap());
    std::fs::write(&day, b"a file where the day's folder should be").unwrap();
    let error = gallery.add_at(result("x", 5), now).unwrap_err().to_string();
    assert!(error.contains(day.to_str().unwrap()), "{error}");
    assert_eq!(gallery.count().unwrap(), 0);
}

#[test]
fn a_gallery_that_cannot_be_written_to_can_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let entry = open(dir.path()).add(result("x", 5)).unwrap();
    let mut gallery = Gallery::open_read_only(dir.path()).unwrap();
    assert!(gallery.is_read_only() && !gallery.is_shared());
    assert_eq!(gallery.entries(9, 0).unwrap(), std::slice::from_ref(&entry));
    for error in [gallery.add(result("y", 6)).unwrap_err(), gallery.delete(entry.id).unwrap_err()] {
        assert!(matches!(error, Error::ReadOnly(_)), "{error}");
    }
    assert!(entry.path.is_file());
}

#[test]
fn hostile_rows_are_left_out_and_reach_nothing_outside() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside.png");
    std::fs::write(&outside, b"precious").unwrap();
    let mut gallery = open(&dir.path().join("gallery"));
    let good = gallery.add(result("x", 1)).unwrap();
    let record = serde_json::to_string(&good.record).unwrap();
    let mut endless = good.record.clone();
    endless.extent = Extent::new(u32::MAX, 8);
    let mut away = good.record.clone();
    away.input = Some(Input::new("../../outside".into(), 0.5, None));
    let absolute = outside.to_str().unwrap();
    let json = |record: &Record| serde_json::to_string(record).unwrap();
    let rows = [
        ("../outside.png", record.clone(), 20),
        (absolute, record.clone(), 20),
        ("", record.clone(), 20),
        ("a.png", "{".into(), 20),
        ("b.png", record, i64::MIN),
        ("c.png", json(&endless), 20),
        ("d.png", json(&away), 20),
    ];
    for (file, record, steps) in &rows {
        gallery
            .db
            .execute(
                "INSERT INTO entries (file, created, record, parameters, steps_made, seconds, partial, words)
                 VALUES (?1, -9e15, ?2, '', ?3, 1e308, 7, 'x')",
                rusqlite::params![file, record, steps],
            )
            .unwrap();
    }
    let shown = gallery.entries(99, 0).unwrap();
    assert_eq!(shown.len(), 3, "the good one, and two whose requests only fail when they are used");
    for id in (good.id.0 + 1..).take(rows.len()).map(EntryId) {
        assert!(gallery.picture(id).is_err() && gallery.thumbnail(id).is_err() && gallery.request(id).is_err());
        assert_eq!(gallery.delete(id).unwrap(), Deleted::WasMissing);
    }
    assert_eq!(std::fs::read(&outside).unwrap(), b"precious");
    assert_eq!(gallery.entries(99, 0).unwrap(), [good]);
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

fn seen(numbers: &[f32], fit: Option<f32>) -> Seen {
    Seen { embedding: Embedding::new(numbers.to_vec()).unwrap(), fit }
}

#[test]
fn what_a_clip_saw_is_kept_and_the_nearest_pictures_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let ids: Vec<EntryId> = ["apple", "apple", "Apple", "car"]
        .iter()
        .zip(1..)
        .map(|(prompt, seed)| gallery.add(result(prompt, seed)).unwrap().id)
        .collect();
    assert_eq!(gallery.count_unseen("a").unwrap(), 4);
    assert_eq!(gallery.next_unseen("a").unwrap().unwrap().id, ids[3], "the newest first");
    let looks = [(ids[0], [1.0, 0.0], 0.25), (ids[1], [0.96, 0.28], 0.5), (ids[2], [0.6, 0.8], 0.75)];
    for (id, numbers, fit) in looks {
        gallery.keep_seen(id, "a", Some(&seen(&numbers, Some(fit)))).unwrap();
    }
    gallery.keep_seen(ids[3], "a", Some(&seen(&[0.0, 1.0], None))).unwrap();
    assert_eq!(gallery.next_unseen("a").unwrap(), None);
    drop(gallery);

    let mut gallery = open(dir.path());
    assert_eq!(gallery.entry(ids[1]).unwrap().fit, Some(0.5));
    let to = Embedding::new(vec![1.0, 0.0]).unwrap();
    let nearest = gallery.nearest("a", &to, 3).unwrap();
    let found = &nearest.entries;
    assert_eq!(found.iter().map(|(entry, _)| entry.id).collect::<Vec<_>>(), [ids[0], ids[1], ids[2]]);
    assert!((found[1].1 - 0.96).abs() < 1e-3, "{found:?}");
    assert!((nearest.average - 0.64).abs() < 1e-3, "{}", nearest.average);
    assert_eq!(nearest.clone().well_above_average().entries, found[..2]);
    let three = Embedding::new(vec![1.0; 3]).unwrap();
    assert_eq!(gallery.nearest("a", &three, 3).unwrap().entries, [], "another CLIP's numbers cannot be compared");
    let best: Vec<_> = gallery.best_fitting("a", "apple", 9).unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(best, [ids[1], ids[0]]);
    assert!(gallery.embedding(ids[0], "a").unwrap().is_some());

    // Another CLIP knows nothing of what this one saw, and leaves it as it is.
    assert_eq!((gallery.count_unseen("b").unwrap(), gallery.embedding(ids[0], "b").unwrap()), (4, None));
    gallery.keep_seen(ids[0], "b", Some(&seen(&[0.0, 1.0], None))).unwrap();
    assert_eq!((gallery.count_unseen("a").unwrap(), gallery.count_unseen("b").unwrap()), (0, 3));

    gallery.delete(ids[0]).unwrap();
    gallery.keep_seen(ids[0], "a", Some(&seen(&[1.0, 0.0], None))).unwrap();
    assert_eq!(gallery.nearest("a", &to, 9).unwrap().entries.len(), 3, "what is deleted is found no more");
}

#[test]
fn what_could_not_be_looked_at_is_tried_again_only_when_the_gallery_is_opened_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let id = gallery.add(result("apple", 1)).unwrap().id;
    let senseless = gallery.add(result("apple", 2)).unwrap().id;
    gallery.db.execute("UPDATE entries SET record = '{' WHERE id = ?1", [senseless.0]).unwrap();
    assert_eq!(gallery.next_unseen("a").unwrap().unwrap().id, id, "a row that makes no sense is passed over");
    gallery.keep_seen(id, "a", None).unwrap();
    assert_eq!((gallery.next_unseen("a").unwrap(), gallery.embedding(id, "a").unwrap()), (None, None));
    assert_eq!(gallery.nearest("a", &Embedding::new(vec![1.0]).unwrap(), 9).unwrap().entries, []);
    drop(gallery);
    assert_eq!(open(dir.path()).next_unseen("a").unwrap().unwrap().id, id);
}

#[test]
fn a_gallery_from_before_there_were_embeddings_gets_them_or_can_be_looked_at_without() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let id = gallery.add(result("apple", 1)).unwrap().id;
    gallery.db.execute_batch("DROP TABLE embeddings; PRAGMA user_version = 1; PRAGMA journal_mode = DELETE").unwrap();
    drop(gallery);
    let mut gallery = Gallery::open_read_only(dir.path()).unwrap();
    assert_eq!(gallery.entry(id).unwrap().fit, None);
    assert_eq!(gallery.count_unseen("a").unwrap(), 1);
    assert!(matches!(gallery.keep_seen(id, "a", None), Err(Error::ReadOnly(_))));
    drop(gallery);
    let mut gallery = open(dir.path());
    assert!(gallery.take_notices().is_empty(), "nothing was damaged");
    gallery.keep_seen(id, "a", Some(&seen(&[1.0], Some(0.5)))).unwrap();
    assert_eq!(gallery.entry(id).unwrap().fit, Some(0.5));
}

/// `cargo test --release --lib ten_thousand -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn the_nearest_of_ten_thousand_pictures_are_found_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut gallery = open(dir.path());
    let first = gallery.add(result("apple", 1)).unwrap().id;
    let copy = "INSERT INTO entries (file, created, record, parameters, steps_made, seconds, partial, words)
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 9999)
         SELECT n || file, created, record, parameters, steps_made, seconds, partial, words FROM entries, n";
    gallery.db.execute(copy, []).unwrap();
    for dimensions in [128, 768] {
        // Knuth's multiplicative hash: no two pictures are alike.
        let number = |n: i64| (n as u32).wrapping_mul(0x9E37_79B9).rotate_left(16).wrapping_mul(0x85EB_CA6B);
        let numbers =
            |id: i64| (0..dimensions).map(|i| number(id * 1000 + i) as f32 - 2_147_483_648.0).collect::<Vec<_>>();
        gallery.db.execute_batch("BEGIN").unwrap();
        for id in first.0..first.0 + 10_000 {
            gallery.keep_seen(EntryId(id), "a", Some(&seen(&numbers(id), Some(0.5)))).unwrap();
        }
        gallery.db.execute_batch("COMMIT").unwrap();
        let to = Embedding::new(numbers(first.0 + 5000)).unwrap();
        for run in 0..3 {
            let started = std::time::Instant::now();
            let found = gallery.nearest("a", &to, 60).unwrap().entries;
            eprintln!("{dimensions} numbers, run {run}: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
            assert_eq!((found.len(), found[0].0.id.0), (60, first.0 + 5000));
        }
        let started = std::time::Instant::now();
        assert_eq!(gallery.next_unseen("a").unwrap(), None);
        eprintln!("{dimensions} numbers, all seen: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    }
}
