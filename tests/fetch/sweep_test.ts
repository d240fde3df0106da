/**
 * Random downloads: whatever the server does, and whenever it is ended, what is called FILE after a
 * success is one version.
 *
 * `SWEEP_TRIALS=5000 FUZZ_SEED=1 deno test --allow-all tests/fetch/sweep_test.ts` tries others.
 *
 * @module
 */
import { assert } from "jsr:@std/assert@^1.0.0";
import { download, type DownloadOptions, TrioError } from "../../fetch.ts";
import { isSame, noise } from "../support/bytes.ts";
import { hurry } from "../support/fetch.ts";
import { characterOf, Fickle, Random } from "../support/fickle.ts";
import { Folder } from "../support/folder.ts";
import { SEED } from "../support/fuzz.ts";
import { rounds } from "../support/thorough.ts";

/** How many trials there are in one process, and how many with processes that are ended. */
const TRIALS = Number(Deno.env.get("SWEEP_TRIALS") ?? rounds(240));

/** What another program may have left. */
const JUNK = noise(200, 99);

/** What a run did: it ended, or it was killed in the middle. */
type Ending = { is: "saved" } | { is: "failed"; error: TrioError } | { is: "killed" };

/** A folder, a server, and what must hold of them. */
class Trial {
  readonly #random: Random;
  readonly #server: Fickle;
  readonly #runs: string[] = [];
  /** FILE before the run that is on. */
  #before: Uint8Array | undefined;
  /** Whether there are bytes of another program that may be taken for those of a version. */
  #foreign = false;

  constructor(random: Random, server: Fickle, public folder: Folder, now: number) {
    this.#random = random;
    this.#server = server;
    const isOlder = server.character.modified && now < Date.now() / 1000;
    if (random.chance(30)) this.#leave("f", isOlder);
    if (random.chance(15)) this.#leave("f.part", isOlder);
  }

  #leave(name: string, isOlder: boolean) {
    const { body } = this.#server.version;
    const bytes = this.#random.chance(50) ? JUNK : body.slice(0, this.#random.below(body.length));
    this.folder.write(name, bytes);
    this.#foreign ||= isOlder && bytes === JUNK;
  }

  /** The options of one run. */
  async options(): Promise<DownloadOptions> {
    const random = this.#random, checked = random.chance(20);
    const { gzip, sizes } = this.#server.character;
    return {
      output: this.folder.file("f"),
      resume: random.chance(80),
      retry: random.below(4),
      connections: random.pick(sizes[0]! > 1e6 ? [1, 2, 2, 3] : [1, 1, 1, 2]),
      compressed: random.chance(gzip ? 60 : 5),
      ...checked && { sha256: await sha256(random.pick(this.#server.versions).body) },
      ...random.chance(5) && { maxFilesize: random.below(400) },
    };
  }

  /** One run, which may be ended at any moment: `folder` is where it goes on then. */
  async run(options: DownloadOptions): Promise<Folder> {
    const moment = this.#random.chance(45) ? this.#random.below(12) : Infinity;
    const isKill = this.#random.chance(60), stop = new AbortController();
    let steps = 0, killed: Folder | undefined;
    this.#server.onStep = () => {
      if (steps++ !== moment) return;
      if (isKill) killed = copyOf(this.folder);
      stop.abort(new TrioError(130, "interrupted"));
    };
    this.#before = fileIn(this.folder);
    const ending = await ended(download(this.#server.url, { ...options, signal: stop.signal }));
    this.#server.onStep = () => {};
    this.#runs.push(`${JSON.stringify(options)} → ${killed ? "killed" : describe(ending)}`);
    this.check(killed ? { is: "killed" } : ending, options, killed ?? this.folder);
    return killed ?? this.folder;
  }

  /** All is well by now: it must come to a success. */
  async finish() {
    this.#server.healthy = true;
    const { body } = this.#server.version;
    const options = {
      output: this.folder.file("f"),
      resume: true,
      sha256: await sha256(body),
      connections: this.#random.pick([1, 2]),
    };
    const ending = await ended(download(this.#server.url, options));
    this.#runs.push(`the last → ${describe(ending)}`);
    this.check(ending, options, this.folder);
    assert(ending.is === "saved" && isSame(this.folder.bytes("f"), body), this.#tell("no success"));
  }

  /** Fails unless FILE and what is beside it are what they may be. */
  check(ending: Ending, { sha256 }: DownloadOptions, folder: Folder) {
    const file = fileIn(folder), before = this.#before;
    const isVersion = file !== undefined &&
      this.#server.versions.some(({ body }) => isSame(body, file));
    const isBefore = file === before || file && before && isSame(file, before);
    if (ending.is !== "saved") {
      return assert(isBefore || isVersion, this.#tell("FILE is neither old nor new"));
    }
    const limit = this.#foreign && sha256 === undefined;
    assert(isVersion || limit && file !== undefined, this.#tell("a success without a version"));
    assert(folder.names.join() === "f", this.#tell(`it left ${folder.names}`));
  }

  #tell(what: string): string {
    const { character } = this.#server;
    return [what, `seed ${SEED}`, JSON.stringify(character), ...this.#runs].join("\n");
  }
}

function fileIn(folder: Folder): Uint8Array | undefined {
  return folder.names.includes("f") ? folder.bytes("f") : undefined;
}

async function ended(pending: Promise<unknown>): Promise<Ending> {
  try {
    await pending;
    return { is: "saved" };
  } catch (error) {
    if (error instanceof TrioError) return { is: "failed", error };
    throw error;
  }
}

function describe(ending: Ending): string {
  return ending.is === "failed" ? `${ending.error.code} ${ending.error.message}` : ending.is;
}

/** What a process that is killed now leaves. */
function copyOf({ names, path }: Folder): Folder {
  const copy = new Folder("killed");
  for (const name of names) {
    const { mtime } = Deno.statSync(`${path}/${name}`);
    Deno.copyFileSync(`${path}/${name}`, copy.file(name));
    Deno.utimeSync(copy.file(name), mtime!, mtime!);
  }
  return copy;
}

async function sha256(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))).toHex();
}

async function trial(number: number) {
  const random = new Random(SEED + number), character = characterOf(random);
  // its versions are older than what other programs wrote, or newer
  const now = Date.now() / 1000 + random.pick([-1000, 1000]);
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await Fickle.start(random, character, now));
  const one = new Trial(random, server, stack.use(new Folder()), now);
  for (let left = 1 + random.below(4); left > 0; left--) {
    const folder = await one.run(await one.options());
    if (folder !== one.folder) one.folder = stack.use(folder);
  }
  await one.finish();
}

Deno.test(`download never takes a mixture for a version: ${TRIALS} random trials`, async () => {
  using _ = hurry();
  for (let number = 0; number < TRIALS; number++) await trial(number);
});
