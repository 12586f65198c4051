//! What a CLIP saw in results is kept, and finds them.

use super::*;
use crate::meaning::{Embedding, Seen};

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
