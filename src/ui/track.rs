//! What the primary button did in a frame, press by press: a slow frame may hold all of a tap, or the end of one stroke and the
//! beginning of the next.

use crate::geom::Point;
use egui::{Event, InputState, PointerButton, Pos2};
use std::f32::consts::FRAC_PI_4;

/// The pointer's way from a press to where the button was let go, or as far as it went.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Track {
    /// Where the button was pressed, and how hard, 0..1; none where that was in an earlier frame.
    pub(super) start: Option<(Pos2, f32)>,
    /// Where the pointer went while the button was held, and how hard it was pressed there.
    pub(super) moves: Vec<(Pos2, f32)>,
    /// Whether the button was let go.
    pub(super) is_over: bool,
}

/// The tracks of this frame, in the order in which they were drawn. `pressure` is what a pen or a finger told last; 1 for a pointer
/// that cannot tell.
pub(super) fn tracks(input: &InputState, pressure: &mut f32) -> Vec<Track> {
    tracks_of(&input.events, input.pointer.primary_down(), pressure)
}

fn tracks_of(events: &[Event], is_held_now: bool, pressure: &mut f32) -> Vec<Track> {
    let pressed = |event: &Event| match event {
        Event::PointerButton { button: PointerButton::Primary, pressed, .. } => Some(*pressed),
        _ => None,
    };
    // What comes first, a press or a release, tells what was before it.
    let was_held = events.iter().find_map(pressed).map_or(is_held_now, |is_pressed| !is_pressed);
    let mut tracks = if was_held { vec![Track::default()] } else { Vec::new() };
    let mut has_touched = false;
    for event in events {
        let held = tracks.last_mut().filter(|track| !track.is_over);
        match event {
            Event::Touch { force, .. } => {
                *pressure = force.unwrap_or(1.0);
                has_touched = true;
            }
            Event::PointerMoved(at) => {
                if let Some(track) = held {
                    track.moves.push((*at, *pressure));
                }
            }
            Event::PointerButton { pos, button: PointerButton::Primary, pressed, .. } => {
                if let Some(track) = held {
                    track.is_over = true;
                }
                if *pressed {
                    if !has_touched {
                        *pressure = 1.0;
                    }
                    tracks.push(Track { start: Some((*pos, *pressure)), ..Track::default() });
                }
            }
            _ => {}
        }
    }
    tracks
}

/// A line along which a stroke is kept: to one of eight sides from where it was when that began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Straight {
    from: Point,
    /// A step of length 1 along it, once the pointer has told which it is.
    along: Option<(f32, f32)>,
}

impl Straight {
    /// From here on.
    pub(super) const fn from(from: Point) -> Self {
        Self { from, along: None }
    }

    /// The place on the line that is nearest; none until the pointer went further than `slack`, and it is known which line that is.
    pub(super) fn kept(&mut self, at: Point, slack: f32) -> Option<Point> {
        let (x, y) = (at.x - self.from.x, at.y - self.from.y);
        if self.along.is_none() && x.hypot(y) < slack {
            return None;
        }
        let (across, down) = *self.along.get_or_insert_with(|| {
            let side = (y.atan2(x) / FRAC_PI_4).round() * FRAC_PI_4;
            (side.cos(), side.sin())
        });
        let length = x * across + y * down;
        Some(Point::new(self.from.x + length * across, self.from.y + length * down))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Modifiers, TouchDeviceId, TouchId, TouchPhase, pos2};

    fn button(x: f32, pressed: bool) -> Event {
        Event::PointerButton { pos: pos2(x, 0.0), button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE }
    }

    fn moved(x: f32) -> Event {
        Event::PointerMoved(pos2(x, 0.0))
    }

    fn track(start: Option<f32>, moves: &[f32], is_over: bool) -> Track {
        let at = |&x: &f32| (pos2(x, 0.0), 1.0);
        Track { start: start.as_ref().map(at), moves: moves.iter().map(at).collect(), is_over }
    }

    #[test]
    fn what_lies_before_the_press_and_after_the_release_is_no_part_of_a_stroke() {
        let events = [moved(1.0), button(2.0, true), moved(3.0), moved(4.0), button(4.0, false), moved(9.0)];
        assert_eq!(tracks_of(&events, false, &mut 1.0), [track(Some(2.0), &[3.0, 4.0], true)]);
    }

    #[test]
    fn the_end_of_one_stroke_and_the_beginning_of_the_next_stay_apart() {
        let events = [moved(1.0), button(1.0, false), moved(5.0), button(6.0, true), moved(7.0)];
        let expected = [track(None, &[1.0], true), track(Some(6.0), &[7.0], false)];
        assert_eq!(tracks_of(&events, true, &mut 1.0), expected);
    }

    #[test]
    fn the_pointer_draws_only_while_it_is_held() {
        assert_eq!(tracks_of(&[moved(1.0)], true, &mut 1.0), [track(None, &[1.0], false)]);
        assert_eq!(tracks_of(&[moved(1.0)], false, &mut 1.0), []);
    }

    #[test]
    fn a_finger_tells_how_hard_it_presses_and_a_mouse_after_it_does_not() {
        let touch = |force| {
            let (device_id, id) = (TouchDeviceId(0), TouchId(0));
            Event::Touch { device_id, id, phase: TouchPhase::Move, pos: pos2(0.0, 0.0), force: Some(force) }
        };
        let mut pressure = 1.0;
        let events = [touch(0.25), button(1.0, true), touch(0.5), moved(2.0), button(2.0, false)];
        let drawn = tracks_of(&events, false, &mut pressure);
        assert_eq!((drawn[0].start, &drawn[0].moves[..]), (Some((pos2(1.0, 0.0), 0.25)), &[(pos2(2.0, 0.0), 0.5)][..]));
        assert_eq!(tracks_of(&[button(3.0, true)], true, &mut pressure), [track(Some(3.0), &[], false)]);
    }

    #[test]
    fn a_straight_stroke_stays_on_the_line_that_it_began_on() {
        let mut straight = Straight::from(Point::new(10.0, 10.0));
        assert_eq!(straight.kept(Point::new(11.0, 12.0), 4.0), None);
        let kept = straight.kept(Point::new(30.0, 26.0), 4.0).unwrap();
        assert!((kept.x - 28.0).abs() < 1e-4 && (kept.y - 28.0).abs() < 1e-4, "{kept:?}");
        // It has decided for the diagonal, whatever comes.
        let kept = straight.kept(Point::new(50.0, 10.0), 4.0).unwrap();
        assert!((kept.x - 30.0).abs() < 1e-4 && (kept.y - 30.0).abs() < 1e-4, "{kept:?}");
        let kept = Straight::from(Point::new(0.0, 0.0)).kept(Point::new(-20.0, 3.0), 4.0).unwrap();
        assert!((kept.x + 20.0).abs() < 1e-4 && kept.y.abs() < 1e-4, "{kept:?}");
    }
}
