/**
 * Processes that end at any moment: `kill -9` and signals, at random and at each system call that
 * changes a file. What is called FILE is whole, and -C comes to a success.
 *
 * `SWEEP_PROCESSES=1000 FUZZ_SEED=1 deno test --allow-all tests/fetch/killed_test.ts` tries more.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { EXIT } from "../../mod.ts";
import { isSame, noise } from "../support/bytes.ts";
import { MODES, runFetch, startFetch } from "../support/fetch.ts";
import { characterOf, Fickle, Random } from "../support/fickle.ts";
import { Folder } from "../support/folder.ts";
import { SEED } from "../support/fuzz.ts";
import { type Asked, Origin } from "../support/origin.ts";
import { writeRecord } from "../support/output.ts";
import { testPeer } from "../support/peers.ts";
import { denoArgs, run } from "../support/process.ts";
import { response } from "../support/replies.ts";

/** How many random trials there are. */
const PROCESSES = Number(Deno.env.get("SWEEP_PROCESSES") ?? 24);
/** What ends a process, and with what exit code it says so. */
const SIGNALS = { SIGKILL: 137, SIGTERM: 143, SIGINT: EXIT.interrupted } as const;
type Signal = keyof typeof SIGNALS;

// --- At random ---------------------------------------------------------------

/** Starts it, and ends it when the server has done so many steps. */
async function endedAt(folder: Folder, server: Fickle, args: string[], random: Random) {
  const signal = random.pick(Object.keys(SIGNALS) as Signal[]), moment = random.below(10);
  let steps = 0;
  const now = Promise.withResolvers<void>();
  await using child = startFetch(folder, MODES["FILE.part"], [...args, server.url]);
  server.onStep = () => steps++ === moment && now.resolve();
  await Promise.race([now.promise, child.child.status]);
  server.onStep = () => {};
  const { code } = await child.stop(signal);
  return { code, told: `${signal} at ${moment}: ${code} ${child.stderr}` };
}

async function trial(number: number) {
  const random = new Random(SEED + number), character = characterOf(random);
  await using server = await Fickle.start(random, character, Date.now() / 1000 - 1000);
  await using folder = new Folder();
  const story: string[] = [`seed ${SEED + number}`, JSON.stringify(character)];
  for (let left = 1 + random.below(3); left > 0; left--) {
    const args = ["-C", "-s", `--connections=${random.pick([1, 2, 3])}`, "--retry=0", "-o", "f"];
    const before = fileIn(folder), { code, told } = await endedAt(folder, server, args, random);
    story.push(told);
    const after = fileIn(folder);
    const isVersion = after !== undefined &&
      server.versions.some(({ body }) => isSame(body, after));
    const isBefore = before === after || before && after && isSame(before, after);
    assert(code === EXIT.ok ? isVersion : isVersion || isBefore, story.join("\n"));
    if (code === EXIT.ok) assertEquals(folder.names, ["f"], story.join("\n"));
  }
  server.healthy = true;
  const { code, stderr } = await runFetch(folder, ["-C", "-o", "f", server.url]);
  assertEquals([code, folder.names], [EXIT.ok, ["f"]], [...story, stderr].join("\n"));
  const isVersion = server.versions.some(({ body }) => isSame(body, folder.bytes("f")));
  assert(isVersion, story.join("\n"));
}

function fileIn(folder: Folder): Uint8Array | undefined {
  return folder.names.includes("f") ? folder.bytes("f") : undefined;
}

Deno.test(`fetch.ts ended at a random moment mixes nothing: ${PROCESSES} trials`, async () => {
  for (let number = 0; number < PROCESSES; number++) await trial(number);
});

// --- At each system call -----------------------------------------------------

/** Files that are worth two connections. */
const BODY = noise(2_200_000, 1), OTHER = noise(2_300_000, 2);

/** A server that has BODY, and OTHER once it was replaced. */
class Replaced extends Origin {
  /** When it was, if it was. */
  replaced: Date | undefined;

  constructor() {
    super((asked) => this.#answer(asked));
  }

  #answer({ headers }: Asked) {
    const { replaced } = this, body = replaced ? OTHER : BODY;
    const etag = replaced ? '"2"' : '"1"', modified = (replaced ?? new Date(0)).toUTCString();
    const fields = [`ETag: ${etag}`, `Last-Modified: ${modified}`];
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.get("range") ?? "") ?? [];
    if (first === undefined || headers.get("if-range") !== etag) {
      return response("200 OK", body, fields);
    }
    if (Number(first) >= body.length) return response("416 Range Not Satisfiable");
    const end = last ? Number(last) + 1 : body.length;
    fields.push(`Content-Range: bytes ${first}-${end - 1}/${body.length}`);
    return response("206 Partial Content", body.subarray(Number(first), end), fields);
  }
}

/** What changes files, or their names. */
const CALLS = ["ftruncate", "write", "rename", "unlink", "linkat"];

/** Runs fetch.ts and sends a signal at the `count`th such call that concerns its files. */
async function endedIn(
  folder: Folder,
  call: string,
  count: number,
  signal: Signal,
  args: string[],
) {
  const paths = ["f", "f.part", "f.part.json", "f.part.json.new"]
    .flatMap((name) => ["-P", folder.file(name)]);
  const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=${signal}:when=${count}`];
  const command = denoArgs("fetch.ts", ["-o", folder.file("f"), ...args]);
  return await run("strace", [
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    ...paths,
    ...inject,
    Deno.execPath(),
    ...command,
  ]);
}

for (
  const [what, args, prepare] of [
    ["that starts", [], () => {}],
    ["over two connections", ["--connections=2"], () => {}],
    ["that takes a free name", ["--no-clobber"], () => {}],
    ["that goes on", ["-C"], (folder, origin) => {
      folder.write("f.part", BODY.subarray(0, 1_000_000));
      writeRecord(folder, "f.part", { url: origin.url(), etag: '"1"', total: BODY.length });
    }],
    ["that starts over", ["-C"], (folder, origin) => {
      folder.write("f.part", OTHER.subarray(0, 1_000_000));
      writeRecord(folder, "f.part", { url: origin.url(), etag: '"0"', total: BODY.length });
    }],
  ] as [string, string[], (folder: Folder, origin: Origin) => void][]
) {
  testPeer(`fetch.ts ${what}, killed at any system call, mixes nothing`, ["strace"], async () => {
    for (const call of CALLS) {
      for (let count = 1, isKilled = true; isKilled; count++) {
        await using folder = new Folder();
        await using origin = new Replaced();
        prepare(folder, origin);
        const { code, stderr } = await endedIn(folder, call, count, "SIGKILL", [
          ...args,
          origin.url(),
        ]);
        isKilled = code === SIGNALS.SIGKILL;
        const told = `${call} ${count}: ${stderr}, left ${folder.names}`, file = fileIn(folder);
        assert(file === undefined || isSame(file, BODY), told);
        if (count % 2 === 0) origin.replaced = new Date();
        const again = await runFetch(folder, ["-C", "-o", "f", origin.url()]);
        assertEquals([again.code, folder.names], [EXIT.ok, ["f"]], told + again.stderr);
        assert(isSame(folder.bytes("f"), origin.replaced ? OTHER : BODY), told);
      }
    }
  });
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  testPeer(
    `fetch.ts with ${signal} at any system call says whether FILE is there`,
    ["strace"],
    async () => {
      for (const call of CALLS) {
        for (let count = 1; count <= 2; count++) {
          await using folder = new Folder();
          await using origin = new Replaced();
          const { code } = await endedIn(folder, call, count, signal, [origin.url()]);
          const told = `${call} ${count}: ${code}, left ${folder.names}`;
          if (code === EXIT.ok) assertEquals(folder.names, ["f"], told);
          else assertEquals([code, folder.names.includes("f")], [SIGNALS[signal], false], told);
        }
      }
    },
  );
}
