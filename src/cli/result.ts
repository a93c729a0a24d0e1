/** What a command has to say, and how the process ends. */
export interface CommandResult {
  readonly exitCode: number;
  readonly lines: readonly string[];
}
