//! All integration tests in one binary. A test's name is a claim.

mod architecture;
mod stack;
mod stack_guestbook;
mod stack_kill;
mod world;
