//! Packets against another implementation, the zone as a table, the resolver over real sockets.
