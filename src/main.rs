//! The door: a re-entry as one of our own helper processes is answered before any thread exists.

fn main() -> std::process::ExitCode {
    if let Some(code) = hoist::scheduler::reenter() {
        return code;
    }
    hoist::cli::run(std::env::args_os())
}
