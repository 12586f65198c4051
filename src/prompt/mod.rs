//! From prompt to token ids.
