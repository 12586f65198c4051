//! The icons of what paints, masks and layers.

use super::icons::{Icon, Pen};

pub(super) fn brush_like(pen: &Pen, icon: Icon) {
    match icon {
        Icon::MaskBrush | Icon::MaskEraser => {
            for i in 0..8 {
                let start = i as f32 * 45.0 + 6.0;
                pen.arc((12.0, 12.0), 9.0, start, start + 30.0);
            }
            if icon == Icon::MaskBrush {
                pen.dot((12.0, 12.0), 4.6);
            } else {
                pen.line(&[(8.2, 12.0), (15.8, 12.0)]);
            }
        }
        Icon::QuickMask => {
            pen.frame((3.5, 4.5), (20.5, 19.5), 1.5);
            pen.dot((12.0, 12.0), 4.6);
        }
        Icon::Smudge => {
            // A finger that leaves a trail.
            pen.line(&[(9.0, 16.8), (5.6, 12.2), (6.2, 10.6), (7.8, 10.4), (10.4, 12.8)]);
            pen.line(&[(10.4, 13.4), (10.4, 4.6), (11.4, 3.4), (12.6, 3.4), (13.6, 4.6), (13.6, 10.2)]);
            pen.line(&[(13.6, 9.2), (17.4, 10.2), (18.4, 11.8), (17.6, 16.8)]);
            pen.line(&[(4.0, 20.4), (7.0, 19.2), (10.0, 20.6), (13.0, 19.2), (16.0, 20.6), (20.0, 19.4)]);
        }
        Icon::Line => {
            pen.line(&[(5.8, 18.2), (18.2, 5.8)]);
            pen.dot((5.0, 19.0), 2.2);
            pen.dot((19.0, 5.0), 2.2);
        }
        Icon::Gradient => {
            pen.frame((3.5, 5.5), (20.5, 18.5), 1.5);
            for (left, width) in [(5.5, 4.4), (10.8, 2.6), (14.6, 1.4), (17.4, 0.7)] {
                pen.filled(&[(left, 7.5), (left + width, 7.5), (left + width, 16.5), (left, 16.5)]);
            }
        }
        Icon::Bucket => {
            pen.closed(&[(11.0, 4.2), (18.6, 11.8), (11.0, 19.4), (3.6, 12.0)]);
            pen.line(&[(11.0, 9.5), (11.0, 3.6), (12.6, 2.4), (14.0, 3.6)]);
            pen.line(&[(5.4, 12.6), (17.8, 12.6)]);
            pen.filled(&[(20.2, 14.0), (22.0, 17.6), (21.4, 19.2), (20.2, 19.8), (19.0, 19.2), (18.4, 17.6)]);
        }
        _ => {
            pen.line(&[(13.6, 7.2), (5.2, 15.6), (4.2, 19.8), (8.4, 18.8), (16.8, 10.4)]);
            pen.line(&[(12.0, 5.6), (18.4, 12.0)]);
            pen.filled(&[(14.6, 7.4), (17.4, 4.2), (19.6, 4.4), (19.8, 6.6), (16.6, 9.4)]);
        }
    }
}

pub(super) fn area(pen: &Pen, icon: Icon) {
    let dashes = |pen: &Pen, path: &[(f32, f32)], every: usize| {
        path.chunks(2 * every).for_each(|dash| pen.line(&dash[..dash.len().min(every + 1)]));
    };
    match icon {
        Icon::Bounds => {
            for (x, y) in [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)] {
                let at = |right: f32, down: f32| (12.0 + x * right, 12.0 + y * down);
                pen.line(&[at(8.6, 3.6), at(8.6, 8.6), at(3.6, 8.6)]);
            }
            pen.dot((12.0, 12.0), 2.0);
        }
        Icon::MaskRectangle => {
            let side = |from: (f32, f32), to: (f32, f32)| {
                (0..=12).map(move |i| {
                    (from.0 + (to.0 - from.0) * i as f32 / 12.0, from.1 + (to.1 - from.1) * i as f32 / 12.0)
                })
            };
            let corners = [(4.0, 5.5), (20.0, 5.5), (20.0, 18.5), (4.0, 18.5), (4.0, 5.5)];
            for pair in corners.windows(2) {
                dashes(pen, &side(pair[0], pair[1]).collect::<Vec<_>>(), 2);
            }
        }
        Icon::MaskEllipse => {
            let round = (0..=32).map(|i| (i as f32 * 11.25).to_radians());
            let path: Vec<_> = round.map(|a| (12.0 + 8.6 * a.cos(), 12.0 + 6.8 * a.sin())).collect();
            dashes(pen, &path, 2);
        }
        Icon::MaskPolygon => {
            let corners = [(4.2, 16.4), (8.6, 4.6), (19.6, 8.2), (15.4, 13.2), (18.6, 19.6)];
            pen.closed(&corners);
            for corner in corners {
                pen.dot(corner, 1.8);
            }
        }
        Icon::MaskLasso => {
            let round = (0..=32).map(|i| (i as f32 * 11.25 - 200.0).to_radians());
            pen.line(&round.map(|a| (12.6 + 8.0 * a.cos(), 9.6 + 5.8 * a.sin())).collect::<Vec<_>>());
            pen.circle((6.4, 14.8), 1.9);
            pen.line(&[(6.0, 16.8), (6.8, 19.0), (5.2, 21.2)]);
        }
        _ => {
            pen.line(&[(4.0, 20.0), (13.6, 10.4)]);
            for (from, to) in [
                ((16.5, 2.8), (16.5, 6.0)),
                ((16.5, 9.0), (16.5, 12.2)),
                ((11.8, 7.5), (15.0, 7.5)),
                ((18.0, 7.5), (21.2, 7.5)),
            ] {
                pen.line(&[from, to]);
            }
        }
    }
}

pub(super) fn frame(pen: &Pen, icon: Icon) {
    match icon {
        Icon::Transform => {
            pen.line(&[(12.0, 3.4), (12.0, 20.6)]);
            pen.line(&[(3.4, 12.0), (20.6, 12.0)]);
            for (x, y) in [(0.0, -1.0), (0.0, 1.0), (-1.0, 0.0), (1.0, 0.0)] {
                let at = |along: f32, aside: f32| (12.0 + x * along + y * aside, 12.0 + y * along + x * aside);
                pen.line(&[at(6.2, 2.6), at(9.0, 0.0), at(6.2, -2.6)]);
            }
        }
        Icon::Crop => {
            pen.line(&[(6.5, 2.5), (6.5, 17.5), (21.5, 17.5)]);
            pen.line(&[(2.5, 6.5), (17.5, 6.5), (17.5, 21.5)]);
        }
        _ => {
            let at = |x: f32, y: f32| if icon == Icon::FlipSideways { (x, y) } else { (y, x) };
            for y in [3.0, 7.6, 12.2, 16.8] {
                pen.line(&[at(12.0, y), at(12.0, y + 2.8)]);
            }
            pen.closed(&[at(9.2, 5.6), at(9.2, 18.4), at(2.6, 18.4)]);
            pen.filled(&[at(14.8, 5.6), at(14.8, 18.4), at(21.4, 18.4)]);
        }
    }
}

pub(super) fn layer_sign(pen: &Pen, icon: Icon) {
    match icon {
        Icon::Eye => {
            let lid = |up: f32| {
                (0..=16).map(move |i| {
                    let share = i as f32 / 16.0;
                    (3.0 + 18.0 * share, 12.0 + up * 6.4 * (share * std::f32::consts::PI).sin())
                })
            };
            pen.line(&lid(-1.0).collect::<Vec<_>>());
            pen.line(&lid(1.0).collect::<Vec<_>>());
            pen.dot((12.0, 12.0), 2.9);
        }
        Icon::EyeClosed => {
            let lid = (0..=16).map(|i| {
                let share = i as f32 / 16.0;
                (3.0 + 18.0 * share, 11.0 + 5.0 * (share * std::f32::consts::PI).sin())
            });
            pen.line(&lid.collect::<Vec<_>>());
            for (from, to) in [((6.4, 14.2), (4.8, 17.0)), ((12.0, 16.0), (12.0, 19.4)), ((17.6, 14.2), (19.2, 17.0))] {
                pen.line(&[from, to]);
            }
        }
        Icon::Checker => {
            pen.frame((4.5, 4.5), (19.5, 19.5), 1.0);
            pen.filled(&[(4.5, 4.5), (12.0, 4.5), (12.0, 12.0), (4.5, 12.0)]);
            pen.filled(&[(12.0, 12.0), (19.5, 12.0), (19.5, 19.5), (12.0, 19.5)]);
        }
        _ => {
            pen.line(&[(4.0, 20.0), (20.0, 20.0)]);
            pen.line(&[(4.0, 4.5), (20.0, 4.5)]);
            pen.line(&[(12.0, 4.5), (12.0, 16.0)]);
            pen.line(&[(7.5, 11.5), (12.0, 16.0), (16.5, 11.5)]);
        }
    }
}
