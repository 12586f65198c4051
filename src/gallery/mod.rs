//! Every result with its request, source and mask: stored crash-safe, searchable.

/// Names a result for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub i64);
