use super::LatentToRgb;

/// What is known of a kind of model beyond its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// What people call it.
    pub name: &'static str,
    /// Channels of its latents.
    pub latent_channels: usize,
    /// What its latents are multiplied by: with the channels, what a family is recognised by.
    pub latent_scale: f64,
    /// One row a channel: latent to RGB in -1..1.
    preview_matrix: &'static [[f32; 3]],
    preview_bias: [f32; 3],
}

/// The families. The preview values are `ComfyUI`'s.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "Stable Diffusion 1 and 2",
        latent_channels: 4,
        latent_scale: 0.18215,
        preview_matrix: &[
            [0.3512, 0.2297, 0.3227],
            [0.3250, 0.4974, 0.2350],
            [-0.2829, 0.1762, 0.2721],
            [-0.2120, -0.2616, -0.7177],
        ],
        preview_bias: [0.0; 3],
    },
    Family {
        name: "Stable Diffusion XL",
        latent_channels: 4,
        latent_scale: 0.13025,
        preview_matrix: &[
            [0.3651, 0.4232, 0.4341],
            [-0.2533, -0.0042, 0.1068],
            [0.1076, 0.1111, -0.0362],
            [-0.3165, -0.2492, -0.2188],
        ],
        preview_bias: [0.1084, -0.0175, -0.0011],
    },
];

impl Family {
    /// The family whose latents these are, if any.
    pub fn of(latent_channels: usize, latent_scale: f64) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| {
            family.latent_channels == latent_channels && (family.latent_scale - latent_scale).abs() < 1e-6
        })
    }

    /// Its map from latents to previews.
    pub fn preview(&self) -> LatentToRgb {
        LatentToRgb { matrix: self.preview_matrix.to_vec(), bias: self.preview_bias }
    }
}
