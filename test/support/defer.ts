const cleanups: (() => unknown)[] = [];

/** Something to end after the test, last come first ended. */
export function defer(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** For `afterEach`: ends all that was deferred. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}
