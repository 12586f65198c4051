//! What all subcommands that compute are told alike.

use super::parse::whole_between;
use crate::engine::DeviceChoice;
use clap::Args;

/// On what networks compute.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ComputeArgs {
    /// How many threads compute [default: all cores]
    #[arg(long, value_name = "N", value_parser = |text: &str| whole_between(text, 1, 1024))]
    pub threads: Option<u32>,
    /// What networks compute on: cpu, gpu or gpu:N [default: the first GPU if this binary was built for one and there is one, else
    /// cpu]
    #[arg(long, value_name = "NAME", value_parser = device_named)]
    pub device: Option<DeviceChoice>,
}

fn device_named(name: &str) -> Result<DeviceChoice, String> {
    match DeviceChoice::from_name(name) {
        Some(DeviceChoice::Gpu(_)) if !DeviceChoice::GPU => {
            Err("this binary computes on the CPU; build it with the feature cuda or metal for a GPU".to_owned())
        }
        Some(choice) => Ok(choice),
        None => Err("it is none of cpu, gpu and gpu:N".to_owned()),
    }
}
