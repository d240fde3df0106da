/**
 * Runs programs and says what they took: time, CPU and memory of a command.
 *
 * @module
 */

/** The project's folder, with a slash at its end. */
export const ROOT = new URL("../", import.meta.url).pathname;

/** What one run of a command took. */
export interface Used {
  /** Seconds from start to end. */
  wall: number;
  /** Seconds of CPU, user and system, all its threads. */
  cpu: number;
  /** Bytes of memory, the most resident at once. */
  memory: number;
}

/** What all parts of the benchmark need. */
export interface Bench {
  /** Whether it is to take a minute at most. */
  quick: boolean;
  /** When it began, in milliseconds of `performance.now()`. */
  began: number;
  /** The machine's load average before it began. */
  load: number;
  /** A folder for files, in memory where possible. */
  folder: string;
  /** Programs found on this machine: a path for each name. */
  programs: Map<string, string>;
  /** Programs that were looked for and are not here. */
  missing: Set<string>;
  /** What went wrong: wrong bytes, commands that failed. */
  failures: string[];
}

/** After so many milliseconds all that is left is measured in one round each. */
const LIMIT = 20 * 60_000;

/** What is to be measured, and for how long. */
export interface Plan<Peer> {
  /** What it is, said while it runs. */
  title: string;
  /** So many rounds at most; with `--quick` two, or `quick`. */
  rounds: number;
  quick?: number;
  /** No round begins later than so many seconds after the first. */
  seconds: number;
  peers: Readonly<Record<string, Peer>>;
  /** Peers whose spread decides nothing: they take part in each third round, and do not warm up. */
  seldom?: readonly string[];
}

/**
 * Runs each peer of `plan` in turn, A B C A B C, so that a change of the machine's
 * mood meets all of them. The first round warms up and does not count. A peer
 * that fails is noted in `failures` and not run again.
 */
export async function interleave<Peer, Result>(
  bench: Bench,
  plan: Plan<Peer>,
  run: (peer: Peer) => Promise<Result>,
): Promise<Map<string, Map<number, Result>>> {
  const { title, peers, seldom = [] } = plan;
  progress(bench, title);
  const rounds = bench.quick ? Math.min(plan.quick ?? 2, plan.rounds) : plan.rounds;
  const end = Math.min(performance.now() + plan.seconds * 1000, bench.began + LIMIT);
  const results = new Map(Object.keys(peers).map((name) => [name, new Map<number, Result>()]));
  for (let round = 0; round <= rounds; round++) {
    if (round > 1 && performance.now() > end) break;
    for (const [name, list] of results) {
      if (seldom.includes(name) && round % 3 !== 1) continue;
      try {
        const result = await run(peers[name]!);
        if (round) list.set(round, result);
      } catch (error) {
        fail(bench, `${title}: ${name}: ${(error as Error).message}`);
        results.delete(name);
      }
    }
  }
  return results;
}

/** Says on standard error what is being done, and since when. */
export function progress({ began }: Bench, what: string) {
  const seconds = Math.round((performance.now() - began) / 1000);
  console.error(`[${String(seconds).padStart(4)} s] ${what}`);
}

/** Notes what failed, and says it at once. */
export function fail(bench: Bench, what: string) {
  bench.failures.push(what);
  progress(bench, `failed: ${what}`);
}

/** Those of `commands` whose program was found, with its path. */
export function available(
  { programs }: Bench,
  commands: Record<string, string[]>,
): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(commands).flatMap(([name, [program, ...args]]) => {
      const path = program!.startsWith("/") ? program : programs.get(program!);
      return path ? [[name, [path, ...args]]] : [];
    }),
  );
}

/** Finds programs on this machine, and notes those that are missing. */
export async function find(bench: Bench, names: string[]): Promise<void> {
  // Deno may add a folder with a `node` of its own, which is no peer.
  const folders = (Deno.env.get("PATH") ?? "").split(":").concat("/usr/sbin")
    .filter((folder) => !folder.endsWith("/node_compat_bin"));
  for (const name of names) {
    const paths = folders.map((folder) => `${folder}/${name}`);
    const path = paths.find((path) => {
      try {
        return Deno.statSync(path).isFile;
      } catch {
        return false;
      }
    });
    if (path) bench.programs.set(name, path);
    else bench.missing.add(name);
  }
  // `python3` may be a script that starts the real one, and slow at it.
  const python = bench.programs.get("python3");
  if (python) {
    const script = "import sys; print(sys.executable)";
    bench.programs.set(
      "python3",
      (await output(python, ["-c", script])).trim(),
    );
  }
}

/** The variables of the environment that commands need, if they are set here. */
const INHERITED = ["PATH", "HOME", "DENO_DIR"];

/** All of the environment that commands run in: no proxy, no language, no colours. */
const ENV: Readonly<Record<string, string>> = {
  NO_COLOR: "1",
  ...Object.fromEntries(INHERITED.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  })),
};

/** How {@linkcode ENV} is made in a shell. */
export const ENVIRONMENT = "env -i NO_COLOR=1" +
  INHERITED.filter((name) => name in ENV).map((name) => ` ${name}="$${name}"`).join("");

/** Where and in which environment all commands run. */
const PLACE = { cwd: ROOT, clearEnv: true, env: ENV } as const;

/** Runs a command and gives its standard output; fails if it fails. */
export async function output(command: string, args: string[]): Promise<string> {
  const { success, code, stdout, stderr } = await new Deno.Command(command, {
    ...PLACE,
    args,
    stdin: "null",
  }).output();
  const [said, errors] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  if (!success) {
    const words = [command, ...args].join(" ");
    throw new Error(`${words} failed: ${errors!.trim() || `exit code ${code}`}`);
  }
  return said!;
}

const compiled = new Map<string, string>();

/** Compiles a C program of this folder; gives its path. */
export async function compile(bench: Bench, name: string): Promise<string> {
  let path = compiled.get(name);
  if (!path) {
    path = `${bench.folder}/${name.replaceAll("/", "-")}`;
    await output("cc", ["-O2", "-o", path, `${ROOT}bench/${name}.c`]);
    compiled.set(name, path);
  }
  return path;
}

/** Runs a command to its end, or until it says `until`, and gives what it took. */
export async function measure(bench: Bench, command: string[], until?: string): Promise<Used> {
  const when = until === undefined ? [] : ["-u", until];
  const said = await output(await compile(bench, "run"), [...when, ...command]);
  const [wall, cpu, memory] = said.split(" ").map(Number);
  return { wall: wall!, cpu: cpu!, memory: memory! };
}

/** A server that runs beside the benchmark; disposing of it ends it. */
export class Server implements AsyncDisposable {
  static #running = new Set<Server>();
  #child: Deno.ChildProcess;
  #port: Promise<number>;

  /** Starts a server that says `127.0.0.1:PORT` on standard output or error. */
  constructor([program, ...args]: string[]) {
    this.#child = new Deno.Command(program!, {
      ...PLACE,
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let said = "";
    const listen = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        if (said.length < 4096) said += text;
        const port = said.match(/127\.0\.0\.1:(\d+)\b/)?.[1];
        if (port) resolve(Number(port));
      }
    };
    Promise.all([listen(this.#child.stdout), listen(this.#child.stderr)])
      .then(() => reject(new Error(`the server ended: ${said.trim()}`)));
    promise.catch(() => {}); // nobody may ask for the port
    this.#port = promise;
    Server.#running.add(this);
  }

  /** Ends all that run, at once. */
  static endAll() {
    for (const server of Server.#running) server.#end();
  }

  /** Waits until it listens; gives the port. */
  get port(): Promise<number> {
    return this.#port;
  }

  /** Bytes of memory resident now. */
  get memory(): number {
    return this.#status("VmRSS");
  }

  /** The most bytes of memory that were resident at once. */
  get peak(): number {
    return this.#status("VmHWM");
  }

  #status(field: string): number {
    const status = Deno.readTextFileSync(`/proc/${this.#child.pid}/status`);
    return Number(status.match(new RegExp(`${field}:\\s*(\\d+)`))![1]) * 1024;
  }

  #end() {
    Server.#running.delete(this);
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it has ended
    }
  }

  /** Ends it and waits for its end. */
  async [Symbol.asyncDispose]() {
    this.#end();
    await this.#child.status;
  }
}
