//! Making pictures larger.

use super::*;

fn window_with_upscalers() -> Window {
    let upscaler = |name: &str, factor| Upscale { upscaler: name.into(), factor, refine: None };
    let upscalers = vec![upscaler("Bozzetto 4x", 4.0), upscaler("sharp", 2.0)];
    Setup { upscalers, ..Setup::default() }.ready()
}

#[test]
fn pictures_are_painted_larger_when_the_setting_is_on() {
    assert!(window().harness.query_by_label("Upscale").is_none(), "there is no upscaler to offer");
    let mut window = window_with_upscalers();
    window.click("Generate");
    let job = window.job();
    assert_eq!(job.request.upscale, None, "it is off at first");
    window.finish(&job);
    window.harness.get_by_role_and_label(egui::accesskit::Role::CheckBox, "Upscale").click();
    window.harness.run_ok();
    window.click("Upscaler");
    window.click("sharp");
    window.click("Generate");
    let job = window.job();
    assert_eq!(job.request.upscale, Some(Upscale { upscaler: "sharp".into(), factor: 2.0, refine: None }));
    window.steps(&job, 3);
    window.harness.get_by_label("Canvas, a picture being painted, 128x128");
    window.tell(Event::JobPhase { id: job.id, phase: Phase::Upscale });
    window.tell(Event::JobPiece { id: job.id, index: 1, count: 4 });
    window.harness.get_by_label("Upscaling, piece 2 of 4");
    window.click("Stop");
    assert_eq!(job.cancel.requested(), Some(Stop::Keep));
}

#[test]
fn a_shown_result_becomes_a_larger_one_by_a_button() {
    let mut window = window_with_upscalers();
    window.click("Generate");
    let job = window.job();
    let picture = window.finish(&job);
    window.harness.get_by_role_and_label(egui::accesskit::Role::Button, "Upscale").click();
    window.harness.run_ok();
    let Some(Command::Upscale { job, picture: small, .. }) = window.peer.try_command() else {
        panic!("the engine was not told to enlarge")
    };
    assert!(Arc::ptr_eq(&small, &picture));
    window.tell(Event::JobStarted(job.id));
    window.tell(Event::JobPhase { id: job.id, phase: Phase::Upscale });
    window.harness.get_by_label("Upscaling");
    let larger = Arc::new(apple(job.request.picture_extent(), 1.0));
    let painted = painted(&larger, &job.request, 20);
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Finished(painted) });
    assert!(matches!(window.session().canvas(), Shown::Result(_, shown) if Arc::ptr_eq(shown, &larger)));
    assert!(window.harness.query_by_role_and_label(egui::accesskit::Role::Button, "Upscale").is_none());
}
