/**
 * A terminal: a pseudo-terminal of Python's.
 *
 * @module
 */
import { Running, type RunOptions } from "./process.ts";

/** Runs a command in a terminal; what is typed and shown goes through the pipes. */
const TERMINAL = `
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
`;

/** What these keys send. */
export const CTRL_C = "\x03", CTRL_D = "\x04", CTRL_U = "\x15", BACKSPACE = "\x7f";

/** Runs a command in a terminal; it needs python3, but no package of it, which are slow to start. */
export function inTerminal(command: string[], options: RunOptions = {}): Running {
  return new Running("python3", ["-I", "-S", "-c", TERMINAL, ...command], {
    typing: true,
    ...options,
  });
}
