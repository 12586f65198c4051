//! What goes wrong with the files and the index of a gallery, and that nothing is lost by it.

use super::*;

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
