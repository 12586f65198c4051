//! A run that is stopped: what is kept of it, and how soon it ends.

use super::*;
use sfumato::diffusion::Phase;

#[test]
fn stopping_to_keep_decodes_the_newest_estimate() {
    let model = bozzetto();
    let mut phases = Vec::new();
    let mut kept = None;
    let ending = paint(&model, Extras::default(), &request(), &mut |progress| match progress {
        Progress::Step { index: 1, denoised, .. } => {
            kept = Some(denoised.clone());
            Break(Stop::Keep)
        }
        Progress::Latent(latent) => {
            let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(values(latent), values(kept.as_ref().unwrap()));
            Break(Stop::Keep)
        }
        Progress::Phase(phase) => {
            phases.push(phase);
            if phase == Phase::Decode { Break(Stop::Keep) } else { Continue(()) }
        }
        // Who stopped it does not take that back.
        _ if kept.is_some() => Break(Stop::Keep),
        _ => Continue(()),
    });
    let Ending::Stopped(painted) = ending.unwrap() else { panic!("it was stopped to be kept") };
    assert_eq!((painted.steps_made, painted.picture.extent()), (2, EXTENT));
    assert_eq!(phases, [Phase::EncodePrompt, Phase::Sample, Phase::Decode]);
}

#[test]
fn what_was_to_be_kept_can_still_be_discarded_while_it_is_decoded() {
    let (mut is_kept, mut blocks) = (false, 0);
    let ending = paint(&bozzetto(), Extras::default(), &request(), &mut |progress| {
        is_kept |= matches!(progress, Progress::Step { .. });
        blocks += usize::from(is_kept && matches!(progress, Progress::Block));
        match (is_kept, blocks) {
            (false, _) => Continue(()),
            (true, 0 | 1) => Break(Stop::Keep),
            (true, _) => Break(Stop::Discard),
        }
    });
    assert!(matches!(ending.unwrap(), Ending::Discarded));
    assert_eq!(blocks, 2, "not a block more");
}

#[test]
fn stopping_to_discard_ends_at_once_wherever_it_is_asked_for() {
    let model = bozzetto();
    let input = Input::new(Arc::new(test_picture()), 0.5, None);
    let request = Request { input: Some(input), ..request() };
    let (mut count, mut blocks) = (0, 0);
    paint(&model, Extras::default(), &request, &mut |progress| {
        count += 1;
        blocks += usize::from(matches!(progress, Progress::Block));
        Continue(())
    })
    .unwrap();
    // Prompt, picture, start, sample, two steps, latent, decode.
    assert_eq!(count, 8 + blocks);
    assert!(blocks > 4, "some of each half of the VAE: {blocks}");
    for stop_at in 1..=count {
        let mut seen = 0;
        let ending = paint(&model, Extras::default(), &request, &mut |_| {
            seen += 1;
            if seen == stop_at { Break(Stop::Discard) } else { Continue(()) }
        });
        assert!(matches!(ending.unwrap(), Ending::Discarded));
        assert_eq!(seen, stop_at);
    }
}

#[test]
fn a_stop_before_the_first_estimate_has_nothing_to_keep() {
    let ending = paint(&bozzetto(), Extras::default(), &request(), &mut |_| Break(Stop::Keep)).unwrap();
    assert!(matches!(ending, Ending::Discarded));
}
