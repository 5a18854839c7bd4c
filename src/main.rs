//! The door: a re-entry as one of our own helper processes is answered before any thread exists.

fn main() -> std::process::ExitCode {
    match hoist::scheduler::reenter() {
        Some(Ok(code)) => code,
        Some(Err(error)) => hoist::cli::reentry_failed(&*error),
        None => hoist::cli::run(std::env::args_os()),
    }
}
