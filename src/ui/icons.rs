//! The icons: lines and shapes on a grid of 24 by 24, drawn by the painter. No font and no file is needed for them, and they
//! take the colour of the text beside them.

use super::paint_icons;
use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

/// An icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each name says what is drawn")]
pub enum Icon {
    Hand,
    Brush,
    Eraser,
    Undo,
    Redo,
    Clear,
    Invert,
    Fit,
    Enlarge,
    Die,
    LockOpen,
    LockClosed,
    Swap,
    Plus,
    Minus,
    Close,
    Trash,
    Grid,
    Help,
    Sun,
    Moon,
    HalfSun,
    Stop,
    Search,
    Folder,
    Save,
    Picture,
    Warning,
    Info,
    Down,
    Up,
    Play,
    Recall,
    Copy,
    Panels,
    Clock,
    Bounds,
    MaskBrush,
    MaskEraser,
    MaskRectangle,
    MaskEllipse,
    MaskLasso,
    MaskPolygon,
    MaskWand,
    QuickMask,
    Smudge,
    Line,
    Gradient,
    Transform,
    FlipSideways,
    FlipUpsideDown,
    Crop,
    Bucket,
    Pipette,
    Eye,
    EyeClosed,
    Checker,
    MergeDown,
}

/// Draws on the grid: coordinates go from 0 to 24, rightwards and down.
pub(super) struct Pen<'a> {
    painter: &'a Painter,
    rect: Rect,
    stroke: Stroke,
}

impl Pen<'_> {
    pub(super) fn at(&self, (x, y): (f32, f32)) -> Pos2 {
        self.rect.min + vec2(x, y) * (self.rect.width() / 24.0)
    }

    pub(super) fn line(&self, points: &[(f32, f32)]) {
        self.painter.add(Shape::line(points.iter().map(|&p| self.at(p)).collect(), self.stroke));
    }

    pub(super) fn closed(&self, points: &[(f32, f32)]) {
        self.painter.add(Shape::closed_line(points.iter().map(|&p| self.at(p)).collect(), self.stroke));
    }

    pub(super) fn filled(&self, points: &[(f32, f32)]) {
        let points = points.iter().map(|&p| self.at(p)).collect();
        self.painter.add(Shape::convex_polygon(points, self.stroke.color, Stroke::NONE));
    }

    pub(super) fn circle(&self, centre: (f32, f32), radius: f32) {
        self.painter.circle_stroke(self.at(centre), radius * self.rect.width() / 24.0, self.stroke);
    }

    pub(super) fn dot(&self, centre: (f32, f32), radius: f32) {
        self.painter.circle_filled(self.at(centre), radius * self.rect.width() / 24.0, self.stroke.color);
    }

    pub(super) fn frame(&self, (left, top): (f32, f32), (right, bottom): (f32, f32), radius: f32) {
        let rect = Rect::from_min_max(self.at((left, top)), self.at((right, bottom)));
        let radius = radius * self.rect.width() / 24.0;
        self.painter.rect_stroke(rect, radius, self.stroke, egui::StrokeKind::Middle);
    }

    /// Part of a circle: angles in degrees, clockwise from the right.
    pub(super) fn arc(&self, centre: (f32, f32), radius: f32, from: f32, to: f32) {
        self.line(&arc_points(centre, radius, from, to));
    }
}

fn arc_points((x, y): (f32, f32), radius: f32, from: f32, to: f32) -> Vec<(f32, f32)> {
    (0..=20)
        .map(|i| (from + (to - from) * i as f32 / 20.0).to_radians())
        .map(|angle| (x + radius * angle.cos(), y + radius * angle.sin()))
        .collect()
}

/// Draws an icon into a square.
pub fn paint(painter: &Painter, icon: Icon, rect: Rect, colour: Color32) {
    let side = rect.width().min(rect.height());
    let rect = Rect::from_center_size(rect.center(), vec2(side, side));
    let pen = Pen { painter, rect, stroke: Stroke::new((side / 24.0 * 1.8).max(1.2), colour) };
    match icon {
        Icon::Hand | Icon::Brush | Icon::Eraser | Icon::Undo | Icon::Redo | Icon::Clear | Icon::Invert => {
            paint_tool(&pen, icon);
        }
        Icon::QuickMask
        | Icon::MaskBrush
        | Icon::MaskEraser
        | Icon::Bucket
        | Icon::Pipette
        | Icon::Smudge
        | Icon::Line
        | Icon::Gradient => paint_icons::brush_like(&pen, icon),
        Icon::Bounds
        | Icon::MaskRectangle
        | Icon::MaskEllipse
        | Icon::MaskLasso
        | Icon::MaskPolygon
        | Icon::MaskWand => {
            paint_icons::area(&pen, icon);
        }
        Icon::Transform | Icon::FlipSideways | Icon::FlipUpsideDown | Icon::Crop => paint_icons::frame(&pen, icon),
        Icon::Eye | Icon::EyeClosed | Icon::Checker | Icon::MergeDown => paint_icons::layer_sign(&pen, icon),
        Icon::Die | Icon::LockOpen | Icon::LockClosed | Icon::Sun | Icon::Moon | Icon::HalfSun | Icon::Clock => {
            paint_object(&pen, icon);
        }
        Icon::Trash | Icon::Folder | Icon::Save | Icon::Picture | Icon::Copy | Icon::Panels | Icon::Grid => {
            paint_file(&pen, icon);
        }
        _ => paint_sign(&pen, icon),
    }
}

fn paint_hand(pen: &Pen) {
    pen.line(&[(8.0, 14.0), (8.0, 6.5), (8.6, 5.3), (9.9, 5.3), (10.5, 6.5), (10.5, 11.0)]);
    pen.line(&[(10.5, 6.0), (10.5, 4.4), (11.2, 3.3), (12.3, 3.3), (13.0, 4.4), (13.0, 11.0)]);
    pen.line(&[(13.0, 5.2), (13.6, 4.2), (14.8, 4.2), (15.5, 5.2), (15.5, 11.5)]);
    pen.line(&[(15.5, 7.8), (16.2, 6.8), (17.3, 6.8), (18.0, 7.8), (18.0, 14.5), (17.2, 18.0), (15.0, 20.5)]);
    pen.line(&[(15.0, 20.5), (11.0, 20.7), (8.6, 19.4), (4.3, 13.6), (4.6, 12.2), (6.0, 12.0), (8.0, 14.0)]);
}

fn paint_tool(pen: &Pen, icon: Icon) {
    match icon {
        Icon::Hand => paint_hand(pen),
        Icon::Brush => {
            pen.line(&[(20.2, 3.8), (11.2, 13.2)]);
            pen.line(&[(20.2, 3.8), (8.8, 11.0)]);
            pen.line(&[(8.8, 11.0), (11.2, 13.2)]);
            pen.filled(&[(8.4, 12.2), (10.4, 14.2), (10.2, 17.0), (8.2, 19.2), (4.0, 20.2), (5.6, 18.0), (5.8, 14.4)]);
        }
        Icon::Eraser => {
            pen.closed(&[(14.0, 4.0), (20.5, 10.5), (11.5, 19.5), (8.0, 19.5), (3.8, 15.2), (3.8, 14.2)]);
            pen.line(&[(8.8, 9.2), (15.3, 15.7)]);
            pen.line(&[(8.0, 19.5), (20.5, 19.5)]);
        }
        Icon::Undo => {
            pen.line(&[(9.0, 4.5), (4.5, 9.0), (9.0, 13.5)]);
            let mut path = vec![(4.5, 9.0)];
            path.extend(arc_points((14.0, 14.25), 5.25, -90.0, 90.0));
            path.push((9.0, 19.5));
            pen.line(&path);
        }
        Icon::Redo => {
            pen.line(&[(15.0, 4.5), (19.5, 9.0), (15.0, 13.5)]);
            let mut path = vec![(19.5, 9.0)];
            path.extend(arc_points((10.0, 14.25), 5.25, -90.0, -270.0));
            path.push((15.0, 19.5));
            pen.line(&path);
        }
        Icon::Clear => {
            for i in 0..8 {
                let start = i as f32 * 45.0 + 6.0;
                pen.arc((12.0, 12.0), 8.5, start, start + 30.0);
            }
            pen.line(&[(9.0, 9.0), (15.0, 15.0)]);
            pen.line(&[(15.0, 9.0), (9.0, 15.0)]);
        }
        _ => {
            pen.circle((12.0, 12.0), 8.5);
            pen.filled(&arc_points((12.0, 12.0), 8.5, -90.0, 90.0));
        }
    }
}

fn paint_object(pen: &Pen, icon: Icon) {
    match icon {
        Icon::Die => {
            pen.frame((4.0, 4.0), (20.0, 20.0), 3.5);
            for spot in [(8.5, 8.5), (15.5, 8.5), (12.0, 12.0), (8.5, 15.5), (15.5, 15.5)] {
                pen.dot(spot, 1.5);
            }
        }
        Icon::LockClosed | Icon::LockOpen => {
            pen.frame((5.0, 11.0), (19.0, 20.5), 2.0);
            let (shift, end) = if icon == Icon::LockOpen { (0.0, 350.0) } else { (0.0, 360.0) };
            let mut bow = vec![(8.0 + shift, 11.0)];
            bow.extend(arc_points((12.0 + shift, 7.5), 4.0, 180.0, end));
            if icon == Icon::LockClosed {
                bow.push((16.0, 11.0));
            }
            pen.line(&bow);
            pen.dot((12.0, 15.5), 1.5);
        }
        Icon::Sun | Icon::HalfSun => {
            pen.circle((12.0, 12.0), 4.2);
            for i in 0..8 {
                let angle = (i as f32 * 45.0).to_radians();
                let (x, y) = (angle.cos(), angle.sin());
                pen.line(&[(12.0 + x * 7.2, 12.0 + y * 7.2), (12.0 + x * 9.4, 12.0 + y * 9.4)]);
            }
            if icon == Icon::HalfSun {
                pen.filled(&arc_points((12.0, 12.0), 4.2, 90.0, 270.0));
            }
        }
        Icon::Moon => {
            let mut edge = arc_points((12.0, 12.0), 8.2, -60.0, -330.0);
            edge.extend(arc_points((15.6, 8.4), 6.6, 70.0, 200.0));
            pen.closed(&edge);
        }
        _ => {
            pen.circle((12.0, 12.0), 8.5);
            pen.line(&[(12.0, 7.0), (12.0, 12.5), (15.8, 14.6)]);
        }
    }
}

fn paint_file(pen: &Pen, icon: Icon) {
    match icon {
        Icon::Trash => {
            pen.line(&[(4.5, 6.5), (19.5, 6.5)]);
            pen.line(&[(9.0, 6.5), (9.5, 4.0), (14.5, 4.0), (15.0, 6.5)]);
            pen.line(&[(6.2, 6.5), (7.2, 20.0), (16.8, 20.0), (17.8, 6.5)]);
            pen.line(&[(10.2, 10.0), (10.5, 16.5)]);
            pen.line(&[(13.8, 10.0), (13.5, 16.5)]);
        }
        Icon::Folder => {
            pen.closed(&[(3.5, 6.0), (9.5, 6.0), (11.5, 8.5), (20.5, 8.5), (20.5, 19.0), (3.5, 19.0)]);
        }
        Icon::Save => {
            pen.line(&[(12.0, 3.5), (12.0, 14.5)]);
            pen.line(&[(7.5, 10.0), (12.0, 14.5), (16.5, 10.0)]);
            pen.line(&[(4.0, 15.5), (4.0, 20.0), (20.0, 20.0), (20.0, 15.5)]);
        }
        Icon::Picture => {
            pen.frame((3.5, 4.5), (20.5, 19.5), 2.0);
            pen.dot((8.5, 9.5), 1.6);
            pen.line(&[(4.0, 17.5), (9.5, 13.0), (12.5, 15.5), (16.5, 11.0), (20.2, 14.5)]);
        }
        Icon::Copy => {
            pen.frame((8.5, 8.5), (20.0, 20.0), 2.0);
            pen.line(&[(8.0, 15.5), (4.0, 15.5), (4.0, 4.0), (15.5, 4.0), (15.5, 8.0)]);
        }
        Icon::Panels => {
            pen.frame((3.5, 4.5), (20.5, 19.5), 2.0);
            pen.line(&[(14.5, 4.5), (14.5, 19.5)]);
        }
        _ => {
            for corner in [(4.0, 4.0), (13.5, 4.0), (4.0, 13.5), (13.5, 13.5)] {
                pen.frame(corner, (corner.0 + 6.5, corner.1 + 6.5), 1.2);
            }
        }
    }
}

fn paint_sign(pen: &Pen, icon: Icon) {
    match icon {
        Icon::Fit => {
            pen.line(&[(4.0, 9.0), (4.0, 4.0), (9.0, 4.0)]);
            pen.line(&[(15.0, 4.0), (20.0, 4.0), (20.0, 9.0)]);
            pen.line(&[(20.0, 15.0), (20.0, 20.0), (15.0, 20.0)]);
            pen.line(&[(9.0, 20.0), (4.0, 20.0), (4.0, 15.0)]);
        }
        Icon::Enlarge => {
            pen.frame((4.0, 13.0), (11.0, 20.0), 1.5);
            pen.line(&[(11.5, 12.5), (20.0, 4.0)]);
            pen.line(&[(13.5, 4.0), (20.0, 4.0), (20.0, 10.5)]);
        }
        Icon::Swap => {
            pen.line(&[(4.0, 8.5), (19.5, 8.5)]);
            pen.line(&[(15.5, 4.5), (19.5, 8.5), (15.5, 12.0)]);
            pen.line(&[(20.0, 15.5), (4.5, 15.5)]);
            pen.line(&[(8.5, 12.0), (4.5, 15.5), (8.5, 19.5)]);
        }
        Icon::Plus => {
            pen.line(&[(12.0, 5.0), (12.0, 19.0)]);
            pen.line(&[(5.0, 12.0), (19.0, 12.0)]);
        }
        Icon::Minus => pen.line(&[(5.0, 12.0), (19.0, 12.0)]),
        Icon::Close => {
            pen.line(&[(6.0, 6.0), (18.0, 18.0)]);
            pen.line(&[(18.0, 6.0), (6.0, 18.0)]);
        }
        Icon::Help => {
            pen.circle((12.0, 12.0), 9.0);
            let mut hook = arc_points((12.0, 9.6), 2.8, -190.0, 40.0);
            hook.extend([(12.0, 12.6), (12.0, 13.8)]);
            pen.line(&hook);
            pen.dot((12.0, 16.8), 1.2);
        }
        Icon::Info => {
            pen.circle((12.0, 12.0), 9.0);
            pen.line(&[(12.0, 11.0), (12.0, 16.5)]);
            pen.dot((12.0, 7.8), 1.2);
        }
        Icon::Warning => {
            pen.closed(&[(12.0, 3.8), (21.0, 19.8), (3.0, 19.8)]);
            pen.line(&[(12.0, 9.5), (12.0, 14.0)]);
            pen.dot((12.0, 16.8), 1.1);
        }
        Icon::Stop => pen.filled(&[(6.5, 6.5), (17.5, 6.5), (17.5, 17.5), (6.5, 17.5)]),
        Icon::Play => pen.filled(&[(7.5, 5.0), (19.0, 12.0), (7.5, 19.0)]),
        Icon::Search => {
            pen.circle((10.5, 10.5), 6.0);
            pen.line(&[(15.0, 15.0), (20.0, 20.0)]);
        }
        Icon::Down => pen.line(&[(6.0, 9.0), (12.0, 15.0), (18.0, 9.0)]),
        Icon::Up => pen.line(&[(6.0, 15.0), (12.0, 9.0), (18.0, 15.0)]),
        _ => {
            pen.arc((12.0, 12.5), 7.5, -60.0, -330.0);
            pen.line(&[(16.5, 2.6), (16.0, 6.4), (12.2, 6.2)]);
            pen.line(&[(12.0, 8.5), (12.0, 13.0), (15.0, 14.5)]);
        }
    }
}

/// Where an icon of this size stands at the left of a button, for a caller that paints it itself.
pub fn left_in(rect: Rect, side: f32, inset: f32) -> Rect {
    Rect::from_center_size(pos2(rect.left() + inset + side / 2.0, rect.center().y), vec2(side, side))
}
