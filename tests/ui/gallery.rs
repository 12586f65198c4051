//! Finding results in the gallery, by their prompts and by what they show.

use super::*;
use sfumato::meaning::{Embedding, Seen};

#[test]
fn the_gallery_finds_results_by_their_prompts() {
    let mut window = window();
    for prompt in ["a red apple", "a yellow lemon"] {
        window.write_prompt(prompt);
        window.press(Modifiers::COMMAND, Key::Enter);
        let job = window.job();
        window.finish(&job);
    }
    window.wait("both to be saved", |session| {
        session.results.items.iter().all(|item| matches!(item.kept, sfumato::session::Kept::InGallery(_)))
    });
    window.click("Gallery");
    window.harness.get_by_label("Search the prompts").focus();
    window.harness.run_ok();
    window.harness.get_by_label("Search the prompts").type_text("lemon");
    window.harness.run_ok();
    window.wait("the search", |session| session.results.items.len() == 1);
    assert_eq!(window.session().results.items[0].prompt, "a yellow lemon");
    window.write_prompt("a blue boat");
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.finish(&job);
    let shown = |window: &Window, label: &str| window.harness.query_all_by_label(label).count();
    assert_eq!(shown(&window, "Result: a yellow lemon"), 2, "in the gallery and in the strip");
    assert_eq!(shown(&window, "Result: a blue boat"), 1, "in the strip only");

    window.press(Modifiers::NONE, Key::Escape);
    window.wait("everything to be listed again", |session| session.results.items.len() == 3);
    assert!(!window.harness.state().view.gallery_open);
    window.click("Gallery");
    assert_eq!(window.harness.state().view.search, "");
    window.harness.get_by_label("Search the prompts").type_text("boat");
    window.harness.run_ok();
    window.click("Clear the search");
    window.wait("the search to end", |session| session.results.items.len() == 3 && !session.results.is_loading);
}

/// Lets the engine look at the next picture: what is in it lies `degrees` from some direction.
fn look(window: &mut Window, degrees: f32, fit: f32) {
    let start = Instant::now();
    loop {
        window.harness.step();
        match window.peer.try_command() {
            Some(Command::Look { id, .. }) => {
                let angle = degrees.to_radians();
                let embedding = Embedding::new(vec![angle.cos(), angle.sin()]).unwrap();
                window.tell(Event::Looked { id, seen: Ok(Some(Seen { embedding, fit: Some(fit) })) });
                return;
            }
            _ => assert!(start.elapsed() < LIMIT, "nothing is looked at"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn results_are_found_by_what_they_show_and_listed_best_fitting_first() {
    let clip = Clip { name: "Bozzetto CLIP".into(), fingerprint: "f00d".into() };
    let mut window = Setup { clip: Some(clip), ..Setup::default() }.ready();
    for (prompt, degrees, fit) in [("a red apple", 0.0, 0.25), ("a red apple", 20.0, 0.5), ("a blue boat", 80.0, 0.75)]
    {
        window.write_prompt(prompt);
        window.press(Modifiers::COMMAND, Key::Enter);
        let job = window.job();
        window.finish(&job);
        look(&mut window, degrees, fit);
    }
    window.harness.get_by_label("Fits its prompt by 0.75");
    let shown = |window: &Window, label: &str| window.harness.query_all_by_label(label).count();

    window.click("Gallery");
    window.harness.get_by_label("Search prompts and pictures").type_text("fruit");
    window.harness.run_ok();
    let words = loop {
        match window.peer.try_command() {
            Some(Command::Read { words, .. }) if words == "fruit" => break words,
            Some(_) => {}
            None => window.harness.step(),
        }
    };
    let meaning = Ok(Embedding::new(vec![1.0, 0.0]).unwrap());
    window.tell(Event::WordsRead { words, meaning });
    window.wait("what looks like fruit", |session| session.results.found_besides().count() == 2);
    window.harness.get_by_label("No prompt holds \u{201c}fruit\u{201d}.");
    window.harness.get_by_label("Looks most like it");

    window.press(Modifiers::NONE, Key::Escape);
    window.wait("everything to be listed again", |session| session.results.gathered.is_none());
    assert_eq!(shown(&window, "Looks most like it"), 0);
    let apple = window.session().results.items[2].id;
    window.apply(Action::Show(apple));
    window.wait("it to be shown", |session| session.results.shown == Some(apple));
    window.press(Modifiers::NONE, Key::L);
    assert!(window.harness.state().view.gallery_open);
    let gathered = |session: &Session| session.results.gathered.as_ref().is_some_and(|gathered| !gathered.is_loading);
    window.wait("what is like it", gathered);
    window.harness.get_by_label("More like \u{201c}a red apple\u{201d}");
    let prompts = |window: &Window| -> Vec<String> {
        let gathered = window.session().results.gathered.as_ref().unwrap();
        gathered.items.iter().map(|(item, _)| item.prompt.clone()).collect()
    };
    assert_eq!(prompts(&window), ["a red apple", "a blue boat"]);
    window.click("List everything again");
    window.wait("everything", |session| session.results.gathered.is_none() && session.results.items.len() == 3);

    window.apply(Action::ListBestFitting(apple));
    window.wait("the best fitting", gathered);
    window.harness.get_by_label("\u{201c}a red apple\u{201d}, the best fitting first");
    assert_eq!(prompts(&window).len(), 2);
}

#[test]
fn letters_in_the_gallery_are_for_its_search_and_never_for_the_canvas_behind_it() {
    let mut window = window();
    let (seed, tool) = (window.session().draft.seed, window.session().tool);
    window.press(Modifiers::NONE, Key::G);
    let search = window.harness.get_by_label("Search the prompts");
    assert!(search.is_focused());
    for focused in [true, false] {
        for key in [Key::E, Key::R, Key::F, Key::D] {
            window.press(Modifiers::NONE, key);
        }
        assert_eq!((window.session().draft.seed, window.session().tool), (seed, tool));
        assert!(!window.harness.state().view.panels_hidden);
        if focused {
            let id = window.harness.ctx.memory(egui::Memory::focused).unwrap();
            window.harness.ctx.memory_mut(|m| m.surrender_focus(id));
            window.harness.run_ok();
        }
    }
    window.press(Modifiers::NONE, Key::G);
    assert!(!window.harness.state().view.gallery_open);
    window.press(Modifiers::NONE, Key::E);
    assert_eq!(window.session().tool, Tool::Eraser);
}

#[test]
fn the_pictures_of_the_gallery_are_made_larger_by_the_wheel_and_are_sharp_then() {
    let mut window = window();
    window.harness.state_mut().session.draft.extent = Extent::new(256, 256);
    window.write_prompt("a red apple");
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.finish(&job);
    window.wait("it to be saved", |session| {
        matches!(session.results.items[0].kept, sfumato::session::Kept::InGallery(_))
    });
    let id = window.session().results.items[0].id;
    window.click("Gallery");
    let width = |window: &Window| {
        let shown = window.harness.query_all_by_label("Result: a red apple").map(|node| node.rect().width());
        shown.fold(0.0, f32::max)
    };
    assert!((width(&window) - 148.0).abs() < 0.5);
    assert!(window.session().results.seen_large().is_empty(), "its thumbnail does");
    window.harness.get_by_label("Size of the pictures");
    let middle = window.harness.ctx.content_rect().center();
    window.harness.hover_at(middle);
    window.harness.event(egui::Event::Zoom(2.0));
    window.harness.run_ok();
    assert!((width(&window) - 296.0).abs() < 0.5);
    assert_eq!(window.session().settings.gallery_side, 296, "it is kept");
    window.wait("the whole picture", |session| session.results.large(id).is_some());
    assert_eq!(window.session().results.large(id).unwrap().extent(), Extent::new(256, 256));
    window.harness.event(egui::Event::Zoom(0.1));
    window.harness.run_ok();
    assert_eq!(window.session().settings.gallery_side, 96);
    assert!(window.session().results.large(id).is_none(), "its thumbnail does again");
}
