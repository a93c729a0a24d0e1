/** What stands at the end of a command's help. */
export function examples(...lines: readonly (readonly [command: string, meaning: string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  const text = lines.map(([command, meaning]) => `  $ ${command.padEnd(width)}  ${meaning}`.trimEnd());
  return `\nExamples:\n${text.join("\n")}`;
}
