/**
 * The programs nobody here wrote: where they are, the tests that need them,
 * and how they are started on a free loopback port and stopped.
 *
 * @module
 */
import { Folder } from "./folder.ts";
import { pause, Running } from "./process.ts";
import { closedPort } from "./servers.ts";

/**
 * The Debian package of each program, or of each file by its path, that tests,
 * benchmarks and examples need. There is no other list: `.ci/run` installs what
 * is missing of it, and docs/compatibility.md shows it.
 */
export const PACKAGES = {
  apache2: "apache2",
  aria2c: "aria2",
  bash: "bash",
  brotli: "brotli",
  busybox: "busybox",
  caddy: "caddy",
  curl: "curl",
  danted: "dante-server",
  gcc: "gcc",
  haproxy: "haproxy",
  lighttpd: "lighttpd",
  "/usr/lib/lighttpd/mod_deflate.so": "lighttpd-mod-deflate",
  microsocks: "microsocks",
  "nc.openbsd": "netcat-openbsd",
  "nc.traditional": "netcat-traditional",
  ncat: "ncat",
  nginx: "nginx",
  "/usr/lib/nginx/modules/ngx_stream_module.so": "libnginx-mod-stream",
  node: "nodejs",
  openssl: "openssl",
  python3: "python3",
  "redis-server": "redis-server",
  setsid: "util-linux",
  socat: "socat",
  ss: "iproute2",
  sshd: "openssh-server",
  strace: "strace",
  "systemd-analyze": "systemd",
  tcpdump: "tcpdump",
  telnet: "inetutils-telnet",
  tinyproxy: "tinyproxy",
  tmux: "tmux",
  zstd: "zstd",
} as const;

/** A program, or a file of one, that the suite needs. */
export type Program = keyof typeof PACKAGES;

/** The path of a program; servers are often not in a normal user's PATH. */
export function find(program: string): string | undefined {
  const folders = `${Deno.env.get("PATH")}:/usr/local/sbin:/usr/sbin:/sbin`.split(":");
  const paths = program.startsWith("/")
    ? [program]
    : folders.map((folder) => `${folder}/${program}`);
  return paths.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** The packages of those that are not installed. */
export function missingPackages(
  needs: readonly Program[] = Object.keys(PACKAGES) as Program[],
): string[] {
  return needs.filter((program) => !find(program)).map((program) => PACKAGES[program]);
}

/**
 * How a test or a step is defined that needs these programs. If one is not
 * installed it is ignored, or with REQUIRE_PEERS=1 fails; its name says what to
 * install.
 */
function needing<Fn extends (t: Deno.TestContext) => Promise<void>>(
  name: string,
  needs: readonly Program[],
  fn: Fn,
) {
  const missing = missingPackages(needs).join(" ");
  if (!missing) return { name, fn };
  return {
    name: `${name} (not installed: ${missing})`,
    ignore: Deno.env.get("REQUIRE_PEERS") !== "1",
    fn() {
      throw new Error(`REQUIRE_PEERS=1, but ${missing} is not installed`);
    },
  };
}

/** A test that runs other programs; without them it is ignored (see {@linkcode PACKAGES}). */
export function testPeer(
  name: string,
  needs: readonly Program[],
  fn: (t: Deno.TestContext) => Promise<void>,
) {
  Deno.test(needing(name, needs, fn));
}

/** A step that needs more than its test does. */
export async function stepPeer(
  t: Deno.TestContext,
  name: string,
  needs: readonly Program[],
  fn: () => Promise<void>,
) {
  await t.step(needing(name, needs, fn));
}

/** Whether this machine has the IPv6 loopback address. */
export const IPV6 = (() => {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
})();

/** How a peer is started. */
export interface Launch {
  /** The program and its arguments. */
  command: [string, ...string[]];
  /** The stream and words with which it says its port; else it is tried. */
  says?: ["stdout" | "stderr", RegExp];
  /** It has a process for each connection: all are killed with it. */
  forks?: boolean;
  /** Its working folder. */
  cwd?: string;
  /** Environment variables to add. */
  env?: Record<string, string>;
}

/** A peer that listens; disposing of it kills it and removes its folder. */
export interface Peer extends AsyncDisposable {
  /** The address it listens on, `[::1]` for IPv6. */
  readonly host: string;
  /** The port it listens on. */
  readonly port: number;
  /** What it says. */
  readonly running: Running;
  /** Kills it with SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts what `prepare` describes and waits until it listens. `prepare` gets
 * a folder of its own, for configuration, and a port that was free a moment
 * ago; as another program may take that port, there are three attempts.
 */
export async function startPeer(
  prepare: (folder: string, port: number) => Launch | Promise<Launch>,
  host = "127.0.0.1",
): Promise<Peer> {
  for (let attempt = 1;; attempt++) {
    const folder = new Folder("peer");
    await Deno.chmod(folder.path, 0o755); // a server started by root may leave root
    let port = closedPort();
    const { command, says, forks, ...options } = await prepare(folder.path, port);
    const [program, ...args] = forks ? ["setsid", ...command] : command;
    const running = new Running(find(program) ?? program, args, options);
    const kill = async () => {
      if (forks) killGroup(running.child.pid);
      await running.stop("SIGKILL");
    };
    const dispose = async () => {
      await kill();
      await folder[Symbol.asyncDispose]();
    };
    try {
      if (says) port = Number((await running.heard(...says))[1] ?? port);
      else await answers(host, port, running);
      return { host, port, running, kill, [Symbol.asyncDispose]: dispose };
    } catch (error) {
      await dispose();
      if (attempt === 3) throw error;
    }
  }
}

/** Tries to connect until it works, the program ends, or 10 s have passed. */
async function answers(host: string, port: number, running: Running) {
  let ended = false;
  running.child.status.then(() => ended = true);
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      const hostname = host.replace(/[[\]]/g, "");
      (await Deno.connect({ hostname, port })).close();
      return;
    } catch (error) {
      if (ended || Date.now() > deadline) {
        throw new Error(`it does not listen\n${running.stderr}`, {
          cause: error,
        });
      }
      await pause(10);
    }
  }
}

/** Kills a process and what it started; `setsid` made it a group's leader. */
function killGroup(leader: number) {
  try {
    Deno.kill(-leader, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // all ended
  }
}

// what `.ci/run` has to install
if (import.meta.main) console.log(missingPackages().join(" "));
