/**
 * What the tutorial shows of terminals, run: one window, or several at the same time.
 *
 * A prompt is `$`, or `1$`, `2$` … where there are several windows. What runs in the first one says
 * where it listens, and is stopped where the page has `^C`. A line `...` stands for lines that are
 * left out, `[...]` for a part of a line.
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import { ROOT, Running } from "../support/process.ts";
import { type Part, STEPS } from "./pages.ts";

/** A command and what the page says it prints. */
interface Command {
  prompt: string;
  command: string;
  output: string;
}

/** What is on the screen at one time: windows, each with commands, one after the other. */
export interface Scene {
  windows: Command[][];
  /** Whether the Python twins of its programs print the same. */
  twin: boolean;
}

/** The scenes of a page, in order. */
export function scenesOf(parts: Part[]): Scene[] {
  const scenes: Scene[] = [];
  for (const part of parts) {
    if (part.kind !== "code" || !part.info.startsWith("console")) continue;
    const window = [...part.text.matchAll(/^(\d?\$) (.*)\n((?:(?!\d?\$ ).*\n)*)/gm)].map(
      ([, prompt = "", command = "", output = ""]) => ({ prompt, command, output }),
    );
    const further = Number.parseInt(window[0]!.prompt) > 1;
    if (further) scenes.at(-1)!.windows.push(window);
    else scenes.push({ windows: [window], twin: part.info.includes("twin") });
  }
  return scenes;
}

/** The names of the programs of docs/steps/ that a scene runs. */
export function programsOf({ windows }: Scene): string[] {
  return windows.flat().flatMap(({ command }) => command.match(/\b(\d\d|peer)_\w+\.\w+/g) ?? []);
}

/** The same scene with the Python twins of its programs. */
export function twinOf({ windows }: Scene): Scene {
  const words: Record<string, string> = {
    null: "b''",
    BrokenPipe: "BrokenPipeError",
    ConnectionReset: "ConnectionResetError",
  };
  const twin = (command: Command) => ({
    ...command,
    command: command.command.replace(/deno run(?: --\S+)* (\w+)\.ts/, "python3 $1.py"),
    output: command.output.replace(/\b(null|BrokenPipe|ConnectionReset)\b/g, (it) => words[it]!),
  });
  return { windows: windows.map((window) => window.map(twin)), twin: false };
}

/** Runs a scene in `folder`, a copy of docs/steps/, and compares what each command prints. */
export async function play({ windows }: Scene, folder: string) {
  const [first = [], ...others] = windows;
  if (others.length === 0) {
    const shown: string[] = [];
    for (const one of first) shown.push(await perform(await port(one.command, 0), folder));
    return compare([first], shown);
  }
  const server = first[0]!;
  await using running = start(await port(server.command, 0), folder);
  const [, listening] = await running.heard("stdout", /127\.0\.0\.1:(\d+)/);
  const shown: string[] = [];
  for (const one of others.flat()) {
    shown.push(await perform(await port(one.command, Number(listening)), folder));
  }
  if (server.output.endsWith("^C\n")) {
    const output = server.output.slice(0, -3);
    await inTime(running.heard("stdout", new RegExp(pattern(output))));
    shown.unshift(running.stdout + "^C\n");
  } else {
    await inTime(running.child.status.then(() => running.stop()));
    shown.unshift(running.stdout);
  }
  compare(windows, shown);
}

/** So long a scene may take to go on: far more than it ever takes. */
const PATIENCE_MS = 30_000;

/** Waits for it, and not for ever: what is missing then, the comparison shows. */
async function inTime(what: Promise<unknown>) {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, PATIENCE_MS);
  await Promise.race([what, late.promise]).finally(() => clearTimeout(timer));
}

async function perform(command: string, folder: string): Promise<string> {
  await using running = start(command, folder);
  await inTime(running.child.status.then(() => running.stop()));
  return running.stdout.replaceAll("\r\n", "\n"); // a terminal shows no CR
}

function start(command: string, folder: string): Running {
  // the last command takes the shell's place, to be the one that is stopped
  const line = command.replace(/^\((.*)\)/, "$1") // a shell of its own it has
    .replace(/^((?:.*; )?)(deno|python3) /, "$1exec $2 ").replace("../../", ROOT);
  return new Running("bash", ["-c", `exec 2>&1; ${line}`], {
    cwd: folder,
    env: { PYTHONUNBUFFERED: "1", DENO_NO_UPDATE_CHECK: "1" },
  });
}

/** The command with the port that it is to use instead of 9999. */
async function port(command: string, port: number): Promise<string> {
  if (command.includes(":9999")) return command.replace(":9999", `:${port}`);
  const [, program] = command.match(/\b((?:\d\d|peer)_\w+\.(?:ts|py))\b[^|>;]*$/) ?? [];
  if (!program) return command;
  const takesPort = (await Deno.readTextFile(STEPS + program)).includes("[PORT]");
  return takesPort ? `${command} ${port}` : command;
}

/** What the page shows, as a regular expression: ports may be others, but the same everywhere. */
function pattern(text: string): string {
  const ports = new Set<string>();
  return text.split(/(^\.\.\.\n|\[\.\.\.\]|(?<=127\.0\.0\.1:)\d+)/m).map((part) => {
    if (part === "...\n") return "(?:.*\\n)*?";
    if (part === "[...]") return ".*";
    if (!/^\d+$/.test(part)) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    if (ports.has(part)) return `\\k<p${part}>`;
    ports.add(part);
    return `(?<p${part}>\\d+)`;
  }).join("");
}

function compare(windows: Command[][], shown: string[]) {
  const commands = windows.flat();
  const due = commands.map(({ output }) => trimmed(output)), came = shown.map(trimmed);
  if (new RegExp(`^${pattern(due.join("\0"))}$`).test(came.join("\0"))) return;
  const screen = (outputs: string[]) =>
    commands.map(({ prompt, command }, n) => `${prompt} ${command}\n${outputs[n]}`).join("");
  assertEquals(screen(came), screen(due));
}

/** Without empty lines at the end, which no page shows. */
function trimmed(output: string): string {
  return output.replace(/\n+$/, "\n");
}
