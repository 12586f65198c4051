//! The window's icon: a disc of ochre that fades into smoke, computed rather than stored.

/// The icon, 64 by 64.
pub(super) fn icon() -> egui::IconData {
    const SIDE: u32 = 64;
    let rgba = (0..SIDE * SIDE)
        .flat_map(|i| {
            let (x, y) = ((i % SIDE) as f32 / 63.0 - 0.5, (i / SIDE) as f32 / 63.0 - 0.5);
            let from_middle = x.hypot(y) * 2.0;
            let smoke = ((x + y) * 1.6 + 0.5).clamp(0.0, 1.0);
            let mix = |paint: f32, grey: f32| (paint * (1.0 - smoke) + grey * smoke) as u8;
            let opacity = (1.0 - ((from_middle - 0.55) / 0.4).clamp(0.0, 1.0)) * (1.0 - 0.55 * smoke);
            [mix(217.0, 110.0), mix(149.0, 108.0), mix(74.0, 106.0), (opacity * 255.0) as u8]
        })
        .collect();
    egui::IconData { rgba, width: SIDE, height: SIDE }
}
