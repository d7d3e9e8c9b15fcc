//! The first child of a generation, and what becomes of it.

use super::*;

#[test]
fn a_first_child_that_fails_is_told_and_no_other_is_started() {
    let mut pool = Pool::new(policy(2, 2));
    pool.spawned();
    pool.say(1, Report::Failed(failure()));
    assert_eq!(pool.actions(), [Action::Report(Outcome::Refused(failure()))]);
    pool.exit(1);
    pool.wait(100 * SECOND);
    assert_eq!((pool.actions(), pool.children.is_steady()), (vec![], false));
    pool.children.handle_stop(Stop::Now, pool.now);
    assert_eq!(pool.actions(), [Action::Report(Outcome::Stopped)]);
}

#[test]
fn a_later_child_that_fails_is_told_and_tried_again() {
    let mut pool = Pool::new(policy(3, 3));
    pool.spawned();
    pool.tried(1);
    assert_eq!(pool.spawned(), [2, 3]);
    pool.say(2, Report::Failed(failure()));
    assert_eq!(pool.actions(), [Action::Report(Outcome::Short(failure()))]);
    pool.exit(2);
    pool.wait(SECOND);
    assert_eq!(pool.spawned(), [4]);
}

#[test]
fn a_child_that_is_ready_begins_when_it_is_to() {
    let mut pool = Pool::new(policy(1, 1));
    pool.spawned();
    pool.say(1, Report::Ready);
    assert_eq!(pool.children.take_actions(), [Action::Report(Outcome::Tried)]);
    assert_eq!((pool.serving_ids(), pool.children.next_deadline()), (vec![], None), "others may take their time");
    pool.commit();
    let begin = |id| Action::Tell(ChildId(id), Command::Begin);
    assert_eq!(pool.children.take_actions(), [begin(1), Action::Report(Outcome::Rolled)]);
    pool.exit(1);
    pool.children.take_actions();
    pool.say(2, Report::Ready);
    assert_eq!(pool.children.take_actions(), [begin(2)], "nothing is to be decided");
}

#[test]
fn a_child_that_ends_before_it_was_to_begin_has_failed() {
    let mut pool = Pool::serving(1, 1);
    pool.reload();
    pool.actions();
    pool.say(2, Report::Ready);
    pool.exit(2);
    let actions = pool.actions();
    assert!(matches!(actions[..], [Action::Report(Outcome::Tried), Action::Report(Outcome::Refused(_))]), "{actions:?}");
    pool.commit();
    assert_eq!((pool.actions(), pool.serving_ids()), (vec![], vec![1]));
}

#[test]
fn what_is_not_wanted_after_all_leaves_everything_as_it_was() {
    for say in [None, Some(Report::Ready)] {
        let mut pool = Pool::serving(2, 4);
        let limits = Limits { startup_timeout: 99 * SECOND, ..pool.children.policy.limits };
        let new = Policy { min: 3, max: 3, limits, ..pool.children.policy };
        pool.children.handle_reload(new, pool.now);
        assert_eq!(pool.spawned(), [3]);
        assert_eq!(pool.children.next_deadline(), Some(pool.now + 100 * SECOND), "of the new settings, and one more");
        say.into_iter().for_each(|say| pool.say(3, say));
        pool.actions();
        pool.children.handle_abandon(pool.now);
        assert_eq!(pool.actions(), [Action::Terminate(ChildId(3))]);
        pool.exit(3);
        assert_eq!((pool.children.policy, pool.children.wanted()), (policy(2, 4), 2));
        assert_eq!((pool.actions(), pool.serving_ids(), pool.children.generation()), (vec![], vec![1, 2], Generation(0)));
        pool.exit(1);
        assert!(pool.actions().contains(&Action::Spawn(ChildId(4), Generation(0))));
    }
}
