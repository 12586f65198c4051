//! The window: eframe shell around the session and the panels.
