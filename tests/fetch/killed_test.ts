/**
 * Processes that end at any moment: `kill -9` and signals, at random and at the system calls that
 * change a file. What is called FILE is whole, and -C comes to a success.
 *
 * `THOROUGH=1 FUZZ_SEED=1 deno task test tests/fetch/killed_test.ts` tries each system call, and
 * `SWEEP_PROCESSES=1000` so many random moments.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { download } from "../../fetch.ts";
import { EXIT } from "../../mod.ts";
import { isSame, noise } from "../support/bytes.ts";
import { MODES, runFetch, startFetch } from "../support/fetch.ts";
import { characterOf, Fickle, Random } from "../support/fickle.ts";
import { Folder } from "../support/folder.ts";
import { SEED } from "../support/fuzz.ts";
import { type Answer, type Asked, HOLD, Origin } from "../support/origin.ts";
import { writeRecord } from "../support/output.ts";
import { find, testPeer } from "../support/peers.ts";
import { ROOT, run } from "../support/process.ts";
import { response } from "../support/replies.ts";
import { rounds, THOROUGH } from "../support/thorough.ts";

/** How many random trials there are. */
const PROCESSES = Number(Deno.env.get("SWEEP_PROCESSES") ?? rounds(16));
/** What ends a process, and with what exit code it says so: 128 and the signal's number. */
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
  await download(server.url, { output: folder.file("f"), resume: true });
  assertEquals(folder.names, ["f"], story.join("\n"));
  const isVersion = server.versions.some(({ body }) => isSame(body, folder.bytes("f")));
  assert(isVersion, story.join("\n"));
}

function fileIn(folder: Folder): Uint8Array | undefined {
  return folder.names.includes("f") ? folder.bytes("f") : undefined;
}

Deno.test(`fetch.ts ended at a random moment mixes nothing: ${PROCESSES} trials`, async () => {
  for (let number = 0; number < PROCESSES; number++) await trial(number);
});

// --- At the system calls that change a file ----------------------------------

/** Files that are worth two connections. */
const BODY = noise(2_200_000, 1), OTHER = noise(2_300_000, 2);

/** A server that has BODY, and OTHER once it was replaced. */
class Replaced extends Origin {
  /** When it was, if it was. */
  replaced: Date | undefined;
  /** Whether it sends a part only, and holds the connection. */
  stalls = false;

  constructor() {
    super((asked) => this.#answer(asked));
  }

  #answer(asked: Asked): Answer {
    const [head, body] = this.#whole(asked);
    return this.stalls ? [head, body.subarray(0, 2_000_000), HOLD] : [head, body];
  }

  #whole({ headers }: Asked) {
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

/** A system call that is about to change a file: the `count`th such call. */
type Point = [call: string, file: string, count?: number];

/** Before each of these, other files are there or other bytes are in them. */
const RECORD: Point[] = [
  ["ftruncate", "f.part"],
  ["write", "f.part.json.new"],
  ["rename", "f.part.json.new"],
  ["write", "f.part"],
];
const END: Point[] = [["rename", "f.part"], ["unlink", "f.part.json"]];

/** All that changes files, or their names. */
const CALLS = ["ftruncate", "write", "rename", "unlink", "linkat"];
const FILES = ["f", "f.part", "f.part.json", "f.part.json.new"];

/** Where end_before.c is compiled to. */
let endBefore: Folder | undefined;

Deno.test.beforeAll(async () => {
  if (!find("gcc")) return;
  endBefore = new Folder("end");
  const source = `${ROOT}tests/support/end_before.c`;
  const args = ["-shared", "-fPIC", "-Wall", "-Werror", "-o", endBefore.file("before.so"), source];
  const { code, stderr } = await run("gcc", args);
  assertEquals(code, 0, stderr);
});

Deno.test.afterAll(() => endBefore?.[Symbol.asyncDispose]());

/** Runs fetch.ts and sends a signal before such a call that concerns one of these files. */
function endedIn(
  folder: Folder,
  [call, file, count = 1]: Point,
  signal: Signal,
  args: string[],
) {
  const files = file === "any" ? FILES : [file];
  return runFetch(folder, ["-o", folder.file("f"), ...args], {
    permissions: ["--allow-all"],
    env: {
      LD_PRELOAD: endBefore!.file("before.so"),
      END_CALL: call,
      END_FILES: `/${files.join("/")}/`,
      END_COUNT: String(count),
      END_SIGNAL: String(SIGNALS[signal] - 128),
    },
  });
}

/** What is there before fetch.ts is started. */
type Prepare = (folder: Folder, origin: Replaced) => void;

/** Goes on with what a killed process left; every other time with a newer version. */
async function assertGoesOn(folder: Folder, origin: Replaced, told: string, replace: boolean) {
  const file = fileIn(folder);
  assert(file === undefined || isSame(file, BODY), told);
  if (replace) origin.replaced = new Date();
  await download(origin.url(), { output: folder.file("f"), resume: true });
  assertEquals(folder.names, ["f"], told);
  assert(isSame(folder.bytes("f"), replace ? OTHER : BODY), told);
}

/** Kills fetch.ts at a point, if it comes there, and goes on; returns whether it came there. */
async function killedAt(point: Point, args: string[], prepare: Prepare, replace: boolean) {
  await using folder = new Folder();
  await using origin = new Replaced();
  prepare(folder, origin);
  const { code, stderr } = await endedIn(folder, point, "SIGKILL", [...args, origin.url()]);
  await assertGoesOn(folder, origin, `${point}: ${stderr}, left ${folder.names}`, replace);
  return code === SIGNALS.SIGKILL;
}

const partOf = (body: Uint8Array, etag: string): Prepare => (folder, origin) => {
  folder.write("f.part", body.subarray(0, 1_000_000));
  writeRecord(folder, "f.part", { url: origin.url(), etag, total: BODY.length });
};

for (
  const [what, args, points, prepare] of [
    ["that starts", [], [...RECORD, ...END], () => {}],
    ["over two connections", ["--connections=2"], [
      ["write", "f.part.json.new", 2],
      ["rename", "f.part.json.new", 2],
      ["write", "f.part"],
      ["write", "f.part", 2],
      ["write", "f.part.json.new", 3],
      ["rename", "f.part.json.new", 3],
    ], () => {}],
    ["that takes a free name", ["--no-clobber"], [
      ["linkat", "f.part"],
      ["unlink", "f.part"],
      ["unlink", "f.part.json"],
    ], () => {}],
    ["that goes on", ["-C"], [...RECORD, ...END], partOf(BODY, '"1"')],
    ["that starts over", ["-C"], RECORD, partOf(OTHER, '"0"')],
  ] as [string, string[], Point[], Prepare][]
) {
  testPeer(`fetch.ts ${what}, killed at a system call, mixes nothing`, ["gcc"], async () => {
    for (const [at, point] of points.entries()) {
      const isKilled = await killedAt(point, args, prepare, at % 2 === 1);
      assert(isKilled, `there is no ${point}`);
    }
    if (!THOROUGH) return;
    for (const call of CALLS) {
      let count = 1;
      while (await killedAt([call, "any", count], args, prepare, count % 2 === 0)) count++;
    }
  });
}

for (const replace of [false, true]) {
  const then = replace ? "starts over with a newer version" : "goes on";
  Deno.test(`fetch.ts killed in the body ${then}`, async () => {
    await using folder = new Folder();
    await using origin = new Replaced();
    origin.stalls = true;
    await using child = startFetch(folder, MODES["FILE.part"], ["-o", "f", origin.url()]);
    await folder.grown("f.part", 1);
    await child.stop("SIGKILL");
    origin.stalls = false;
    await assertGoesOn(folder, origin, `left ${folder.names}`, replace);
  });
}

for (
  const [signal, points] of [["SIGINT", [...RECORD.slice(-1), ...END]], ["SIGTERM", END]] as const
) {
  testPeer(
    `fetch.ts with ${signal} at a system call says whether FILE is there`,
    ["gcc"],
    async () => {
      const all = CALLS.flatMap((call): Point[] => [[call, "any"], [call, "any", 2]]);
      for (const point of THOROUGH ? all : points) {
        await using folder = new Folder();
        await using origin = new Replaced();
        const { code } = await endedIn(folder, point, signal, [origin.url()]);
        const told = `${point}: ${code}, left ${folder.names}`;
        if (code === EXIT.ok) assertEquals(folder.names, ["f"], told);
        else assertEquals([code, folder.names.includes("f")], [SIGNALS[signal], false], told);
      }
    },
  );
}
