/**
 * One owner of FILE.part, and one act that gives FILE its name: two runs, links, signals, and
 * places where not all is permitted.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { download } from "../../fetch.ts";
import { EXIT } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { isSame, noise } from "../support/bytes.ts";
import { MODES, runFetch, startFetch } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { HOLD, MODIFIED, Origin, serveResource } from "../support/origin.ts";
import { writeRecord } from "../support/output.ts";
import { run } from "../support/process.ts";
import { response } from "../support/replies.ts";
import { rounds } from "../support/thorough.ts";

const BODY = noise(300_000), ETAG = { body: BODY, etag: '"1"' };
const IN_FOLDER = MODES["FILE.part"];

/** A server that has BODY. */
function serving(): Origin {
  return new Origin((asked) => serveResource(asked, ETAG));
}

/** A server that sends more of BODY than is worth a write, and waits for `more`. */
function waitingFor(more: Promise<unknown>): Origin {
  return new Origin((asked, count) => {
    const [head, body] = serveResource(asked, ETAG);
    return count === 1
      ? [head, body.subarray(0, 280_000), more, body.subarray(280_000)]
      : [head, body];
  });
}

/** Leaves the first 1000 bytes of BODY, as a run that broke does. */
function leavePart(folder: Folder, origin: Origin, name = "f") {
  folder.write(`${name}.part`, BODY.subarray(0, 1000));
  writeRecord(folder, `${name}.part`, { url: origin.url(), etag: '"1"', total: BODY.length });
}

function assertOnly(folder: Folder, ...names: string[]) {
  assertEquals(folder.names, names);
  assert(isSame(folder.bytes(names[0]!), BODY));
}

/** A test that only root can prepare. */
function testRoot(name: string, fn: () => Promise<void>) {
  Deno.test({ name, ignore: Deno.build.os !== "linux" || Deno.uid() !== 0, fn });
}

// --- Two runs ----------------------------------------------------------------

Deno.test("fetch.ts does not touch what another run writes", async () => {
  await using folder = new Folder();
  const more = Promise.withResolvers<void>();
  await using origin = waitingFor(more.promise);
  await using first = startFetch(folder, IN_FOLDER, ["-o", "f", origin.url()]);
  await folder.grown("f.part", 1);
  for (const args of [["-C"], []]) {
    const { code, stderr } = await runFetch(folder, [...args, "-o", "f", origin.url()]);
    assertEquals(code, EXIT.write, stderr);
    assertMatch(stderr, /^fetch: cannot write f\.part: another run is writing it\n$/);
  }
  more.resolve();
  assertEquals((await first.ended()).code, EXIT.ok);
  assertOnly(folder, "f");
});

Deno.test("fetch.ts: of some runs at once one has the file, and the others say so", async () => {
  await using folder = new Folder();
  await using origin = serving();
  leavePart(folder, origin);
  const args = ["-C", "-o", "f", origin.url()];
  const all = await Promise.all(Array.from({ length: rounds(12) }, () => runFetch(folder, args)));
  for (const { code, stderr } of all) {
    if (code !== EXIT.ok) assertMatch(stderr, /^fetch: cannot write f\.part(\.json)?: /);
  }
  assert(all.some(({ code }) => code === EXIT.ok));
  assertOnly(folder, "f");
});

Deno.test("download gives no part its name that is not the one it wrote", async () => {
  await using folder = new Folder();
  const more = Promise.withResolvers<void>();
  await using origin = waitingFor(more.promise);
  const pending = download(origin.url(), { output: folder.file("f"), retry: 0 });
  await folder.grown("f.part", 1);
  Deno.renameSync(folder.file("f.part"), folder.file("elsewhere"));
  folder.write("f.part", "of another run");
  more.resolve();
  await rejectsWith(EXIT.write, pending, "somebody replaced it");
  assertEquals(folder.text("f.part"), "of another run");
  assert(!folder.names.includes("f"));
});

Deno.test("fetch.ts with write access only does not touch what another run writes", async () => {
  await using folder = new Folder();
  await using origin = serving();
  using other = Deno.openSync(folder.write("f", "of another run"), { write: true });
  other.lockSync(true);
  const options = { permissions: [...MODES.FILE] };
  const { code, stderr } = await runFetch(folder, ["-o", "f", origin.url()], options);
  assertEquals([code, stderr], [EXIT.write, "fetch: cannot write f: another run is writing it\n"]);
  assertEquals(folder.text("f"), "of another run");
});

Deno.test("download takes no name that lies beside another file of the run", async () => {
  await using folder = new Folder();
  await using origin = serving();
  const taken = new Set<string>();
  await download(origin.url(), { output: folder.file("f"), taken });
  for (const name of ["f.part", "f.part.json"]) {
    const pending = download(origin.url(), { output: folder.file(name), taken });
    await rejectsWith(EXIT.usage, pending, "is the file of another URL, too");
  }
  assertOnly(folder, "f");
});

Deno.test("fetch.ts sees that ./f is the file of another URL, too", async () => {
  await using folder = new Folder();
  await using origin = serving();
  const args = ["-o", "f", "-o", "./f", origin.url(), origin.url()];
  const { code, stderr } = await runFetch(folder, args);
  assertEquals(code, EXIT.usage);
  assertStringIncludes(stderr, "./f is the file of another URL, too");
});

// --- Links -------------------------------------------------------------------

Deno.test("fetch.ts follows no link out of what is granted", async () => {
  await using folder = new Folder();
  for (const name of ["in", "out"]) Deno.mkdirSync(folder.file(name));
  folder.write("out/x", "precious");
  await using origin = serving();
  const cwd = folder.file("in"), links = ["a", "b.part", "c.part.json.new", "d.part.json"];
  const args = ["a", "b", "c", "d"].flatMap((name) => ["-o", name, origin.url()]);
  for (const options of [[], ["-C"]]) {
    for (const link of links) Deno.symlinkSync("../out/x", `${cwd}/${link}`);
    await runFetch(folder, [...options, ...args], { cwd });
    assertEquals(folder.text("out/x"), "precious", `${options}`);
    assertEquals([...Deno.readDirSync(folder.file("out"))].length, 1, `${options}`);
    for (const { name } of Deno.readDirSync(cwd)) Deno.removeSync(`${cwd}/${name}`);
  }
});

Deno.test("fetch.ts asks for nothing if the folder is a link out of what is granted", async () => {
  await using folder = new Folder();
  for (const name of ["in", "out"]) Deno.mkdirSync(folder.file(name));
  Deno.symlinkSync("../out", folder.file("in/linked"));
  await using origin = serving();
  const args = ["-o", "linked/f", origin.url()];
  const { code, stderr } = await runFetch(folder, args, { cwd: folder.file("in") });
  assertEquals(code, EXIT.permission, stderr);
  assertEquals([origin.requests.length, [...Deno.readDirSync(folder.file("out"))]], [0, []]);
});

Deno.test("download changes no other name of FILE.part", async () => {
  await using folder = new Folder();
  await using origin = serving();
  leavePart(folder, origin);
  Deno.linkSync(folder.file("f.part"), folder.file("other"));
  const pending = download(origin.url(), { output: folder.file("f"), resume: true });
  await rejectsWith(EXIT.write, pending, "it has another name, too");
  assertEquals([folder.bytes("other").length, origin.requests.length], [1000, 0]);
});

Deno.test("download goes on where a run was killed while FILE had both names", async () => {
  await using folder = new Folder();
  await using origin = serving();
  folder.write("f", BODY);
  writeRecord(folder, "f.part", { url: origin.url(), etag: '"1"', total: BODY.length });
  Deno.linkSync(folder.file("f"), folder.file("f.part"));
  await download(origin.url(), { output: folder.file("f"), resume: true });
  assertOnly(folder, "f");
});

Deno.test("download with --no-clobber takes the name only if it is free by then", async () => {
  await using folder = new Folder();
  const more = Promise.withResolvers<void>();
  await using origin = waitingFor(more.promise);
  const pending = download(origin.url(), { output: folder.file("f"), clobber: false, retry: 0 });
  await folder.grown("f.part", 1);
  folder.write("f", "came meanwhile");
  more.resolve();
  await rejectsWith(EXIT.write, pending, "it is there already");
  assertEquals(folder.text("f"), "came meanwhile");
});

// --- Signals -----------------------------------------------------------------

Deno.test("fetch.ts interrupted at the second URL says so, whatever became of the first", async () => {
  for (const status of ["200 OK", "404 Not Found"]) {
    await using folder = new Folder();
    const asked = Promise.withResolvers<void>();
    await using origin = new Origin(({ target }) => {
      if (target === "/a") return response(status, BODY);
      asked.resolve();
      return [HOLD];
    });
    const args = ["a", "b", "c"].flatMap((name) => ["-o", name, origin.url(`/${name}`)]);
    await using child = startFetch(folder, IN_FOLDER, args);
    await asked.promise;
    assertEquals((await child.stop("SIGINT")).code, EXIT.interrupted);
    assertEquals(child.stderr.match(/interrupted/g)?.length, 1, child.stderr);
    assertEquals(origin.requests.map(({ target }) => target), ["/a", "/b"]);
    if (status === "200 OK") assertOnly(folder, "a");
  }
});

Deno.test("fetch.ts interrupted at any moment has saved FILE or left a part", async () => {
  await using folder = new Folder();
  await using origin = serving();
  const count = rounds(16);
  for (let at = 0; at < count; at++) {
    const name = `f${at}`;
    await using child = startFetch(folder, IN_FOLDER, ["-o", name, origin.url()]);
    // later each time: from the start of the process to behind its end
    await Promise.race([child.child.status, pause(40 + at * 120 / count)]);
    const { code } = await child.stop("SIGINT");
    const names = folder.names.filter((each) => each.startsWith(name));
    const saved = names.includes(name);
    if (saved) assert(isSame(folder.bytes(name), BODY));
    if (code === EXIT.ok) assertEquals(names, [name]);
    else if (code === EXIT.interrupted) assert(!saved, child.stderr);
    for (const each of names) Deno.removeSync(folder.file(each));
  }
});

function pause(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  AbortSignal.timeout(ms).addEventListener("abort", () => resolve());
  return promise;
}

// --- Places ------------------------------------------------------------------

for (const bytes of [240, 241, 245, 250, 251, 252, 253, 254, 255]) {
  Deno.test(`download takes a name of ${bytes} bytes, and goes on with it`, async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked, count) =>
      serveResource(asked, { ...ETAG, cut: count === 1 ? 1000 : BODY.length })
    );
    const name = `${"ä".repeat(30)}${"x".repeat(bytes - 60)}`, output = folder.file(name);
    await rejectsWith(EXIT.partial, download(origin.url(), { output, retry: 0 }));
    await download(origin.url(), { output, resume: true });
    assertOnly(folder, name);
    assertEquals(origin.ranges(), [undefined, "bytes=1000-"]);
  });
}

testRoot("fetch.ts -C goes on when there is room on the disk again", async () => {
  await using folder = new Folder();
  await using origin = serving();
  await using _ = await mounted(folder, ["-t", "tmpfs", "-o", "size=128k", "tmpfs"]);
  for (const connections of [1, 2]) {
    const args = [`--connections=${connections}`, "-C", "-o", "f", origin.url()];
    const { code, stderr } = await runFetch(folder, args);
    assertEquals(code, EXIT.write, stderr);
    assertStringIncludes(stderr, "No space left on device");
  }
  await run("mount", ["-o", "remount,size=2m", folder.path]);
  assertEquals((await runFetch(folder, ["-C", "-o", "f", origin.url()])).code, EXIT.ok);
  assertOnly(folder, "f");
});

testRoot("fetch.ts copies the complete body to a FILE that is a mount point", async () => {
  await using folder = new Folder(), elsewhere = new Folder();
  await using origin = serving();
  const file = folder.write("f", "old"), source = elsewhere.write("source", "old");
  await using _ = await mounted({ path: file }, ["--bind", source]);
  const { code, stderr } = await runFetch(folder, ["-o", "f", origin.url()]);
  assertEquals(code, EXIT.ok, stderr);
  assertOnly(folder, "f");
  assert(isSame(elsewhere.bytes("source"), BODY));
});

/** Mounts something; disposing of it unmounts it. */
async function mounted({ path }: { path: string }, args: string[]): Promise<AsyncDisposable> {
  const { code, stderr } = await run("mount", [...args, path]);
  assertEquals(code, 0, stderr);
  return { [Symbol.asyncDispose]: async () => void await run("umount", [path]) };
}

Deno.test("download saves FILE though its mode and time cannot be set", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked) =>
    serveResource(asked, { body: BODY, lastModified: MODIFIED })
  );
  const { utimeSync, chmodSync } = Deno;
  const refuse = () => {
    throw new Deno.errors.PermissionDenied("Operation not permitted (os error 1)");
  };
  using _ = {
    [Symbol.dispose]: () => void Object.assign(Deno, { utimeSync, chmodSync }),
  };
  Object.assign(Deno, { utimeSync: refuse, chmodSync: refuse });
  folder.write("f", "old");
  await download(origin.url(), { output: folder.file("f"), remoteTime: true });
  assertOnly(folder, "f");
});

testRoot("fetch.ts as another user: FILE is root's, and read-only", async () => {
  await using folder = new Folder();
  await using origin = serving();
  Deno.chmodSync(folder.path, 0o777);
  Deno.chmodSync(folder.write("f", "old"), 0o444);
  leavePart(folder, origin);
  Deno.chownSync(folder.file("f.part"), 65534, 65534);
  Deno.chownSync(folder.file("f.part.json"), 65534, 65534);
  const { code, stderr } = await runAsNobody(folder, ["-C", "-R", "-o", "f", origin.url()]);
  assertEquals(code, EXIT.ok, stderr);
  assertOnly(folder, "f");
});

testRoot("fetch.ts -C opens the part of a FILE that is read-only", async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked, count) =>
    serveResource(asked, { ...ETAG, cut: count === 1 ? 1000 : BODY.length })
  );
  Deno.chmodSync(folder.path, 0o777);
  Deno.chmodSync(folder.write("f", "old"), 0o444);
  const first = await runAsNobody(folder, ["--retry=0", "-o", "f", origin.url()]);
  assertEquals(first.code, EXIT.partial, first.stderr);
  const { code, stderr } = await runAsNobody(folder, ["-C", "-o", "f", origin.url()]);
  assertEquals(code, EXIT.ok, stderr);
  assertOnly(folder, "f");
  assertEquals(Deno.statSync(folder.file("f")).mode! & 0o777, 0o444);
});

/** Where that user's Deno keeps what it has compiled. */
let cache: Folder | undefined;
Deno.test.afterAll(async () => await cache?.[Symbol.asyncDispose]());

/** Runs fetch.ts as a user who owns nothing. */
async function runAsNobody(folder: Folder, args: string[]) {
  cache ??= new Folder("cache");
  const script = new URL("../../fetch.ts", import.meta.url).pathname;
  const user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
  Deno.chmodSync(cache.path, 0o777);
  const permissions = ["--no-prompt", "--no-remote", ...IN_FOLDER];
  return await run("setpriv", [...user, Deno.execPath(), "run", ...permissions, script, ...args], {
    cwd: folder.path,
    env: { DENO_DIR: cache.path, HOME: cache.path },
  });
}
