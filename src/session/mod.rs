//! The application without a window: what is being edited, what is queued, what was made. The window reads it and returns
//! [`Action`]s; [`Session::apply`] carries them out; [`Session::poll`] takes in what the engine and the gallery report.

mod action;

pub use action::Action;
