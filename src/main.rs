//! The `sfumato` program: without arguments the window, with a subcommand the same work without one.

fn main() {}
