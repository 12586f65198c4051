//! The `sfumato` program: without arguments the window, with a subcommand the same work without one.

use sfumato::checkpoints::{finish_packing, is_still_packing};
use sfumato::cli::{Cli, ComputeArgs, Usage, sentence};
use sfumato::engine::choose_device;
#[cfg(feature = "gui")]
use sfumato::session::Action;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    sfumato::engine::keep_freed_memory();
    let cli = Cli::from_command_line();
    let is_window = cli.command.is_none();
    let result = match cli.command {
        Some(command) => {
            let ComputeArgs { threads, device } = command.compute();
            set_threads(threads.map(|threads| threads as usize));
            start_log();
            device.map_or(Ok(()), choose_device).map_err(Into::into).and_then(|()| command.run())
        }
        None => open_window(cli.files),
    };
    let code = match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("sfumato: {}", sentence(&error));
            if let Some(hint) =
                error.downcast_ref::<sfumato::engine::Error>().and_then(sfumato::engine::Error::next_step)
            {
                eprintln!("{hint}");
            }
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    };
    wait_for_packing(is_window);
    code
}

/// Waits for packed weights that are being written; on most disks that is soon done. A window that was closed is not to linger; but a command which
/// paints one picture after the other would never have them, were they broken off each time.
fn wait_for_packing(is_window: bool) {
    let mut patience = Duration::from_secs(5);
    if !is_window {
        if is_still_packing(Duration::from_secs(2)) {
            eprintln!(
                "what was loaded is kept, to load at once the next time: that takes a minute at most, and Ctrl+C ends it"
            );
        }
        patience = Duration::from_secs(58);
    }
    finish_packing(patience);
}

/// Tells rayon and candle how many threads to use; both read it once, from the environment.
fn set_threads(threads: Option<usize>) {
    let Some(threads) = threads else { return };
    #[expect(
        unsafe_code,
        reason = "writing the environment is sound while there is one thread, and here there is only main's"
    )]
    // SAFETY: only the command line and the settings were read before this, and that starts no thread.
    unsafe {
        std::env::set_var("RAYON_NUM_THREADS", threads.to_string());
    }
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SFUMATO_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

#[cfg(feature = "gui")]
fn open_window(files: Vec<std::path::PathBuf>) -> anyhow::Result<u8> {
    if let Some(gone) = files.iter().find(|file| !file.is_file()) {
        let gone = gone.display();
        anyhow::bail!(Usage(format!(
            "there is no file {gone} to open, and no subcommand of that name: see `sfumato --help`"
        )));
    }
    let displays = ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"];
    let has_display = displays.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if cfg!(all(unix, not(target_os = "macos"))) && !has_display {
        anyhow::bail!(
            "there is no display to open a window on: start it from a desktop, or paint without a window: \
             sfumato paint \"red apple\""
        );
    }
    let paths = sfumato::settings::Paths::from_environment()?;
    let (settings, problem) = sfumato::settings::Settings::load_to_save(&paths.settings_file());
    set_threads(settings.threads);
    start_log();
    let device = sfumato::engine::device_name();
    // The window may be elsewhere when they are read.
    let files: Vec<_> = files.into_iter().map(|file| std::path::absolute(&file).unwrap_or(file)).collect();
    let open = move |wake| {
        let mut session = sfumato::session::Session::start(paths, settings, problem, wake);
        let mut files = files.into_iter();
        if let Some(first) = files.next() {
            session.apply(Action::OpenPicture(first));
        }
        files.for_each(|file| session.apply(Action::OpenAsLayer(file)));
        session
    };
    sfumato::app::run(open, &device)?;
    Ok(0)
}

#[cfg(not(feature = "gui"))]
fn open_window(_files: Vec<std::path::PathBuf>) -> anyhow::Result<u8> {
    anyhow::bail!(Usage(
        "this build has no window: paint with `sfumato paint \"red apple\"`, see `sfumato --help`, or build it with the feature gui"
            .to_owned()
    ));
}
