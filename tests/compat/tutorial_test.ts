/**
 * The tutorial's three programs, in our own Python versions, beside ours: what
 * goes over the wire must be the same, byte for byte, on each Python there is.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { Folder } from "../support/folder.ts";
import { type Peer, startPeer, testPeer } from "../support/peers.ts";
import { denoArgs, run, Running, runScript } from "../support/process.ts";
import { TUTORIAL, type TutorialExercise } from "./matrix.ts";
import { type Recorded, recordingRelay } from "./relay.ts";
import { HERE } from "./site.ts";

/** Each python3 in PATH and under pyenv, once: its version and its path. */
async function findPythons(): Promise<[version: string, path: string][]> {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  const pyenv = Deno.env.get("PYENV_ROOT") ?? `${Deno.env.get("HOME")}/.pyenv`;
  for (const name of list(`${pyenv}/versions`)) {
    folders.push(`${pyenv}/versions/${name}/bin`);
  }
  const pythons = new Map<string, string>();
  for (const folder of folders) {
    for (const name of list(folder)) {
      if (!/^python3(\.\d+)?$/.test(name)) continue;
      const { code, stdout } = await run(`${folder}/${name}`, ["-c", WHICH]);
      const [version, path] = stdout.trim().split("\n");
      if (code === 0 && version && path) pythons.set(path, version);
    }
  }
  return [...pythons].map(([path, version]) => [version, path]);
}

/** Says which Python it is, behind any link or wrapper. */
const WHICH = `
import os, platform, sys
print(platform.python_version())
print(os.path.realpath(sys.executable))
`;

function list(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    return []; // PATH names folders that are not there
  }
}

const SENT = "MichaelTracySarahexit";
const RECEIVED = "Welcome!Hello, Michael!Hello, Tracy!Hello, Sarah!";
const SHOWN = "Welcome!\nHello, Michael!\nHello, Tracy!\nHello, Sarah!\n";
const LOGGED =
  /^Waiting for connection\.\.\.\nAccept new connection from (127\.0\.0\.1:\d+)\.\.\.\nConnection from \1 closed\.\n$/;

/** Runs a client with a server, through a relay. */
async function greet(
  server: { port: number; running: Running },
  client: (port: number) => ReturnType<typeof run>,
): Promise<{ shown: string; recorded: Recorded[] }> {
  const { relay, recorded } = recordingRelay(server.port);
  await using _ = relay;
  const { code, stdout, stderr } = await client(relay.port);
  assertEquals([code, stderr], [0, ""]);
  await server.running.heard("stdout", LOGGED);
  return { shown: stdout, recorded };
}

function pythonServer(python: string): Promise<Peer> {
  return startPeer(() => ({
    command: [python, `${HERE}tutorial_server.py`, "0", "0"],
    says: ["stderr", /port (\d+)/],
  }));
}

function ourServer(): Promise<Peer> {
  return startPeer(() => ({
    command: [
      Deno.execPath(),
      ...denoArgs("server.ts", ["--port=0", "--delay=0"]),
    ],
    says: ["stderr", /127\.0\.0\.1:(\d+)/],
  }));
}

const pythonClient = (python: string) => (port: number) =>
  run(python, [`${HERE}tutorial_client.py`, String(port)]);

const ourClient = (port: number) => runScript("client.ts", [`--port=${port}`]);

const EXPECTED = {
  shown: SHOWN,
  recorded: [{ sent: SENT, received: RECEIVED }],
};

const EXERCISES: Record<TutorialExercise, (python: string) => Promise<void>> = {
  async "the client cannot tell server.ts from the tutorial's"(python) {
    await using theirs = await pythonServer(python);
    await using ours = await ourServer();
    assertEquals(await greet(theirs, pythonClient(python)), EXPECTED);
    assertEquals(await greet(ours, pythonClient(python)), EXPECTED);
  },

  async "the server cannot tell client.ts from the tutorial's"(python) {
    await using server = await pythonServer(python);
    assertEquals(await greet(server, ourClient), EXPECTED);
  },

  async "the GET saves what fetch.ts saves"(python) {
    await using stack = new AsyncDisposableStack();
    const { path: folder } = stack.use(new Folder("get"));
    const page = "<p>你好，世界！</p>\r\n\r\n<p>Hello, world!</p>\n".repeat(3000);
    await Deno.writeTextFile(`${folder}/index.html`, page);
    const server = stack.use(
      await startPeer(() => ({
        command: [python, "-m", "http.server", "--bind", "127.0.0.1", "0"],
        env: { PYTHONUNBUFFERED: "1" },
        cwd: folder,
        says: ["stdout", /port (\d+)/],
      })),
    );
    const { relay, recorded } = recordingRelay(server.port);
    stack.use(relay);

    const [host, port] = ["127.0.0.1", String(relay.port)];
    const get = [`${HERE}tutorial_get.py`, host, port, "theirs.html"];
    const theirs = await run(python, get, { cwd: folder });
    const args = ["--output=ours.html", `http://${host}:${port}/`];
    const ours = await runScript("fetch.ts", args, {
      cwd: folder,
      permissions: ["--allow-net", "--allow-write"],
    });

    assertEquals([theirs.code, theirs.stderr, ours.code], [0, "", 0]);
    assertEquals(await Deno.readTextFile(`${folder}/theirs.html`), page);
    assertEquals(await Deno.readTextFile(`${folder}/ours.html`), page);
    assertEquals(stable(ours.stdout), stable(theirs.stdout));
    const [their, our] = recorded;
    assertEquals(stable(our!.received), stable(their!.received));
    const asked = our!.sent.split("\r\n");
    for (const line of their!.sent.split("\r\n")) {
      assert(asked.includes(line), `fetch.ts does not send ${line}`);
    }
    assertEquals(asked[0], "GET / HTTP/1.1");
  },
};

/** An answer's lines, but for `Date`, which another second changes. */
function stable(answer: string): string[] {
  return answer.split(/\r?\n/).filter((line) => !line.startsWith("Date: "));
}

const pythons = await findPythons();

for (const exercise of TUTORIAL.exercised) {
  if (pythons.length === 0) {
    testPeer(`tutorial: ${exercise}`, TUTORIAL.needs, () => {
      throw new Error("no python3 says its version");
    });
  }
  for (const [version, python] of pythons) {
    testPeer(
      `tutorial on Python ${version}: ${exercise}`,
      TUTORIAL.needs,
      () => EXERCISES[exercise](python),
    );
  }
}
