use super::*;
use crate::pixels::Picture;
use proptest::prelude::*;
use std::f32::consts::{FRAC_PI_2, PI};

const EXTENT: Extent = Extent::new(150, 140);

/// Where the pixel in a column and row came from.
type From = fn(i64, i64) -> (i64, i64);

fn layer(pixel: impl Fn(u32, u32) -> [u8; 4]) -> Tiles {
    let rgba = (0..EXTENT.height).flat_map(|y| (0..EXTENT.width).map(move |x| (x, y)));
    Tiles::of(&Picture::from_rgba(EXTENT, rgba.flat_map(|(x, y)| pixel(x, y)).collect()).unwrap())
}

/// Every pixel another one, some of them clear.
fn speckled() -> Tiles {
    layer(|x, y| if (x * 7 + y * 3) % 5 == 0 { [0; 4] } else { [x as u8, y as u8, (x * y) as u8, (1 + x + y) as u8] })
}

fn transformed(tiles: &Tiles, transform: Transform) -> Tiles {
    let tile = |index| {
        let Bounds { left, top, extent } = tiles.bounds_of(index);
        transform.sound().tile(tiles, (left as i32, top as i32), extent, true)
    };
    Tiles::from_tiles(tiles.extent(), (0..tiles.count()).map(tile))
}

#[test]
fn moves_by_whole_pixels_flips_and_quarter_turns_are_exact() {
    let tiles = speckled();
    let centre = Point::new(70.0, 60.0);
    let still = Transform::around(centre);
    let cases: [(Transform, From); 5] = [
        (Transform { to: Point::new(83.0, 31.0), ..still }, |x, y| (x - 13, y + 29)),
        (Transform { scale: (-1.0, 1.0), ..still }, |x, y| (139 - x, y)),
        (Transform { scale: (1.0, -1.0), ..still }, |x, y| (x, 119 - y)),
        (Transform { angle: PI, ..still }, |x, y| (139 - x, 119 - y)),
        // Clockwise: what lay above comes to lie at the right.
        (Transform { angle: FRAC_PI_2, ..still }, |x, y| (70 + (y - 60), 60 - (x - 69))),
    ];
    for (transform, from) in cases {
        let found = transformed(&tiles, transform);
        for (x, y) in (0..140i64).flat_map(|y| (0..150i64).map(move |x| (x, y))) {
            let (u, v) = from(x, y);
            assert_eq!(pixel(&found, x, y), pixel(&tiles, u, v), "{transform:?} at {x}, {y}");
        }
    }
}

#[test]
fn a_plain_colour_stays_it_at_every_scale_and_angle() {
    let tiles = Tiles::filled(EXTENT, [10, 200, 90, 160]);
    let still = Transform::around(Point::new(75.0, 70.0));
    for (scale, angle) in [((0.3, 0.3), 0.0), ((0.5, 2.0), 0.7), ((3.0, 1.7), 2.1), ((-0.8, 1.0), 5.0)] {
        let found = transformed(&tiles, Transform { scale, angle, ..still });
        assert_eq!(found.pixel(75, 70), [10, 200, 90, 160], "{scale:?} {angle}");
    }
}

#[test]
fn what_becomes_smaller_is_averaged() {
    let stripes = layer(|x, _| if x % 2 == 0 { [255, 255, 255, 255] } else { [0, 0, 0, 255] });
    let still = Transform::around(Point::new(0.0, 0.0));
    let found = transformed(&stripes, Transform { scale: (0.25, 0.25), ..still });
    for x in 4..30 {
        assert!(found.pixel(x, 10)[0].abs_diff(128) <= 2, "{:?} at {x}", found.pixel(x, 10));
    }
}

#[test]
fn edges_are_smooth_and_hidden_colours_do_not_bleed() {
    // A white square on clear pixels that would be black.
    let square = layer(|x, y| if (40..80).contains(&x) && (40..80).contains(&y) { [255; 4] } else { [0; 4] });
    let found = transformed(&square, Transform { angle: 0.3, ..Transform::around(Point::new(60.0, 60.0)) });
    let mut soft = 0;
    for (x, y) in (0..140).flat_map(|y| (0..150).map(move |x| (x, y))) {
        let [r, g, b, alpha] = found.pixel(x, y);
        if alpha > 8 {
            assert!(r > 240 && g > 240 && b > 240, "{:?} at {x}, {y}", found.pixel(x, y));
        }
        soft += u32::from((30..226).contains(&alpha));
    }
    assert!(soft > 100, "{soft} pixels of the edge are between");
}

#[test]
fn places_go_there_and_come_back() {
    let transform =
        Transform { pivot: Point::new(10.0, 20.0), to: Point::new(-3.0, 44.0), scale: (-0.7, 3.0), angle: 1.2 };
    for (x, y) in [(0.0, 0.0), (10.0, 20.0), (99.0, -5.0)] {
        let there = transform.place(Point::new(x, y));
        assert!(transform.origin(there).distance(Point::new(x, y)) < 1e-3);
    }
    assert_eq!(transform.place(transform.pivot), transform.to);
}

proptest! {
    /// Nothing to see where nothing came from, and no panic for any numbers.
    #[test]
    fn any_numbers_do_no_harm(numbers in prop::collection::vec(any::<f32>(), 7)) {
        let transform = Transform {
            pivot: Point::new(numbers[0], numbers[1]),
            to: Point::new(numbers[2], numbers[3]),
            scale: (numbers[4], numbers[5]),
            angle: numbers[6],
        };
        let tiles = Tiles::filled(Extent::new(9, 7), [1, 2, 3, 255]);
        for fine in [true, false] {
            transform.sound().tile(&tiles, (-3, 0), Extent::new(9, 7), fine);
        }
        let clear = Tiles::clear(Extent::new(9, 7));
        prop_assert!(transform.sound().tile(&clear, (0, 0), clear.extent(), true).is_none());
    }
}
