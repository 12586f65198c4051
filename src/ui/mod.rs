//! egui panels: read the session, return actions. One file a panel; what they share is in `widgets`, [`theme`] and the table
//! of [`shortcuts`]. Nothing here changes the session but the draft, which is edited in place.

mod areas;
mod bounds;
mod brush_panel;
pub mod canvas;
mod colour;
mod compare;
mod filmstrip;
mod finer_panel;
mod gallery;
mod get_models;
mod guide_panel;
mod help;
pub mod icons;
mod layers_panel;
mod layout;
mod led;
mod menu;
mod model_picker;
mod notices;
mod options;
mod paint_icons;
mod perform;
mod pointer;
mod prompt_panel;
mod result_bar;
mod settings_panel;
pub mod shortcuts;
mod size_window;
mod start_panel;
mod state;
mod status;
mod styles;
pub mod theme;
mod thumbnails;
mod toolbar;
mod tools;
mod track;
mod transform;
mod view;
mod way_bar;
mod widgets;

pub use layout::window_ui;
pub use state::{Ask, Outbox, ViewState};
pub use thumbnails::{color_image, picture_of};
pub use view::{CanvasView, Placement};
