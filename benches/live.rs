//! How long after the pen is lifted a new picture begins to show while one paints live: `cargo bench --bench live`. The real session
//! and engine with the model that ships, without a window: from handing over the finished stroke, in the middle of the run for the
//! stroke before it, until the canvas shows the first estimate of what comes of it, and until the whole picture is there.

#![expect(clippy::print_stdout, reason = "what it finds is its output")]

use sfumato::geom::{Bounds, Extent};
use sfumato::paint::{Ink, Painting, Sample};
use sfumato::pixels::Picture;
use sfumato::session::{Action, Session, Shown};
use sfumato::settings::{Paths, Settings};
use std::sync::Arc;
use std::time::{Duration, Instant};

const STROKES: usize = 12;

fn main() {
    let home = tempfile::tempdir().expect("a folder for the session");
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
    let mut settings = Settings::default();
    settings.model_folders = vec![models];
    let (wake, woken) = crossbeam_channel::unbounded();
    let wake = Arc::new(move || wake.send(()).unwrap_or_default());
    let mut session = Session::start(Paths::in_one_folder(home.path()), settings, None, wake);
    session.apply(Action::ChooseModel("bozzetto".into()));
    session.apply(Action::PastePicture(Picture::filled(Extent::new(384, 256), [250, 250, 250, 255])));
    let until = |session: &mut Session, is_so: &dyn Fn(&Session) -> bool| {
        while !is_so(session) {
            woken.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
            session.poll();
        }
    };
    until(&mut session, &|session| session.document.has_picture());
    session.draft.prompt = "red apple".into();
    for (what, bounds) in [
        ("all of 384x256", None),
        ("a box of 128x128", Some(Bounds { left: 128, top: 64, extent: Extent::new(128, 128) })),
    ] {
        session.apply(Action::SetLive(false));
        session.apply(Action::SetBounds(bounds));
        session.apply(Action::SetLive(true));
        until(&mut session, &|session| matches!(session.canvas(), Shown::Live { .. }));
        let (mut first, mut whole) = (Vec::new(), Vec::new());
        for stroke in 0..STROKES {
            session.apply(Action::BeginPainting);
            let brush = session.palette.brush;
            let mut painting =
                Painting::begin(&session.document, Ink::Colour([200, 40, 30]), brush).expect("the layer is open");
            let y = 80.0 + 8.0 * stroke as f32;
            painting.extend(&[Sample::at(150.0, y), Sample::at(230.0, y + 30.0)]);
            painting.finish();
            let lifted = Instant::now();
            session.apply(Action::Paint(Box::new(painting)));
            until(&mut session, &|session| matches!(session.canvas(), Shown::Preview { .. }));
            first.push(lifted.elapsed());
            if stroke % 2 == 0 {
                // The next stroke breaks in on this run.
                continue;
            }
            until(&mut session, &|session| matches!(session.canvas(), Shown::Live { .. }));
            whole.push(lifted.elapsed());
        }
        let told = |mut times: Vec<Duration>| {
            times.sort();
            let ms = |time: Duration| time.as_secs_f64() * 1000.0;
            format!("{:.0} ms ({:.0} to {:.0})", ms(times[times.len() / 2]), ms(times[0]), ms(times[times.len() - 1]))
        };
        println!("{what}: begins to show after {}, is there after {}", told(first), told(whole));
    }
}
