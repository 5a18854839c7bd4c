//! The executor's own promises: order, parallelism, batches, failure, cancelling, deadlines, events.
