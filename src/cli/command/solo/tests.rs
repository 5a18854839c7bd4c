use super::*;
use crate::cli::args::{Cli, Container, Named, Verb};
use std::ffi::OsString;

fn solo(line: &str) -> Result<Solo, Error> {
    // `~` stands for a space within a word
    let words = line.split_whitespace().map(|word| word.replace('~', " "));
    let words = ["hoist", "container", "create"]
        .map(str::to_owned)
        .into_iter()
        .chain(words);
    let words: Vec<OsString> = words.map(OsString::from).collect();
    let cli = Cli::read(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
    let Some(Verb::Container(Named(Container::Create(args)))) = cli.verb else {
        panic!("{line} is something else")
    };
    Solo::new(&args.make, "name", "project", Vec::new())
}

/// What flags add to the service; `_` has what is added beside it.
fn added(flags: &str) -> Value {
    let solo = solo(&format!("{flags} image")).expect(flags);
    let mut service = solo.service.0;
    for always in ["image", "container_name", "labels"] {
        service.remove(always);
    }
    if !solo.document.keys().eq(["name"]) {
        let mut rest = solo.document;
        rest.remove("name");
        service.insert("_".to_owned(), Value::Object(rest));
    }
    Value::Object(service)
}

#[test]
fn each_flag_is_the_attribute_that_means_the_same() {
    let table = include_str!("../../../../tests/fixtures/cli/docker-run.txt");
    let mut lines = 0;
    for line in table
        .lines()
        .filter(|it| !it.is_empty() && !it.starts_with('#'))
    {
        let (flags, wanted) = line.split_once(" => ").expect(line);
        let wanted: Value = serde_json::from_str(wanted).expect(line);
        assert_eq!(added(flags.trim()), wanted, "{flags}");
        lines += 1;
    }
    assert!(lines > 90, "{lines}");
}

#[test]
fn volumes_that_are_made_have_what_the_flags_say() {
    let made = solo(
        "-v data:/data -v /srv:/srv -v /anonymous --mount src=more,dst=/m,volume-opt=type=tmpfs,volume-label=a=b image",
    );
    let made = made.expect("it is sound").volumes;
    assert_eq!(made.keys().collect::<Vec<_>>(), ["data", "more"]);
    assert_eq!(made["more"].driver_opts["type"], "tmpfs");
    assert_eq!(made["more"].labels["a"], "b");
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_hint() {
    for line in [
        "--mount type=bind,what=1 image",
        "--mount type=bind,readonly=maybe image",
        "--mount type=tmpfs,dst=/t,tmpfs-mode=rw image",
        "--mount dst=/t,volume-label=a=b image",
        "--gpus some image",
        "--network alias=a image",
        "--network name=a,colour=red image",
        "--network host --ip 10.0.0.1 image",
        "--network none --network other image",
    ] {
        let error = solo(line).expect_err(line);
        assert!(format!("{error:?}").contains("hint: Some"), "{error:?}");
    }
}

#[test]
fn dollars_and_lines_are_kept() {
    let made = solo("-e A=$B image echo $HOME").expect("it is sound");
    let text = made.text("project");
    assert!(text.contains("\"A=$$B\""), "{text}");
    assert!(text.contains("\"$$HOME\""), "{text}");
    assert!(text.lines().count() > 10, "one thing a line: {text}");
}
