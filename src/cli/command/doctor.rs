//! `doctor`.

use super::show;
use crate::cli::args::Doctor;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::engine::{Check, Verdict};
use std::fmt::Write as _;

/// Looks at the machine, and says what it means and what mends it. The exit code is 1 if containers cannot be run.
pub fn run(context: &Context, args: &Doctor) -> Result<Exit, Error> {
    let checks = engine::doctor(&context.engine());
    let text = lines(context, &checks);
    show(context, &text)?;
    if let Some(file) = &args.bundle {
        std::fs::write(file, bundle(context, &checks))
            .map_err(Error::io(format!("write `{}`", file.display())))?;
        context.view.note(&format!("wrote {}\n", file.display()));
    }
    match checks.iter().any(|check| check.verdict == Verdict::Bad) {
        true => Ok(Exit::Code(1)),
        false => Ok(Exit::Done),
    }
}

fn lines(context: &Context, checks: &[Check]) -> String {
    let facts = context.view.stdout;
    let style = facts.style();
    let mut text = String::new();
    for check in checks {
        let (unicode, ascii) = match check.verdict {
            Verdict::Good => ("✔", "+"),
            Verdict::Poor => ("!", "!"),
            Verdict::Bad => ("✘", "x"),
        };
        let mark = if facts.unicode { unicode } else { ascii };
        let mark = match check.verdict {
            Verdict::Good => style.paint(crate::cli::view::style::Colour::Green, mark),
            Verdict::Poor => style.yellow(mark),
            Verdict::Bad => style.red(mark),
        };
        let _ = writeln!(text, "{mark} {:<11} {}", check.what, check.found);
        if let Some(remedy) = &check.remedy {
            let _ = writeln!(text, "  {:<11} {} {remedy}", "", style.cyan("mend it:"));
        }
    }
    text
}

/// For a bug report: what was found, the kernel, and projects with their services' states; no variable, no file of the user's.
fn bundle(context: &Context, checks: &[Check]) -> String {
    let engine = context.engine();
    let mut text = format!("hoist {}\n\n", env!("CARGO_PKG_VERSION"));
    for check in checks {
        let _ = writeln!(text, "{:?} {}: {}", check.verdict, check.what, check.found);
    }
    for file in ["/proc/version", "/proc/self/cgroup", "/proc/filesystems"] {
        let content = std::fs::read_to_string(file).unwrap_or_default();
        let _ = write!(text, "\n== {file}\n{content}");
    }
    text.push_str("\n== containers\n");
    for container in engine::containers(&engine).unwrap_or_default() {
        let _ = writeln!(
            text,
            "{} {:?} {:?} exit {:?}",
            container.name, container.state, container.health, container.exit_code
        );
    }
    text
}
