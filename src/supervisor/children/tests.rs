use super::*;
use shared::logging::codes;

mod trials;

impl From<Report> for Event {
    fn from(report: Report) -> Self {
        Self::Said(report)
    }
}

/// A pool under a clock that only the test moves.
struct Pool {
    children: Children,
    now: Instant,
}

fn policy(min: usize, max: usize) -> Policy {
    let second = Duration::from_secs(1);
    Policy {
        min,
        max,
        limits: Limits { startup_timeout: 10 * second, graceful_timeout: 30 * second },
        idle_timeout: Some(60 * second),
        max_lifetime: None,
    }
}

impl Pool {
    fn new(policy: Policy) -> Self {
        let now = Instant::now();
        Self { children: Children::new(policy, now), now }
    }

    /// One that has started.
    fn serving(min: usize, max: usize) -> Self {
        Self::serving_with(policy(min, max))
    }

    fn serving_with(policy: Policy) -> Self {
        let mut pool = Self::new(policy);
        pool.say(1, Report::Ready);
        pool.commit();
        (2..=policy.min as u32).for_each(|id| pool.say(id, Report::Ready));
        assert_eq!(pool.actions().pop(), Some(Action::Report(Outcome::Rolled)));
        pool
    }

    /// What is to be done, but that those who are ready begin.
    fn actions(&mut self) -> Vec<Action> {
        let mut actions = self.children.take_actions();
        actions.retain(|action| !matches!(action, Action::Tell(_, Command::Begin)));
        actions
    }

    /// The first child is ready, and so are those of the other pools.
    #[track_caller]
    fn tried(&mut self, id: u32) {
        self.say(id, Report::Ready);
        assert_eq!(self.actions(), [Action::Report(Outcome::Tried)]);
        self.commit();
    }

    fn commit(&mut self) {
        self.children.handle_commit(self.now);
    }

    /// The children that are to be started; nothing else may be to be done, but to say why.
    #[track_caller]
    fn spawned(&mut self) -> Vec<u32> {
        let spawned = |action| match action {
            Action::Spawn(id, _) => Some(id.0),
            Action::Log(Level::Info, ..) => None,
            action => panic!("{action:?}"),
        };
        self.actions().into_iter().filter_map(spawned).collect()
    }

    /// The children that are to be retired; nothing else may be to be done.
    #[track_caller]
    fn retired(&mut self) -> Vec<u32> {
        let retired = |action| if let Action::Tell(id, Command::Retire) = action { id.0 } else { panic!("{action:?}") };
        self.actions().into_iter().map(retired).collect()
    }

    fn say(&mut self, id: u32, event: impl Into<Event>) {
        self.children.handle(ChildId(id), event.into(), self.now);
    }

    fn exit(&mut self, id: u32) {
        self.say(id, Event::Exited { how: "signal 9".to_owned(), told: None });
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.children.handle_timeout(self.now);
        // Whoever waits for what is due and stays so waits for nothing, again and again.
        assert!(self.children.next_deadline().is_none_or(|due| due > self.now), "something is still due");
    }

    fn reload(&mut self) {
        self.children.handle_reload(self.children.policy, self.now);
    }

    fn serving_ids(&self) -> Vec<u32> {
        self.children.serving().map(|id| id.0).collect()
    }
}

fn failure() -> Failure {
    Failure { code: 70, text: "no module".to_owned() }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_pool_has_started_when_all_its_children_serve() {
    let mut pool = Pool::new(policy(3, 3));
    assert_eq!(pool.spawned(), [1], "the others import after it");
    pool.tried(1);
    assert_eq!(pool.spawned(), [2, 3]);
    pool.say(3, Report::Ready);
    assert_eq!(pool.actions(), []);
    pool.say(2, Report::Ready);
    assert_eq!(pool.actions(), [Action::Report(Outcome::Rolled)]);
}

#[test]
fn of_children_that_have_all_died_one_comes_back_before_the_others() {
    let mut pool = Pool::serving(3, 3);
    pool.exit(1);
    assert!(matches!(pool.actions()[..], [Action::Log(Level::Warn, ..), Action::Spawn(ChildId(4), _)]), "two serve");
    pool.exit(4);
    pool.exit(2);
    pool.exit(3);
    pool.actions();
    pool.wait(SECOND);
    assert_eq!(pool.spawned(), [5]);
    pool.say(5, Report::Ready);
    assert_eq!(pool.spawned(), [6, 7]);
}

#[test]
fn a_first_child_that_hangs_lets_no_other_import_beside_it() {
    let mut pool = Pool::new(policy(2, 2));
    assert_eq!(pool.spawned(), [1]);
    pool.wait(5 * SECOND);
    assert_eq!(pool.actions(), []);
}

#[test]
fn while_one_imports_before_the_others_they_are_not_due() {
    let mut pool = Pool::serving(3, 3);
    (1..=3).for_each(|id| pool.exit(id));
    let spawned = pool.actions().into_iter().filter(|action| matches!(action, Action::Spawn(ChildId(4), _)));
    assert_eq!(spawned.count(), 1);
    pool.wait(2 * SECOND);
    pool.wait(5 * SECOND);
    assert_eq!(pool.spawned(), Vec::<u32>::new());
    pool.say(4, Report::Ready);
    pool.wait(2 * SECOND);
    assert_eq!(pool.spawned(), [5, 6]);
}

/// A reload tries new code, and what serves has a child less and may start it again; but not after a start that is tried itself.
#[test]
fn while_a_start_is_tried_no_other_child_is_due() {
    let mut pool = Pool::new(policy(2, 2));
    assert_eq!(pool.spawned(), [1]);
    pool.wait(2 * SECOND);
    pool.wait(5 * SECOND);
    assert_eq!(pool.spawned(), Vec::<u32>::new());
}

#[test]
fn a_first_child_that_dies_or_hangs_has_failed() {
    let mut pool = Pool::new(policy(1, 1));
    pool.spawned();
    pool.exit(1);
    assert!(matches!(&pool.actions()[0], Action::Report(Outcome::Refused(failure)) if failure.text.contains("signal 9")));
    let mut pool = Pool::new(policy(1, 1));
    pool.spawned();
    // It says itself where it hangs, if it can.
    pool.wait(10 * SECOND);
    assert_eq!(pool.actions(), []);
    pool.wait(SECOND);
    let actions = pool.actions();
    assert!(
        matches!(&actions[0], Action::Report(Outcome::Refused(failure)) if failure.text.contains("startup-timeout (10 s)")),
        "{actions:?}"
    );
    assert!(actions.contains(&Action::Kill(ChildId(1))));
}

#[test]
fn a_crash_is_made_good_at_once_and_a_crash_loop_ever_later() {
    let mut pool = Pool::serving(2, 2);
    pool.exit(1);
    let actions = pool.actions();
    assert!(
        matches!(&actions[0], Action::Log(Level::Warn, codes::CHILD_EXITED, text) if text.contains("signal 9")),
        "{actions:?}"
    );
    assert_eq!(actions[1..], [Action::Spawn(ChildId(3), Generation(0))]);
    pool.exit(3);
    assert!(matches!(pool.actions()[..], [Action::Log(Level::Warn, ..)]));
    let due = pool.children.next_deadline().expect("another is to be started") - pool.now;
    assert_eq!(due, SECOND / 2);
    pool.wait(due);
    assert_eq!(pool.spawned(), [4]);
    pool.say(4, Report::Failed(failure()));
    assert!(matches!(
        &pool.actions()[..],
        [Action::Log(Level::Warn, codes::CHILD_NOT_STARTED, text)] if text == "no module; trying again in 1.0 s"
    ));
    pool.exit(4);
    assert_eq!(pool.actions(), []);
    pool.wait(SECOND);
    assert_eq!(pool.spawned(), [5]);
}

fn broken() -> Event {
    Event::Broken("process 7: it writes nonsense".to_owned())
}

#[test]
fn a_child_that_breaks_its_link_is_killed_and_replaced_with_one_line() {
    let mut pool = Pool::serving(2, 2);
    pool.say(1, broken());
    pool.say(1, broken());
    let actions = pool.actions();
    assert!(
        matches!(
            &actions[1],
            Action::Log(Level::Warn, codes::CHILD_NOT_TRUSTED, text) if text.contains("process 7: it writes nonsense")
        ),
        "{actions:?}"
    );
    assert_eq!([&actions[0], &actions[2]], [&Action::Kill(ChildId(1)), &Action::Spawn(ChildId(3), Generation(0))]);
    assert_eq!(actions.len(), 3);
    pool.exit(1);
    assert_eq!(pool.actions(), []);
}

#[test]
fn a_child_that_breaks_its_link_while_it_starts_has_failed() {
    let mut pool = Pool::new(policy(1, 1));
    pool.spawned();
    pool.say(1, broken());
    let actions = pool.actions();
    assert_eq!(actions[0], Action::Kill(ChildId(1)));
    assert!(
        matches!(&actions[1], Action::Report(Outcome::Refused(failure)) if failure.text.contains("nonsense")),
        "{actions:?}"
    );
    let mut pool = Pool::serving(1, 1);
    pool.reload();
    pool.actions();
    pool.say(2, broken());
    let actions = pool.actions();
    assert!(matches!(actions[..], [Action::Kill(ChildId(2)), Action::Report(Outcome::Refused(_))]), "{actions:?}");
    pool.exit(2);
    assert_eq!((pool.actions(), pool.serving_ids()), (vec![], vec![1]));
}

#[test]
fn a_child_that_breaks_its_link_when_it_is_to_go_is_killed_and_not_replaced() {
    let mut pool = Pool::serving(2, 2);
    pool.children.handle_fewer(pool.now);
    assert_eq!(pool.retired(), [2]);
    pool.say(2, broken());
    assert!(matches!(pool.actions()[..], [Action::Kill(ChildId(2)), Action::Log(Level::Warn, ..)]));
}

#[test]
fn a_reload_tries_one_child_and_then_replaces_the_others_without_ever_having_fewer() {
    let mut pool = Pool::serving(3, 3);
    pool.reload();
    assert_eq!(pool.actions(), [Action::Spawn(ChildId(4), Generation(1))]);
    pool.tried(4);
    let actions = pool.actions();
    let spawned = [5, 6].map(|id| Action::Spawn(ChildId(id), Generation(1)));
    assert_eq!(actions[..2], spawned);
    assert_eq!(actions[2..], [Action::Tell(ChildId(1), Command::Retire)]);
    pool.say(5, Report::Ready);
    assert_eq!(pool.retired(), [2]);
    pool.say(6, Report::Ready);
    assert_eq!(pool.retired(), [3]);
    pool.say(3, Report::Retired);
    pool.say(2, Report::Retired);
    assert_eq!(pool.actions(), []);
    pool.exit(1);
    assert_eq!(pool.actions(), [Action::Report(Outcome::Rolled)]);
    pool.exit(3);
    pool.exit(2);
    assert_eq!((pool.actions(), pool.serving_ids()), (vec![], vec![4, 5, 6]));
}

#[test]
fn a_reload_that_fails_leaves_the_old_children_alone() {
    for fail in [Report::Failed(failure()).into(), Event::Exited { how: "exit code 1".to_owned(), told: None }] {
        let mut pool = Pool::serving(2, 2);
        pool.reload();
        pool.actions();
        pool.say(3, fail);
        assert!(matches!(pool.actions()[..], [Action::Report(Outcome::Refused(_))]));
        pool.exit(3);
        assert_eq!((pool.actions(), pool.serving_ids()), (vec![], vec![1, 2]));
        pool.reload();
        assert_eq!(pool.actions(), [Action::Spawn(ChildId(4), Generation(2))]);
    }
}

#[test]
fn a_child_that_dies_during_a_trial_is_replaced_by_its_own_kind() {
    let mut pool = Pool::serving(2, 2);
    pool.reload();
    pool.actions();
    pool.exit(1);
    assert_eq!(pool.actions()[1..], [Action::Spawn(ChildId(4), Generation(0))]);
    pool.tried(3);
    let actions = pool.actions();
    assert!(actions.contains(&Action::Spawn(ChildId(5), Generation(1))), "{actions:?}");
}

#[test]
fn a_worn_child_serves_until_another_does() {
    let mut pool = Pool::serving(1, 1);
    pool.say(1, Event::Worn);
    assert_eq!(pool.spawned(), [2]);
    pool.say(2, Report::Failed(failure()));
    pool.exit(2);
    assert!(matches!(pool.actions()[..], [Action::Log(Level::Warn, ..)]));
    assert_eq!(pool.serving_ids(), [1]);
    pool.wait(SECOND);
    assert_eq!(pool.spawned(), [3]);
    pool.say(3, Report::Ready);
    assert_eq!(pool.retired(), [1]);
}

#[test]
fn a_child_that_is_worn_before_it_is_ready_is_replaced_all_the_same() {
    let mut pool = Pool::serving(1, 1);
    pool.exit(1);
    pool.actions();
    pool.say(2, Event::Worn);
    assert_eq!(pool.spawned(), [3]);
    pool.say(2, Report::Ready);
    assert_eq!(pool.actions(), []);
    pool.say(3, Report::Ready);
    assert_eq!(pool.retired(), [2]);
}

#[test]
fn of_several_worn_children_the_oldest_goes_first() {
    let mut pool = Pool::serving(2, 2);
    pool.say(2, Event::Worn);
    pool.say(1, Event::Worn);
    assert_eq!(pool.spawned(), [3, 4]);
    pool.say(4, Report::Ready);
    assert_eq!(pool.retired(), [1]);
    pool.say(3, Report::Ready);
    assert_eq!(pool.retired(), [2]);
}

#[test]
fn a_child_whose_requests_do_not_end_goes_when_another_serves_and_they_do_not_pile_up() {
    let mut pool = Pool::serving(2, 2);
    for (hangs, next) in [(1, 3), (2, 4)] {
        pool.say(hangs, Event::Overdue);
        assert_eq!(pool.spawned(), [next]);
        pool.say(next, Report::Ready);
        assert_eq!(pool.retired(), [hangs]);
    }
    pool.say(3, Event::Overdue);
    let code = codes::CHILD_OVER_DEADLINE_KILLED;
    let actions = pool.actions();
    assert!(matches!(actions[0], Action::Log(Level::Warn, found, _) if found == code), "{actions:?}");
    assert_eq!(actions[1..], [Action::Kill(ChildId(1)), Action::Spawn(ChildId(5), Generation(0))]);
    pool.exit(1);
    pool.say(5, Report::Ready);
    assert_eq!(pool.retired(), [3]);
    pool.say(4, Event::Overdue);
    assert!(pool.actions().contains(&Action::Kill(ChildId(2))));
    assert_eq!(pool.serving_ids(), [4, 5]);
}

#[test]
fn a_child_that_retires_for_another_reason_is_not_killed_to_make_room() {
    let mut pool = Pool::serving(1, 1);
    pool.say(1, Event::Worn);
    pool.say(2, Report::Ready);
    pool.actions();
    pool.say(2, Event::Overdue);
    assert_eq!(pool.spawned(), [3]);
}

#[test]
fn a_child_in_which_nobody_gets_the_gil_is_killed_and_replaced() {
    let mut pool = Pool::serving(1, 1);
    pool.say(1, Event::Hung("process 7".to_owned()));
    let actions = pool.actions();
    let note = format!("{:?}", actions[1]);
    assert!(actions[0] == Action::Kill(ChildId(1)) && note.contains("process 7; starting another"), "{actions:?}");
    pool.exit(1);
    pool.wait(SECOND);
    assert_eq!(pool.serving_ids(), [0; 0]);
    assert!(pool.children.describe(ChildId(2)).is_some(), "another one is started");
}

#[test]
fn a_child_that_does_not_answer_holds_up_no_reload() {
    let mut pool = Pool::serving(1, 1);
    pool.reload();
    pool.actions();
    pool.tried(2);
    assert_eq!(pool.retired(), [1]);
    assert_eq!(pool.children.next_deadline(), Some(pool.now + 5 * SECOND));
    pool.wait(5 * SECOND);
    assert!(matches!(pool.actions()[..], [Action::Log(Level::Warn, ..), Action::Report(Outcome::Rolled)]));
    pool.wait(28 * SECOND);
    assert!(matches!(pool.actions()[..], [Action::Log(Level::Warn, ..), Action::Kill(ChildId(1))]));
}

#[test]
fn children_grow_old_one_after_the_other() {
    let mut pool = Pool::serving_with(Policy { max_lifetime: Some(100 * SECOND), ..policy(2, 2) });
    pool.wait(100 * SECOND - SECOND * 6);
    let first = pool.spawned();
    assert_eq!(first.len(), 1);
    pool.say(first[0], Report::Ready);
    let retired = pool.retired();
    assert_eq!(retired.len(), 1);
    pool.exit(retired[0]);
    pool.wait(6 * SECOND);
    assert_eq!(pool.spawned().len(), 1);
}

#[test]
fn one_more_and_one_less_hold_until_the_next_reload() {
    let mut pool = Pool::serving(2, 2);
    pool.children.handle_more(pool.now);
    assert_eq!(pool.spawned(), [3]);
    pool.say(3, Report::Ready);
    pool.wait(120 * SECOND);
    assert_eq!(pool.actions(), []);
    pool.children.handle_fewer(pool.now);
    assert_eq!(pool.retired(), [3]);
    pool.children.handle_fewer(pool.now);
    assert_eq!(pool.retired(), [2]);
    pool.children.handle_fewer(pool.now);
    assert_eq!(pool.retired(), Vec::<u32>::new());
    pool.children.handle_more(pool.now);
    pool.children.handle_fewer(pool.now);
    assert_eq!(pool.actions(), [Action::Spawn(ChildId(4), Generation(0)), Action::Terminate(ChildId(4))]);
}

#[test]
fn an_elastic_pool_grows_by_need_and_shrinks_without() {
    let mut pool = Pool::serving(1, 3);
    pool.say(1, Report::Saturated);
    assert_eq!(pool.spawned(), [2]);
    pool.say(1, Report::Saturated);
    assert_eq!(pool.actions(), [], "one that is coming may be enough");
    pool.say(2, Report::Ready);
    pool.say(1, Report::Saturated);
    assert_eq!(pool.actions(), [], "the other has time");
    pool.say(2, Report::Saturated);
    assert_eq!(pool.spawned(), [3]);
    pool.say(3, Report::Ready);
    pool.wait(200 * SECOND);
    assert_eq!(pool.actions(), [], "both that were there are as busy as ever");
    pool.say(1, Report::Relieved);
    pool.say(2, Report::Relieved);
    pool.wait(59 * SECOND);
    assert_eq!(pool.actions(), []);
    pool.wait(SECOND);
    assert_eq!(pool.retired(), [3]);
    assert_eq!(pool.children.next_deadline(), Some(pool.now + SECOND));
    pool.wait(SECOND);
    assert_eq!(pool.retired(), [2]);
    pool.wait(100 * SECOND);
    assert!(pool.actions().iter().all(|action| matches!(action, Action::Log(Level::Warn, ..) | Action::Kill(_))));
    assert_eq!(pool.serving_ids(), [1]);
}

#[test]
fn a_pool_on_demand_sleeps_and_wakes() {
    let mut pool = Pool::serving(0, 2);
    assert!(pool.children.is_asleep());
    pool.children.handle_demand(pool.now);
    assert_eq!(pool.spawned(), [1]);
    assert!(!pool.children.is_asleep());
    pool.say(1, Report::Ready);
    pool.say(1, Event::Unused);
    assert_eq!(pool.retired(), [1]);
    assert!(pool.children.is_asleep());
}

#[test]
fn a_reload_of_a_sleeping_pool_tries_the_new_code_all_the_same() {
    let mut pool = Pool::serving(0, 2);
    pool.reload();
    assert_eq!(pool.spawned(), [1]);
    pool.tried(1);
    assert_eq!(pool.retired(), [1]);
    pool.say(1, Report::Retired);
    assert_eq!(pool.actions(), [Action::Report(Outcome::Rolled)]);
}

#[test]
fn a_stop_tells_those_that_listen_and_terminates_those_that_do_not_yet() {
    let mut pool = Pool::serving(1, 1);
    pool.say(1, Event::Worn);
    pool.spawned();
    pool.children.handle_stop(Stop::Gracefully, pool.now);
    let tell = |command| Action::Tell(ChildId(1), command);
    assert_eq!(pool.actions(), [tell(Command::StopGracefully), Action::Terminate(ChildId(2))]);
    pool.children.handle_stop(Stop::Gracefully, pool.now);
    pool.exit(2);
    assert_eq!(pool.actions(), []);
    pool.children.handle_stop(Stop::Now, pool.now);
    assert_eq!(pool.actions(), [tell(Command::StopNow)]);
    pool.exit(1);
    assert_eq!(pool.actions(), [Action::Report(Outcome::Stopped)]);
    assert_eq!(pool.children.next_deadline(), None);
}

#[test]
fn who_does_not_end_in_time_is_killed_once() {
    let mut pool = Pool::serving(1, 1);
    pool.children.handle_stop(Stop::Gracefully, pool.now);
    pool.actions();
    pool.wait(30 * SECOND);
    assert_eq!(pool.actions(), [], "it ends by itself a moment later");
    pool.wait(SECOND / 2);
    assert!(matches!(pool.actions()[..], [Action::Log(Level::Warn, ..), Action::Kill(ChildId(1))]));
    pool.wait(100 * SECOND);
    assert_eq!((pool.actions(), pool.children.next_deadline()), (vec![], None));
}

#[test]
fn who_is_replaced_has_the_time_it_was_started_with() {
    let mut pool = Pool::serving(1, 1);
    let before = policy(1, 1);
    let limits = Limits { graceful_timeout: SECOND, ..before.limits };
    pool.children.handle_reload(Policy { limits, ..before }, pool.now);
    assert_eq!(pool.spawned(), [2]);
    pool.tried(2);
    assert_eq!(pool.retired(), [1]);
    pool.say(1, Report::Retired);
    assert_eq!(pool.actions(), [Action::Report(Outcome::Rolled)]);
    pool.children.handle_stop(Stop::Gracefully, pool.now);
    pool.actions();
    let killed = |pool: &mut Pool| {
        let actions = pool.actions().into_iter();
        actions.filter_map(|action| if let Action::Kill(id) = action { Some(id.0) } else { None }).collect::<Vec<_>>()
    };
    pool.wait(2 * SECOND);
    assert_eq!(killed(&mut pool), [2]);
    pool.wait(28 * SECOND);
    assert!(killed(&mut pool).is_empty());
    pool.wait(SECOND / 2);
    assert_eq!(killed(&mut pool), [1]);
}

#[test]
fn adopted_children_serve_until_the_new_ones_do() {
    let now = Instant::now();
    let stand = Stand { is_leaving: false, age: SECOND, graceful_timeout: SECOND };
    let (mut children, ids) = Children::adopt(policy(2, 2), &[stand, stand], now);
    assert_eq!((ids.len(), children.take_actions()), (2, vec![]));
    children.handle_reload(policy(2, 2), now);
    assert_eq!(children.take_actions(), [Action::Spawn(ChildId(3), Generation(1))]);
    assert_eq!(children.serving().count(), 2);
    children.handle(ids[1], Report::Ready.into(), now);
    assert_eq!(children.take_actions(), [Action::Tell(ids[1], Command::Begin)], "it was not ready when it was adopted");
}

#[test]
fn adopted_children_that_are_leaving_are_expected_to_and_keep_their_time() {
    let mut old = Pool::serving(1, 1);
    old.reload();
    assert_eq!(old.spawned(), [2]);
    old.tried(2);
    old.wait(10 * SECOND);
    let stands = [1, 2].map(|id| old.children.stand(ChildId(id), old.now).unwrap());
    assert_eq!(stands.map(|stand| (stand.is_leaving, stand.age)), [(true, 10 * SECOND), (false, 10 * SECOND)]);

    let before = policy(1, 1);
    let limits = Limits { graceful_timeout: SECOND, ..before.limits };
    let (children, ids) = Children::adopt(Policy { limits, ..before }, &stands, old.now);
    let mut pool = Pool { children, now: old.now };
    assert_eq!((pool.children.wanted(), pool.children.serving().collect::<Vec<_>>()), (1, vec![ids[1]]));
    pool.wait(20 * SECOND);
    assert_eq!(pool.actions(), []);
    pool.wait(SECOND / 2);
    assert!(matches!(pool.actions()[..], [Action::Log(Level::Warn, ..), Action::Kill(id)] if id == ids[0]));
    pool.exit(1);
    assert_eq!(pool.actions(), []);
}
