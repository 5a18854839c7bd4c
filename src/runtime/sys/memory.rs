//! Giving back what only setting up needed.

/// Linux keeps at least this much free below the stack (`stack_guard_gap`), so nothing else is mapped there.
const BELOW_STACK: usize = 256 << 10;

unsafe extern "C" {
    /// Where the program's text begins and ends: symbols of the linker, addresses without an object.
    static __executable_start: u8;
    static etext: u8;
}

/// Returns to the kernel what this process needed to come up and will hardly need again: free heap pages, the stack below
/// the caller, and its mappings of the program's text (they come back from the page cache, 64 KiB at a fault). Processes
/// that now sleep for hours call it, so that fifty of them cost little more than one.
pub fn rest() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number, touches only glibc's own free lists, under its own lock.
    unsafe {
        libc::malloc_trim(0);
    }
    forget_stack();
    forget_text();
}

#[inline(never)]
fn forget_stack() {
    let here = 0_u8;
    // One page for the frames of this call and its `madvise`, and the red zone.
    let end = ((&raw const here).addr() & !(page() - 1)) - page();
    // SAFETY: only what lies below the frames of this thread, or in the gap below its stack, where nothing is mapped.
    unsafe { forget(end - BELOW_STACK, end) }
}

fn forget_text() {
    let (start, end) = (
        (&raw const __executable_start).addr(),
        (&raw const etext).addr(),
    );
    // SAFETY: text is a private mapping of the program's file that is never written to: what is dropped is read again.
    unsafe { forget(start & !(page() - 1), end.next_multiple_of(page())) }
}

/// # Safety
/// What is mapped privately from `start` to `end` (addresses of pages) is lost, but for what its file holds.
unsafe fn forget(start: usize, end: usize) {
    // SAFETY: as promised by the caller. A hole in the range is an error after the rest was done.
    let _ = unsafe { libc::madvise(start as *mut _, end - start, libc::MADV_DONTNEED) };
}

fn page() -> usize {
    rustix::param::page_size()
}
