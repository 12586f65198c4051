//! The networks: pure `Config -> new(weights) -> forward`.
