use std::time::Duration;

use super::*;

const BUSY: Turn = Turn { handled: 2, was_brief: true };

/// So many workers, with a loop that is shared.
fn state(workers: usize) -> State {
    let mut state = State::default();
    (0..workers).for_each(|_| state.add_worker());
    state.begin();
    state
}

fn sit(state: &mut State) {
    assert!(matches!(state.wait(false), Waiting::Sit { .. }));
}

#[test]
fn workers_are_busy_when_as_many_requests_are_there() {
    let (mut state, second) = (state(2), Instant::now());
    state.dispatch(second - Duration::from_millis(1));
    assert!(!state.is_saturated() && state.load().has_work);
    state.dispatch(second);
    assert!(state.is_saturated());
    assert!(state.take(|_| false) == Some(Taken::ToAnswer));
    assert!(state.is_saturated(), "it is being answered");
    state.note_answer();
    assert_eq!(state.load(), Load { taken: 1, has_work: true, is_saturated: false, is_held: true, oldest: Some(second) });
    assert_eq!((state.queued(), state.running(), state.dispatched()), (1, 0, 2));
}

#[test]
fn who_has_waited_for_longest_is_first_and_those_who_came_together_keep_their_order() {
    let (mut state, start) = (state(1), Instant::now());
    let after = |millis| start + Duration::from_millis(millis);
    let behind = [3, 1, 2, 1].map(after).map(|since| state.dispatch(since));
    assert_eq!((behind, state.oldest()), ([0, 1, 1, 2], Some(after(1))));
    let taken = [(); 5].map(|()| (state.oldest(), state.take(|_| false)));
    let expected = [1, 1, 2, 3].map(|millis| (Some(after(millis)), Some(Taken::ToAnswer)));
    assert_eq!((&taken[..4], taken[4]), (&expected[..], (None, None)));
}

#[test]
fn the_loop_hears_once_that_who_waits_outside_comes_before_all_that_are_queued() {
    let (mut state, start) = (state(1), Instant::now());
    let after = |millis| start + Duration::from_millis(millis);
    assert_eq!([1, 3, 5].map(after).map(|since| state.dispatch(since)), [0; 3]);
    assert!(!state.is_turn_outside(), "nobody waits there");
    assert_eq!(state.duty(true), Duty::TakeOver);
    assert!(!state.is_turn_of(after(0)), "a worker has time for the first one");
    state.take(|_| false);
    assert!(state.is_turn_outside() && !state.is_turn_outside());
    assert!(state.is_turn_of(after(2)) && !state.is_turn_of(after(4)));
    assert!(!state.is_turn_outside());
    state.put_down();
    state.take(|_| false);
    assert!(!state.is_turn_outside(), "who turns the loop next looks for itself");
}

#[test]
fn one_worker_turns_the_loop_and_the_next_sits() {
    let mut state = state(2);
    assert_eq!(state.step(true, true), Step::Turn, "it is not likely that anything is there now");
    assert_eq!(state.step(true, true), Step::Wait);
    assert_eq!(state.wait(true), Waiting::Sit { opens: false });
    state.end_turn(Turn::default());
    assert_eq!(state.wait(true), Waiting::Turn);
}

#[test]
fn nobody_turns_a_loop_before_it_begins_or_without_a_source() {
    let mut state = State::default();
    state.add_worker();
    assert_eq!(state.wait(true), Waiting::Sit { opens: false });
    assert_eq!(state.duty(true), Duty::Watch);
    state.begin();
    assert_eq!(state.wait(false), Waiting::Sit { opens: false });
    assert_eq!(state.duty(true), Duty::TakeOver);
}

#[test]
fn a_worker_looks_with_something_held_only_right_after_a_busy_turn() {
    let mut state = state(2);
    for (turn, step) in [
        (BUSY, Step::Look),
        (Turn { handled: 1, was_brief: true }, Step::Turn),
        (Turn { handled: 9, was_brief: false }, Step::Turn),
    ] {
        assert_eq!(state.wait(true), Waiting::Turn);
        state.end_turn(turn);
        assert_eq!(state.step(false, true), Step::Wait, "it may not turn it");
        assert_eq!(state.step(true, true), step, "{turn:?}");
        state.put_down();
        assert_eq!(state.step(true, false), Step::Turn);
        state.put_down();
    }
}

#[test]
fn what_is_queued_comes_before_everything_else() {
    let mut state = state(1);
    state.dispatch(Instant::now());
    assert_eq!((state.step(true, true), state.wait(true)), (Step::Take, Waiting::Not { is_scout: false }));
    state.close();
    assert_eq!(state.step(true, true), Step::Take);
    assert!(state.take(|_| false) == Some(Taken::ToAnswer));
    state.note_answer();
    assert_eq!(state.step(true, true), Step::End);
}

#[test]
fn one_worker_at_a_time_is_on_its_way() {
    let mut state = state(2);
    assert!(!state.call(), "nobody sits");
    sit(&mut state);
    sit(&mut state);
    assert!(state.call() && state.is_called());
    assert!(!state.call(), "one is called");
    state.stand_up();
    assert!(!state.is_called() && !state.call(), "one looks");
    state.report_back();
    assert!(state.call());
    state.report_back();
    assert!(state.is_called(), "only who has stood up reports back");
}

#[test]
fn a_worker_that_finds_work_where_it_would_sit_is_the_scout() {
    let mut state = state(2);
    assert_eq!(state.wait(true), Waiting::Turn);
    state.dispatch(Instant::now());
    assert_eq!(state.wait(true), Waiting::Not { is_scout: true });
    assert_eq!(state.wait(true), Waiting::Not { is_scout: false }, "there is one");
}

#[test]
fn workers_are_idle_when_all_sit() {
    let mut state = state(2);
    sit(&mut state);
    assert!(!state.call_for_work().is_idle);
    sit(&mut state);
    assert_eq!(state.call_for_work(), Call { has_work: false, is_idle: true, wakes: false });
    state.dispatch(Instant::now());
    assert_eq!(state.call_for_work(), Call { has_work: true, is_idle: true, wakes: true });
    assert_eq!(state.call_for_work(), Call { has_work: true, is_idle: true, wakes: false });
    state.stand_up();
    assert!(!state.call_for_work().is_idle);
}

#[test]
fn the_first_worker_with_time_opens_a_shut_loop() {
    let mut state = state(2);
    assert_eq!(state.wait(true), Waiting::Turn);
    state.set_shut(true);
    assert_eq!(state.wait(true), Waiting::Sit { opens: true });
    assert!(!state.is_shut());
    assert_eq!(state.wait(true), Waiting::Sit { opens: false });
}

/// It may be the only worker, which then never sits.
#[test]
fn a_worker_that_turns_a_shut_loop_opens_it() {
    let mut state = state(1);
    state.set_shut(true);
    assert_eq!((state.step(true, true), state.is_shut()), (Step::Turn, false));
    state.end_turn(BUSY);
    state.set_shut(true);
    assert_eq!((state.step(true, true), state.is_shut()), (Step::Look, false));
    state.end_turn(Turn::default());
    state.set_shut(true);
    assert_eq!((state.wait(true), state.is_shut()), (Waiting::Turn, false));
}

#[test]
fn the_standby_takes_over_what_nobody_turns_and_gives_it_back() {
    let mut state = state(1);
    assert_eq!(state.wait(true), Waiting::Turn);
    assert_eq!((state.seen(), state.duty(true)), ((0, true), Duty::Watch));
    state.end_turn(Turn::default());
    assert_eq!((state.seen(), state.duty(false)), ((1, false), Duty::Watch));
    assert_eq!(state.duty(true), Duty::TakeOver);
    assert_eq!(state.wait(true), Waiting::Sit { opens: false });
    state.put_down();
    assert_eq!(state.wait(true), Waiting::Turn);
}

#[test]
fn the_standby_sleeps_only_while_a_worker_waits_for_events() {
    let mut state = state(1);
    state.seen();
    state.sleep();
    assert!(!state.sleeps_on());
    assert_eq!(state.wait(true), Waiting::Turn);
    state.sleep();
    assert!(state.sleeps_on());
    assert!(state.end_turn(Turn::default()) && state.is_standby_called() && !state.sleeps_on());
    state.seen();
    assert_eq!(state.wait(true), Waiting::Turn);
    assert!(!state.end_turn(Turn::default()), "it is awake");
}

#[test]
fn the_end_is_everybodys() {
    let mut state = state(1);
    state.seen();
    assert_eq!(state.wait(true), Waiting::Turn);
    state.end();
    state.close();
    state.end_turn(BUSY);
    assert!(state.is_standby_called());
    assert_eq!((state.duty(false), state.step(true, true)), (Duty::End, Step::End));
}

#[test]
fn a_long_queue_is_not_looked_through_in_vain_for_each_request() {
    let mut state = state(1);
    assert_eq!((0..32).map(|_| state.dispatch(Instant::now())).sum::<usize>(), 0);
    for (dropped, refused) in [(0, 2), (1, 0)] {
        assert!(state.begin_to_look_through());
        state.take_all_out();
        state.put_back(std::iter::repeat_n(Instant::now(), 32), dropped);
        assert_eq!(std::iter::repeat_with(|| state.begin_to_look_through()).take_while(|begins| !begins).count(), refused);
    }
}
