use super::file::{self, bytes_of};
use super::keeping::is_room_beside;
use super::*;
use crate::networks::{Form, Keep, Kept, Section};
use candle_core::{DType, Device, Tensor};
use std::fs::File;

/// A folder of packed weights, and a file of weights to pack.
struct Stage {
    home: tempfile::TempDir,
    folder: PackedFolder,
}

fn section(bytes: Vec<u8>) -> Section {
    let count = bytes.len();
    Section::new(Arc::new(bytes), 0..count).unwrap()
}

/// Bytes that are like no others.
fn bytes(count: usize, seed: usize) -> Vec<u8> {
    (0..count).map(|index| ((index * 31 + seed * 17) % 251) as u8).collect()
}

impl Stage {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("a.safetensors"), "weights").unwrap();
        let folder = PackedFolder::new(home.path().join("packed"), Some(1)).with_least(100);
        Self { home, folder }
    }

    fn original(&self) -> PathBuf {
        self.home.path().join("a.safetensors")
    }

    fn identity(&self, part: &str) -> Identity {
        Identity::of(part, DType::F32, &[self.original()]).unwrap()
    }

    fn keeping(&self, part: &str) -> Arc<Keeping> {
        self.keeping_told(part, Box::new(|_, _, _| ()))
    }

    fn keeping_told(&self, part: &str, found: Found) -> Arc<Keeping> {
        self.folder.keeping(part, DType::F32, vec![self.original()], found).unwrap()
    }

    /// The path of the file of a part that was packed, in so many bytes.
    fn kept(&self, part: &str, count: usize) -> PathBuf {
        let keeping = self.keeping(part);
        assert!(keeping.find("a.weight", &[2, 3]).is_none());
        take(&keeping, "a.weight", vec![section(bytes(count, 1)), section(bytes(7, 2))]);
        take(&keeping, "b.weight", vec![section(bytes(64, 3))]);
        self.folder.write(&self.identity(part), keeping.to_be_written().unwrap()).unwrap();
        self.folder.path_of(&self.identity(part))
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder.folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn take(keeping: &Keeping, name: &str, sections: Vec<Section>) {
    let weight = Tensor::zeros((2, 3), DType::F16, &Device::Cpu).unwrap();
    keeping.take(name, &weight, Kept { form: Form::Split, is_gated: false, sections });
}

fn set_used(path: &Path, ago: Duration) {
    File::options().append(true).open(path).unwrap().set_modified(SystemTime::now() - ago).unwrap();
}

/// Waits for the file of a part, which is being written.
fn wait_for(path: &Path) {
    for _ in 0..3000 {
        if path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it was not written");
}

/// An identity with another text in one of its fields.
fn with_other(identity: &Identity, field: &str, text: &str) -> Identity {
    let mut json = serde_json::to_value(identity).unwrap();
    json[field] = text.into();
    serde_json::from_value(json).unwrap()
}

fn is_used_just_now(path: &Path) -> bool {
    path.metadata().unwrap().modified().unwrap().elapsed().unwrap_or_default() < Duration::from_mins(1)
}

#[test]
fn how_much_lies_there_is_told_and_all_of_it_can_be_removed_and_comes_anew() {
    let stage = Stage::new();
    assert_eq!(stage.folder.bytes(), 0, "there is no folder yet");
    let kept = [stage.kept("unet", 200), stage.kept("vae", 3000)];
    std::fs::write(stage.folder.folder.join("note.txt"), "mine").unwrap();
    let bytes: u64 = kept.iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes > 3200);
    assert_eq!(stage.folder.bytes(), bytes);
    stage.folder.remove_all();
    assert_eq!(stage.folder.bytes(), 0);
    assert_eq!(stage.names(), ["note.txt"], "what is no file of packed weights stays");
    assert!(stage.kept("unet", 200).exists());
}

#[test]
fn what_was_packed_is_found_as_it_was_and_where_kernels_can_read_it() {
    let stage = Stage::new();
    let path = stage.kept("unet", 1000);
    set_used(&path, OLD);
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let found: Found = Box::new(move |name, shape, dtype| {
        tell.lock().unwrap().push((name.to_owned(), shape.to_vec(), dtype));
    });
    let keeping = stage.keeping_told("unet", found);
    let kept = keeping.find("a.weight", &[2, 3]).unwrap();
    assert_eq!(kept.form, Form::Split);
    let sections: Vec<&[u8]> = kept.sections.iter().map(|section| &section[..]).collect();
    assert_eq!(sections, [&bytes(1000, 1)[..], &bytes(7, 2)[..]]);
    assert!(sections.iter().all(|section| section.as_ptr().addr().is_multiple_of(64)));
    assert_eq!(keeping.find("b.weight", &[2, 3]).unwrap().sections[0][..], bytes(64, 3)[..]);
    assert!(is_used_just_now(&path));
    // Another shape is another tensor.
    assert!(keeping.find("b.weight", &[3, 2]).is_none());
    assert!(keeping.find("c.weight", &[2, 3]).is_none());
    let names = ["a.weight", "b.weight"].map(|name| (name.to_owned(), vec![2usize, 3], DType::F16));
    assert_eq!(*told.lock().unwrap(), names);
    // And what is mapped stays when its file goes.
    #[cfg(unix)]
    {
        std::fs::remove_file(&path).unwrap();
        assert_eq!(kept.sections[1][..], bytes(7, 2)[..]);
    }
}

#[test]
fn small_networks_leave_no_files() {
    let stage = Stage::new();
    for (part, count) in [("vae", 99), ("unet", 100)] {
        let keeping = stage.keeping(part);
        take(&keeping, "a.weight", vec![section(bytes(60, 1)), section(bytes(count - 60, 1))]);
        keeping.finish();
    }
    wait_for(&stage.folder.path_of(&stage.identity("unet")));
    assert_eq!(stage.folder.files().count(), 1);
}

#[test]
fn a_network_that_was_built_is_written_by_itself() {
    let stage = Stage::new();
    let keeping = stage.keeping("unet");
    take(&keeping, "a.weight", vec![section(bytes(2000, 1))]);
    keeping.finish();
    wait_for(&stage.folder.path_of(&stage.identity("unet")));
    assert_eq!(stage.keeping("unet").find("a.weight", &[2, 3]).unwrap().sections[0][..], bytes(2000, 1)[..]);
}

#[test]
fn damaged_files_are_as_if_they_were_not_there_and_go() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 7] = [
        ("empty", Vec::clear),
        ("another magic", |file| file[15] = b'2'),
        ("a header longer than any", |file| file[16..24].copy_from_slice(&u64::MAX.to_le_bytes())),
        ("a header longer than the file", |file| file[16..24].copy_from_slice(&(1u64 << 20).to_le_bytes())),
        ("no JSON", |file| file[24] = b'['),
        ("cut within the header", |file| file.truncate(100)),
        ("cut within the last section", |file| file.truncate(file.len() - 1)),
    ];
    let stage = Stage::new();
    for (what, damage) in damages {
        let path = stage.kept("unet", 1000);
        let mut file = std::fs::read(&path).unwrap();
        damage(&mut file);
        std::fs::write(&path, file).unwrap();
        assert!(stage.keeping("unet").find("a.weight", &[2, 3]).is_none(), "{what}");
        assert!(!path.exists(), "{what}");
    }
}

#[test]
fn what_a_header_lists_must_be_there() {
    let stage = Stage::new();
    // A section that ends behind the file, one that begins there, one whose end is no number, and one that does not begin where it must; and a
    // form and numbers that there are not.
    let damages = [
        ("[1024,7]", "[1024,9999999]"),
        ("[1024,7]", "[999936,7]"),
        ("[1024,7]", "[1024,18446744073709551615]"),
        ("[1024,7]", "[1032,7]"),
        ("\"split\"", "\"splat\""),
        ("\"f16\"", "\"f61\""),
    ];
    for (from, to) in damages {
        let path = stage.kept("unet", 1000);
        let file = std::fs::read(&path).unwrap();
        let length = u64::from_le_bytes(file[16..24].try_into().unwrap()) as usize;
        let header = str::from_utf8(&file[24..24 + length]).unwrap();
        assert!(header.contains(from), "{header}");
        let damaged = header.replacen(from, to, 1);
        let mut head = [&file[..16], &(damaged.len() as u64).to_le_bytes(), damaged.as_bytes()].concat();
        head.resize(head.len().next_multiple_of(64), 0);
        let sections = &file[(24 + length).next_multiple_of(64)..];
        std::fs::write(&path, [&head[..], sections].concat()).unwrap();
        assert!(stage.keeping("unet").find("b.weight", &[2, 3]).is_none(), "{to}");
        assert!(!path.exists(), "{to}");
    }
}

#[test]
fn a_file_of_other_weights_is_not_taken_for_those() {
    let stage = Stage::new();
    let of_vae = stage.kept("vae", 1000);
    let path = stage.folder.path_of(&stage.identity("unet"));
    assert_ne!(of_vae, path);
    std::fs::rename(of_vae, &path).unwrap();
    assert!(stage.keeping("unet").find("a.weight", &[2, 3]).is_none());
    assert!(!path.exists());
}

#[test]
fn other_numbers_and_other_files_are_kept_apart() {
    let stage = Stage::new();
    let before = stage.identity("unet");
    assert_eq!(before.name(), stage.identity("unet").name());
    let in_bf16 = Identity::of("unet", DType::BF16, &[stage.original()]).unwrap();
    assert_ne!(before.name(), in_bf16.name());
    // As long as before, and older.
    let file = File::options().write(true).open(stage.original()).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(500)).unwrap();
    assert_eq!(before.files_now(), Now::Other);
    assert!(!before.is_of(&[stage.original()]));
    assert_ne!(before.name(), stage.identity("unet").name());
    std::fs::remove_file(stage.original()).unwrap();
    assert!(Identity::of("unet", DType::F32, &[stage.original()]).is_none());
    assert_eq!(before.files_now(), Now::OutOfSight);
}

#[test]
fn a_file_whose_time_says_nothing_is_not_known_again() {
    let stage = Stage::new();
    let set = |since: u64| {
        let file = File::options().write(true).open(stage.original()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(since)).unwrap();
        Identity::of("unet", DType::F32, &[stage.original()])
    };
    assert!(set(1).is_none());
    assert!(set(48 * 3600).is_some());
}

/// As programs do that keep the times of what they copy.
#[cfg(unix)]
#[test]
fn another_file_with_the_length_and_the_time_of_one_is_another() {
    let stage = Stage::new();
    let before = stage.identity("unet");
    let modified = stage.original().metadata().unwrap().modified().unwrap();
    // The clock of a disk may be as coarse as this.
    std::thread::sleep(Duration::from_millis(100));
    std::fs::write(stage.original(), "WEIGHTS").unwrap();
    File::options().write(true).open(stage.original()).unwrap().set_modified(modified).unwrap();
    assert_eq!(before.files_now(), Now::Other);
    assert_ne!(before.name(), stage.identity("unet").name());
}

#[cfg(unix)]
#[test]
fn two_names_of_a_model_are_one_and_a_link_that_is_turned_elsewhere_is_seen() {
    let stage = Stage::new();
    let [link, other] = ["link", "b.safetensors"].map(|name| stage.home.path().join(name));
    std::fs::write(&other, "weights").unwrap();
    std::os::unix::fs::symlink(stage.original(), &link).unwrap();
    let keeping = stage.folder.keeping("unet", DType::F32, vec![link.clone()], Box::new(|_, _, _| ())).unwrap();
    assert_eq!(keeping.identity, stage.identity("unet"));
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    take(&keeping, "a.weight", vec![section(bytes(1000, 1))]);
    assert!(keeping.to_be_written().is_none());
}

#[test]
fn what_waits_to_be_written_leaves_memory_for_what_comes() {
    assert!(is_room_beside(1 << 30, Some(3 << 29)));
    assert!(!is_room_beside(1 << 30, Some((3 << 29) - 3)));
    // Systems that do not tell are not known to have too little.
    assert!(is_room_beside(1 << 30, None));
}

#[test]
fn a_model_that_is_changed_while_it_is_packed_leaves_no_file() {
    let stage = Stage::new();
    let (keeping, later, identity) = (stage.keeping("unet"), stage.keeping("unet"), stage.identity("unet"));
    for keeping in [&keeping, &later] {
        take(keeping, "a.weight", vec![section(bytes(1000, 1))]);
    }
    let taken = keeping.to_be_written().unwrap();
    std::fs::write(stage.original(), "other weights").unwrap();
    stage.folder.write(&identity, taken).unwrap_err();
    assert_eq!(stage.names(), [""; 0]);
    assert!(later.to_be_written().is_none());
}

#[test]
fn what_was_used_longest_ago_makes_room() {
    let mut stage = Stage::new();
    let [a, b, c] = ["a", "b", "c"].map(|part| stage.kept(part, 10_000));
    let bytes = a.metadata().unwrap().len();
    for (path, hours) in [(&a, 30), (&b, 50), (&c, 40)] {
        set_used(path, Duration::from_secs(hours * 3600));
    }
    stage.folder.most = Limit::Bytes(3 * bytes + bytes / 2);
    // A use counts.
    assert!(stage.keeping("b").find("a.weight", &[2, 3]).is_some());
    let d = stage.kept("d", 10_000);
    assert!(!c.exists() && [&a, &b, &d].iter().all(|path| path.exists()));
    let e = stage.kept("e", 10_000);
    assert!(!a.exists() && [&b, &d, &e].iter().all(|path| path.exists()));
}

#[test]
fn what_does_not_fit_is_not_written_and_costs_nothing() {
    let mut stage = Stage::new();
    let path = stage.kept("a", 10_000);
    set_used(&path, OLD / 2);
    stage.folder.most = Limit::Bytes(15_000);
    let keeping = stage.keeping("b");
    take(&keeping, "a.weight", vec![section(bytes(15_000, 1))]);
    stage.folder.write(&stage.identity("b"), keeping.to_be_written().unwrap()).unwrap_err();
    assert_eq!(stage.names().len(), 1);
    assert!(path.exists());
}

#[test]
fn what_another_program_is_writing_takes_its_place() {
    let mut stage = Stage::new();
    stage.folder.most = Limit::Bytes(15_000);
    std::fs::create_dir_all(&stage.folder.folder).unwrap();
    std::fs::write(stage.folder.folder.join(".a.part"), bytes(10_000, 1)).unwrap();
    let write = |part| {
        let keeping = stage.keeping(part);
        take(&keeping, "a.weight", vec![section(bytes(10_000, 1))]);
        stage.folder.write(&stage.identity(part), keeping.to_be_written().unwrap())
    };
    write("unet").unwrap_err();
    set_used(&stage.folder.folder.join(".a.part"), 2 * ABANDONED);
    write("unet").unwrap();
}

#[test]
fn a_share_of_the_disk_may_be_taken_and_never_all_of_it() {
    const GIB: u64 = 1 << 30;
    assert_eq!(Limit::Share.bytes(10 * GIB, Some(90 * GIB)), 10 * GIB);
    assert_eq!(Limit::Share.bytes(GIB, Some(GIB)), 0);
    assert_eq!(Limit::Bytes(20 * GIB).bytes(0, Some(90 * GIB)), 20 * GIB);
    assert_eq!(Limit::Bytes(20 * GIB).bytes(GIB, Some(5 * GIB)), 4 * GIB);
    assert_eq!(Limit::Bytes(20 * GIB).bytes(0, Some(GIB)), 0);
    // Of a disk of which nothing is known.
    assert_eq!(Limit::Share.bytes(GIB, None), 0);
    assert_eq!(Limit::Bytes(20 * GIB).bytes(GIB, None), 20 * GIB);
}

#[test]
fn parts_of_one_model_do_not_take_the_place_of_each_other_with_each_start() {
    let mut stage = Stage::new();
    stage.folder.most = Limit::Bytes(16_000);
    let text = stage.kept("text", 3_000);
    let unet = stage.kept("unet", 13_000);
    assert!(!text.exists() && unet.exists());
    // The day after, what is read first is packed before the U-Net was used again.
    for (part, unused) in [("vae", Duration::ZERO), ("text", Duration::ZERO), ("text", OLD)] {
        set_used(&unet, unused);
        let keeping = stage.keeping(part);
        take(&keeping, "a.weight", vec![section(bytes(4_000, 1))]);
        stage.folder.write(&stage.identity(part), keeping.to_be_written().unwrap()).unwrap_err();
        assert!(unet.exists(), "{part} after {unused:?}");
    }
    set_used(&unet, 2 * UNUSED);
    let text = stage.kept("text", 4_000);
    assert!(text.exists() && !unet.exists());
    // As large as the one that is there, it need not wait so long.
    set_used(&text, OLD);
    let other = stage.kept("other", 12_000);
    set_used(&other, OLD);
    assert!(stage.kept("unet", 11_000).exists() && !other.exists());
}

#[test]
fn none_are_kept_where_none_may_be_and_those_that_are_there_go() {
    let stage = Stage::new();
    let path = stage.kept("unet", 1000);
    let beside = stage.folder.folder.join("of somebody.txt");
    std::fs::write(&beside, "").unwrap();
    let none = PackedFolder::new(stage.folder.folder.clone(), Some(0));
    assert!(none.keeping("unet", DType::F32, vec![stage.original()], Box::new(|_, _, _| ())).is_none());
    none.tidy_now();
    assert!(!path.exists() && beside.exists());
}

#[test]
fn what_is_of_no_use_any_more_goes() {
    let stage = Stage::new();
    let unet = stage.kept("unet", 1000);
    let [young, old] = [".young.part", ".old.part"].map(|name| stage.folder.folder.join(name));
    for path in [&young, &old] {
        std::fs::write(path, "").unwrap();
    }
    set_used(&old, 2 * ABANDONED);
    let damaged = stage.folder.folder.join("0123456789abcdef.packed");
    std::fs::write(&damaged, "sfumato").unwrap();
    stage.folder.tidy_now();
    assert!(unet.exists() && young.exists() && !old.exists() && !damaged.exists());
    std::fs::write(stage.original(), "other weights").unwrap();
    stage.folder.tidy_now();
    assert!(!unet.exists());
}

#[test]
fn what_another_version_kept_stays_as_long_as_that_may_be_in_use() {
    let stage = Stage::new();
    for (field, text) in [("version", "0.0.0"), ("packing", "layout 0")] {
        let other = with_other(&stage.identity("unet"), field, text);
        let keeping = stage.keeping("unet");
        take(&keeping, "a.weight", vec![section(bytes(1000, 1))]);
        stage.folder.write(&other, keeping.to_be_written().unwrap()).unwrap();
        let path = stage.folder.path_of(&other);
        stage.folder.tidy_now();
        assert!(path.exists(), "{field}");
        set_used(&path, 2 * OLD);
        stage.folder.tidy_now();
        assert!(!path.exists(), "{field}");
    }
}

#[test]
fn what_was_kept_of_a_model_that_is_out_of_sight_stays_for_some_time() {
    let stage = Stage::new();
    let path = stage.kept("unet", 1000);
    std::fs::rename(stage.original(), stage.home.path().join("elsewhere")).unwrap();
    set_used(&path, FORGOTTEN / 2);
    stage.folder.tidy_now();
    assert!(path.exists());
    set_used(&path, FORGOTTEN * 2);
    stage.folder.tidy_now();
    assert!(!path.exists());
}

#[test]
fn a_file_that_kernels_do_not_want_goes() {
    let stage = Stage::new();
    let path = stage.kept("unet", 1000);
    let keeping = stage.keeping("unet");
    assert!(keeping.find("a.weight", &[2, 3]).is_some());
    assert!(keeping.to_be_written().is_none());
    assert!(path.exists());
    // Little as it is.
    take(&keeping, "a.weight", vec![section(bytes(10, 1))]);
    assert!(keeping.to_be_written().is_none());
    assert!(!path.exists());
}

#[test]
fn a_file_is_as_long_as_was_planned() {
    let stage = Stage::new();
    let path = stage.kept("unet", 1000);
    let tensors = file::open(&path, &stage.identity("unet")).unwrap();
    assert_eq!(bytes_of(&tensors), 1000 + 7 + 64);
    let plan = file::Plan::of(&stage.identity("unet"), &tensors).unwrap();
    assert_eq!(plan.bytes, path.metadata().unwrap().len());
}
