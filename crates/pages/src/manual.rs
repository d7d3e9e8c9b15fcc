//! The two pages of the manual: pyfcgid(8) and pyfcgid.toml(5).

use pyfcgid::config::{Group, Setting};

use super::commands::{self, Argument, Command};
use super::page::Page;
use super::{facts, options};

/// The program, its commands, and what an administrator meets.
pub fn of_program(date: &str) -> String {
    let mut page = Page::new("pyfcgid", "8", date);
    let commands = commands::all();
    page.section("NAME").text(&format!("pyfcgid - {}", facts::ABOUT));
    page.section("SYNOPSIS").text(&format!("`{}`", commands[0].usage));
    for command in &commands[1..] {
        page.line_break().text(&format!("`{}`", command.usage));
    }
    page.section("DESCRIPTION");
    paragraphs(&mut page, &facts::DESCRIPTION);
    page.section("COMMANDS");
    for (index, command) in commands.iter().enumerate() {
        describe_command(&mut page, command);
        let as_before = commands[..index].iter().find(|before| before.notes == command.notes && !command.notes.is_empty());
        match as_before {
            _ if command.takes_options => page.paragraph("It takes all options below."),
            Some(before) => page.paragraph(&format!("The notes at the end of `{}` apply here, too.", before.name)),
            None if command.notes.is_empty() => &mut page,
            None => page.notes(&command.notes),
        };
    }
    page.section("OPTIONS OF SERVE AND CHECK");
    page.text("Each is also a key of the configuration file, where pyfcgid.toml(5) says more, and an environment variable.");
    for group in Group::ALL {
        page.part(group.heading());
        options::of_group(group).for_each(|setting| describe_flag(&mut page, setting));
    }
    list(&mut page, "SIGNALS", "Of the supervisor, whose process id the PID file has:", &facts::table(facts::SIGNALS));
    list(&mut page, "EXIT STATUS", "Of every command but `request`, which has its own:", &facts::table(facts::EXIT_CODES));
    list(&mut page, "ENVIRONMENT", "Options, and:", &facts::VARIABLES);
    list(&mut page, "FILES", "As installed by a package:", &facts::FILES);
    list(&mut page, "EXAMPLES", "As they are typed:", &facts::EXAMPLES);
    page.section("SEE ALSO").text("pyfcgid.toml(5), nginx(8), apache2(8), systemd.service(5)");
    page.render()
}

fn describe_command(page: &mut Page, command: &Command) {
    page.part(&command.usage).text(&format!("{}.", command.about));
    if let [alias, ..] = &command.aliases[..] {
        page.paragraph(&format!("`{alias}` is an alias."));
    }
    for Argument { flags, value, help } in &command.arguments {
        page.item(flags, value.as_deref(), help);
    }
}

fn describe_flag(page: &mut Page, setting: &Setting) {
    let default = options::default(setting);
    page.item(&options::flags(setting), Some(setting.value_name), &format!("{}.", setting.help));
    page.more(&format!("Default: {default}."));
}

/// The configuration file.
pub fn of_file(date: &str) -> String {
    let mut page = Page::new("pyfcgid.toml", "5", date);
    page.section("NAME").text("pyfcgid.toml - configuration of pyfcgid(8)");
    page.section("DESCRIPTION");
    paragraphs(&mut page, &facts::FILE);
    page.section("INCLUDED FILES").item(&["include".to_owned()], Some("PATTERN"), facts::INCLUDE[0]);
    for text in &facts::INCLUDE[1..] {
        page.more(text);
    }
    list(&mut page, "VALUES", "Every value may be in quotes.", &facts::VALUES);
    page.section("KEYS");
    page.text("Options at the top of the file apply to the whole daemon, those in a `[pool.NAME]` table to that pool.");
    for group in Group::ALL {
        page.part(group.heading());
        options::of_group(group).for_each(|setting| describe_key(&mut page, setting));
    }
    page.section("EXAMPLE").text("A file with two pools, and more in other files:").lines(facts::EXAMPLE);
    list(&mut page, "FILES", "As installed by a package:", &facts::FILES);
    page.section("SEE ALSO").text("pyfcgid(8)");
    page.render()
}

fn describe_key(page: &mut Page, setting: &Setting) {
    page.item(&[setting.name.to_owned()], Some(setting.value_name), &format!("{}.", setting.help));
    page.more(&format!(
        "Value: {}. Default: {}. Goes {}. Environment: `{}`.",
        options::values(setting),
        options::default(setting),
        options::place(setting),
        setting.variable()
    ));
}

fn paragraphs(page: &mut Page, texts: &[&str]) {
    page.text(texts[0]);
    for text in &texts[1..] {
        page.paragraph(text);
    }
}

/// A section with an entry for each of these.
fn list(page: &mut Page, heading: &str, start: &str, items: &[(impl ToString, impl AsRef<str>)]) {
    page.section(heading).text(start);
    for (typed, text) in items {
        page.item(&[typed.to_string()], None, text.as_ref());
    }
}
