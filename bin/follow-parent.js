// Loaded into a child that bin/node.js starts: ends it when its parent is gone.

// The mark tells our parent's channel from one that a user's own process manager keeps for its purposes. It goes no
// further: the child's own children have parents of their own.
if (process.env.SLUICE_FOLLOW !== undefined && process.channel) {
  delete process.env.SLUICE_FOLLOW;
  // SIGTERM and not exit: what listens drains, what does not listen dies.
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  // Listening must not keep the process alive.
  process.channel.unref();
}
