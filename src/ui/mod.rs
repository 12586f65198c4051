//! egui panels: read the session, return actions.
