//! How far what is computed here is off what others compute: held against what is allowed, and written down for `examples/parity.rs`, which
//! makes one table of it.

use std::io::Write;

/// `off` is how far the `case` of a `section` is from its `source`, and must not be more than `allowed`.
///
/// # Panics
/// If it is more, or not a number.
pub(crate) fn within(section: &str, case: &str, source: &str, off: f64, allowed: f64) {
    if let Some(path) = std::env::var_os("SFUMATO_PARITY") {
        let line = serde_json::json!({
            "section": section, "case": case, "source": source, "off": off, "allowed": allowed
        });
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the report's file opens");
        // In one piece, since several tests write.
        file.write_all(format!("{line}\n").as_bytes()).expect("the report's file takes a line");
    }
    assert!(off <= allowed, "{section}, {case}: {off:e} off {source}, more than {allowed:e}");
}
