/**
 * How tests run the scripts: as a user does, through the real command line.
 *
 * @module
 */
import { toBytes } from "jsr:@std/streams@^1.0.0/to-bytes";

/** The project's folder, with a slash at its end. */
export const ROOT = new URL("../../", import.meta.url).pathname;

/** What a finished command left. */
export interface Finished {
  /** The exit code. */
  code: number;
  /** Standard output as text. */
  stdout: string;
  /** Standard output as it came. */
  bytes: Uint8Array;
  /** Standard error as text. */
  stderr: string;
}

/** How a command is run. */
export interface RunOptions {
  /** Bytes for its standard input; else that is empty. */
  stdin?: string | Uint8Array | undefined;
  /** Its working folder; else the project's. */
  cwd?: string;
  /** Environment variables to add. */
  env?: Record<string, string>;
  /** The permission flags of `deno run`; else all. */
  permissions?: string[];
  /** Whether a `Running` program hears what `type()` types. */
  typing?: boolean;
}

/** Runs a program to its end. */
export async function run(
  program: string,
  args: string[],
  { stdin, cwd = ROOT, env = {} }: RunOptions = {},
): Promise<Finished> {
  const child = new Deno.Command(program, {
    args,
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const feed = new Blob([stdin as BlobPart ?? ""]).stream().pipeTo(child.stdin)
    .catch(() => {}); // it may end without reading its input
  const [bytes, errors, { code }] = await Promise.all([
    toBytes(child.stdout),
    toBytes(child.stderr),
    child.status,
    feed,
  ]);
  const text = new TextDecoder();
  return {
    code,
    bytes,
    stdout: text.decode(bytes),
    stderr: text.decode(errors),
  };
}

/** The arguments of `deno` that run a script of the project. */
export function denoArgs(
  script: string,
  args: string[],
  permissions: string[] = ["--allow-all"],
): string[] {
  return ["run", "--no-prompt", ...permissions, `${ROOT}${script}`, ...args];
}

/** Runs one of the three scripts to its end. */
export function runScript(
  script: "fetch.ts" | "server.ts" | "client.ts",
  args: string[],
  options: RunOptions = {},
): Promise<Finished> {
  const command = denoArgs(script, args, options.permissions);
  return run(Deno.execPath(), command, options);
}

/** A program that runs beside the test; disposing of it ends it. */
export class Running implements AsyncDisposable {
  /** The process. */
  readonly child: Deno.ChildProcess;
  /** What it has written to standard output so far. */
  stdout = "";
  /** What it has written to standard error so far. */
  stderr = "";
  #finished: Promise<unknown>;
  #keyboard: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #heard = Promise.withResolvers<void>();

  /** Starts `program`. */
  constructor(program: string, args: string[], options: RunOptions = {}) {
    this.child = new Deno.Command(program, {
      args,
      cwd: options.cwd ?? ROOT,
      env: { NO_COLOR: "1", ...options.env },
      stdin: options.typing ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (options.typing) this.#keyboard = this.child.stdin.getWriter();
    this.#finished = Promise.all([
      this.#listen("stdout"),
      this.#listen("stderr"),
      this.child.status,
    ]);
  }

  async #listen(name: "stdout" | "stderr") {
    const text = this.child[name].pipeThrough(new TextDecoderStream());
    for await (const chunk of text) {
      this[name] += chunk;
      this.#hear();
    }
    this.#hear();
  }

  #hear() {
    this.#heard.resolve();
    this.#heard = Promise.withResolvers<void>();
  }

  /** Waits until its standard output or error matches; fails if it ends. */
  async heard(
    name: "stdout" | "stderr",
    pattern: RegExp,
  ): Promise<RegExpMatchArray> {
    let ended = false;
    this.#finished.then(() => {
      ended = true;
      this.#hear();
    });
    for (;;) {
      const heard = this.#heard.promise;
      const match = this[name].match(pattern);
      if (match) return match;
      if (ended) {
        throw new Error(
          `it ended before ${name} matched ${pattern}\n${this.stdout}${this.stderr}`,
        );
      }
      await heard;
    }
  }

  /** Types `text`, if it was started with `typing`. */
  async type(text: string) {
    await this.#keyboard?.write(new TextEncoder().encode(text));
  }

  /** Ends its standard input, as Ctrl+D does, if that is still open. */
  async endInput() {
    const keyboard = this.#keyboard;
    this.#keyboard = undefined;
    await keyboard?.close().catch(() => {}); // it may have ended
  }

  /** Sends `signal` if it still runs, and waits for its end. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    try {
      this.child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
    await this.endInput();
    await this.#finished;
    return await this.child.status;
  }

  /** Waits for its end, and says how that was. */
  async ended(): Promise<Omit<Finished, "bytes">> {
    const { code } = await this.child.status;
    await this.stop();
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** Kills it, if it still runs, and waits for its end. */
  async [Symbol.asyncDispose]() {
    await this.stop("SIGKILL");
  }
}

/** Gives what `act` gives for each, four at a time. */
export async function each<T, R>(all: readonly T[], act: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [], rest = all.entries();
  const worker = async () => {
    for (const [at, one] of rest) results[at] = await act(one);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  return results;
}

/** Lets others go on for so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((passed) => setTimeout(passed, ms));
}
