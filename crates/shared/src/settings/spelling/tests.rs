use super::*;

#[test]
fn a_mistyped_name_has_one_that_was_meant_and_another_word_has_none() {
    let names = ["app", "application", "threads"];
    for (typed, meant) in
        [("ap", Some("app")), ("aplication", Some("application")), ("tread", Some("threads")), ("x", None), ("port", None)]
    {
        assert_eq!(nearest(typed, names), meant, "{typed}");
    }
    assert_eq!(nearest("app", []), None);
}

#[test]
fn two_letters_the_wrong_way_round_are_one_mistake() {
    for (typed, meant) in [("abrot", Some("abort")), ("baort", Some("abort")), ("abotr", Some("abort")), ("brota", None)] {
        assert_eq!(nearest(typed, ["abort", "umask"]), meant, "{typed}");
    }
}
