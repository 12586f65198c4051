//! What is asked for, painted, queued and stopped, and how that is shown.

use super::*;

#[test]
fn a_typed_prompt_becomes_a_job_and_its_picture_comes_to_the_canvas_and_the_filmstrip() {
    let mut window = window();
    window.write_prompt("a green pear");
    window.click("Generate");
    let job = window.job();
    assert_eq!(job.request.prompt, "a green pear");
    window.steps(&job, 3);
    assert!(matches!(window.session().canvas(), Shown::Preview { .. }));
    window.harness.get_by_label("Canvas, a picture being painted, 64x64");
    window.harness.get_by_label("Step 4 of 20");
    let picture = window.finish(&job);
    assert!(matches!(window.session().canvas(), Shown::Result(_, shown) if Arc::ptr_eq(shown, &picture)));
    window.harness.get_by_label("Result: a green pear");
}

#[test]
fn the_preview_and_then_the_finished_picture_are_seen_on_the_canvas() {
    let mut window = window();
    window.click("Generate");
    let job = window.job();
    window.tell(Event::JobPhase { id: job.id, phase: Phase::Sample });
    let middle = window.canvas();
    for colour in [[200, 30, 40, 255], [20, 60, 220, 255]] {
        let preview = Arc::new(Picture::filled(Extent::new(8, 8), colour));
        window.tell(Event::JobStep { id: job.id, index: 0, count: 20, preview: Some(preview), hints: 0 });
        let seen = window.harness.render().unwrap();
        assert_eq!(seen.get_pixel(middle.x as u32, middle.y as u32).0, colour);
    }
    let picture = Arc::new(Picture::filled(EXTENT, [1, 200, 3, 255]));
    let outcome = Outcome::Finished(painted(&picture, &job.request, 20));
    window.tell(Event::JobEnded { id: job.id, outcome });
    let seen = window.harness.render().unwrap();
    assert_eq!(seen.get_pixel(middle.x as u32, middle.y as u32).0, [1, 200, 3, 255]);
}

#[test]
fn generate_queues_while_something_is_being_painted() {
    let mut window = window();
    window.click("Generate");
    let first = window.job();
    window.steps(&first, 2);
    window.write_prompt("second");
    window.press(Modifiers::COMMAND, Key::Enter);
    assert_eq!(window.session().jobs.waiting.len(), 1);
    assert_eq!(window.session().draft.prompt, "second", "Ctrl+Enter must not write a line break");
    window.harness.get_by_label("Waiting: second");
    window.finish(&first);
    assert_eq!(window.job().request.prompt, "second");
}

#[test]
fn a_waiting_picture_is_taken_out_of_the_queue_by_a_click() {
    let mut window = window();
    window.click("Generate");
    window.job();
    window.write_prompt("second");
    window.press(Modifiers::COMMAND, Key::Enter);
    window.click("Waiting: second");
    assert!(window.session().jobs.waiting.is_empty());
}

#[test]
fn escape_stops_and_keeps_and_the_menu_beside_stop_discards() {
    let mut window = window();
    window.click("Generate");
    let job = window.job();
    window.steps(&job, 2);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(job.cancel.requested(), Some(Stop::Keep));
    let picture = Arc::new(apple(EXTENT, 0.5));
    let outcome = Outcome::Stopped(painted(&picture, &job.request, 2));
    window.tell(Event::JobEnded { id: job.id, outcome });
    assert!(window.session().results.items[0].partial);

    window.click("Generate");
    let job = window.job();
    window.steps(&job, 2);
    window.click("Ways to stop");
    window.harness.get_by_label_contains("Stop and discard").click();
    window.harness.run_ok();
    assert_eq!(job.cancel.requested(), Some(Stop::Discard));
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Cancelled });
    assert_eq!(window.session().results.items.len(), 1);
}

#[test]
fn the_die_rolls_the_seed_and_the_lock_holds_it() {
    let mut window = window();
    let before = window.session().draft.seed;
    window.click("Roll the seed");
    let rolled = window.session().draft.seed;
    assert_ne!(rolled, before);
    window.click("Lock the seed");
    assert!(window.session().draft.seed_locked);
    for _ in 0..2 {
        window.press(Modifiers::COMMAND, Key::Enter);
    }
    let first = window.job();
    window.finish(&first);
    assert_eq!((first.request.seed, window.job().request.seed), (rolled, rolled));
}

#[test]
fn the_empty_canvas_says_what_is_the_case() {
    let mut window = window();
    window.click("Generate");
    let job = window.job();
    assert!(window.harness.query_by_label_contains("in the queue").is_none());
    window.harness.get_by_label("Canvas, empty, Starting");
    window.tell(Event::JobPhase { id: job.id, phase: Phase::LoadModel });
    window.harness.get_by_label("Canvas, empty, Loading bozzetto");
    window.press(Modifiers::NONE, Key::F);
    window.harness.get_by_label("Progress");
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Cancelled });
    assert!(window.harness.query_by_label("Progress").is_none());
    window.harness.get_by_label("Canvas, empty");
}

#[test]
fn a_failed_job_is_a_notice_and_the_next_one_goes_on() {
    let mut window = window();
    window.click("Generate");
    let job = window.job();
    let error = engine::Error::UnknownModel("gone".into());
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Failed(error) });
    assert_eq!(window.session().notices.iter().len(), 1);
    window.click("Generate");
    window.job();
}
