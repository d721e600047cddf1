//! The server over real HTTP, with a backend whose scores are known: the length of a text.

#[path = "server/abuse.rs"]
mod abuse;
#[path = "server/scripted.rs"]
mod scripted;
#[path = "server/tls.rs"]
mod tls;
#[path = "server/traces.rs"]
mod traces;
#[path = "server/wire.rs"]
mod wire;
#[path = "server/world.rs"]
mod world;
