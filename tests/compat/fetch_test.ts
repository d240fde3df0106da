/**
 * fetch.ts and curl from the same HTTP servers: the same bytes, the same final
 * URL, and the bytes of the file itself.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { hurry } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { IPV6, type Peer, stepPeer, testPeer } from "../support/peers.ts";
import {
  assertFile,
  assertSame,
  byCommand,
  byLibrary,
  curl,
  curlAll,
  download,
  fetchAll,
  type Get,
  type Report,
  type Way,
} from "./download.ts";
import { serveSite } from "./http_servers.ts";
import { HTTP, type HttpExercise, type HttpServer } from "./matrix.ts";
import { breakingRelay } from "./relay.ts";
import { BIG, type Site, siteOfFile } from "./site.ts";

/** A server of a site, a folder for what is downloaded, and the way it is. */
interface Scene {
  server: HttpServer;
  site: Site;
  /** What runs now of the server. */
  peer: Peer;
  /** Starts it again, on IPv6 if there is that. */
  restart: () => Promise<Peer>;
  folder: Folder;
  way: Way;
}

function url({ peer }: { peer: Peer }, path: string): string {
  return `http://${peer.host}:${peer.port}${path}`;
}

/** What a GET gives: a file of the site, or other bytes; and what else must hold of it. */
interface Expected {
  path: string;
  gives: string | Uint8Array;
  compressed?: true;
  holds?: (report: Report, scene: Scene) => void;
}

const SMALL: Expected = { path: "/small.txt", gives: "small.txt" };

/** A GET of a server, as it is downloaded. */
function getOf(
  scene: { peer: Peer; site: Site },
  { path, gives, compressed }: Expected,
): Get {
  return {
    url: url(scene, path),
    bytes: typeof gives === "string" ? scene.site.files[gives]! : gives,
    asked: compressed ? { compressed } : {},
  };
}

/** The head without the lines that another second or connection changes. */
function stable(head: string): string[] {
  return head.split(/\r?\n/).filter((line) => line && !/^(Date|Connection|Keep-Alive):/i.test(line))
    .sort();
}

/**
 * Lets `download` download the big file through a relay, and calls `restart`
 * when the server is to be killed, in the middle, and started again. Returns
 * the requests.
 */
async function killInTheMiddle(
  scene: Scene,
  download: (url: string, restart: () => Promise<void>) => Promise<void>,
): Promise<string[]> {
  await using relay = breakingRelay(scene.peer, BIG / 5);
  await download(`http://127.0.0.1:${relay.port}/big.bin`, async () => {
    await relay.held;
    await scene.peer.kill();
    scene.peer = await scene.restart();
    relay.release(scene.peer);
  });
  await assertFile(scene.folder.file("big.bin"), scene.site.files["big.bin"]!);
  await Deno.remove(scene.folder.file("big.bin"));
  return relay.requests;
}

/** Goes on with text.txt, of which these bytes are there. */
async function continueText({ folder, way, site, ...scene }: Scene, bytes: Uint8Array) {
  await Deno.writeFile(folder.file("text.txt.part"), bytes);
  const { code, stderr, report } = await way.get(folder, url(scene, "/text.txt"), { resume: true });
  assertEquals(code, 0, stderr);
  await assertFile(folder.file("text.txt"), site.files["text.txt"]!);
  return report!;
}

/** The exercises that are more than a GET. */
const EXERCISES = {
  async "a file that is missing (404)"({ folder, way, ...scene }) {
    const missing = url(scene, "/missing.txt");
    const { code, stderr } = await way.get(folder, missing);
    assertEquals(code, 22);
    assertMatch(stderr, /^fetch: .*404.*\n$/);
    const ours = await way.get(folder, missing, { fail: false, output: "ours" });
    assertEquals(ours.code, 0, ours.stderr);
    await assertFile(folder.file("ours"), (await curl(folder, missing)).bytes);
  },
  async "HEAD"(scene) {
    const small = url(scene, "/small.txt");
    const theirs = await curl(scene.folder, "--head", small);
    assertEquals(stable(await scene.way.head(scene.folder, small, "HEAD")), stable(theirs.stdout));
  },
  async "IPv6"(scene) {
    assertEquals(scene.peer.host, "[::1]");
    await download(scene.folder, scene.way, getOf(scene, SMALL));
  },
  async "a range (206)"(scene) {
    const begun = scene.site.files["text.txt"]!.subarray(0, 150_000);
    const { status, headers } = await continueText(scene, begun);
    assertEquals(status, 206);
    assertEquals(headers["content-length"], ["50000"]);
  },
  async "no ranges: starts afresh"(scene) {
    assertEquals((await continueText(scene, new Uint8Array(150_000))).status, 200);
  },
  async "killed in the middle, started again: `-C`"(scene) {
    const { folder, way } = scene;
    let size = 0;
    const requests = await killInTheMiddle(scene, async (url, restart) => {
      const first = way.get(folder, url, { retry: 0 });
      await Promise.race([restart(), first]);
      const broken = await first;
      assertEquals(broken.code, 18, broken.stderr);
      ({ size } = await Deno.stat(folder.file("big.bin.part")));
      assert(size >= BIG / 5 && size < BIG, `${size} bytes`);
      const second = await way.get(folder, url, { resume: true });
      assertEquals(second.code, 0, second.stderr);
    });
    assertEquals(requests.length, 2);
    assertStringIncludes(requests[1]!, `\r\nRange: bytes=${size}-\r\n`);
  },
  async "killed in the middle, started again: `--retry`"(scene) {
    const requests = await killInTheMiddle(scene, async (url, restart) => {
      using _ = hurry();
      const fetching = byLibrary.get(scene.folder, url);
      await Promise.race([restart(), fetching]);
      const { code, stderr, report } = await fetching;
      assertEquals(code, 0, stderr);
      assertEquals(report!.attempts, 2);
    });
    assertEquals(requests.length, 2);
    assertMatch(requests[1]!, /\r\nRange: bytes=\d{6}-\r\n/);
  },
  async "HTTP/1.0"(scene) {
    const get = getOf(scene, { path: "/old/small.txt", gives: "small.txt" });
    await download(scene.folder, scene.way, get);
    assertMatch(await scene.way.head(scene.folder, get.url, "GET"), /^HTTP\/1\.0 200 OK\r?\n/);
  },
} satisfies Partial<Record<HttpExercise, (scene: Scene) => Promise<void>>>;

const GENERATED = "/cgi-bin/generated";

const QUERY = "name=%E5%B0%8F%E6%98%8E&sum=1%2B1+a%20b?/";

function header(name: string, ...values: string[]): (report: Report) => void {
  return ({ headers }) => assertEquals(headers[name] ?? [], values);
}

/** An exercise that is a GET. */
type GetExercise = Exclude<HttpExercise, keyof typeof EXERCISES>;

const GETS: Record<GetExercise, Expected> = {
  "a small file": SMALL,
  "a file of 2 MB": { path: "/big.bin", gives: "big.bin" },
  "an empty file": { path: "/empty.bin", gives: "empty.bin" },
  "a folder without its slash": {
    path: "/folder",
    gives: "folder/index.html",
    holds({ finalUrl, redirects }, scene) {
      assertEquals(finalUrl, url(scene, "/folder/"));
      assertEquals(redirects.length, 1);
    },
  },
  "a space in the name": { path: "/a b.txt", gives: "a b.txt" },
  "中文 in the name": { path: "/中文.txt", gives: "中文.txt" },
  "`%` in the name": { path: "/50%25%20off.txt", gives: "50% off.txt" },
  "a query string": { path: "/small.txt?a=1&b=%20&小明#part", gives: "small.txt" },
  "the query string sent back": {
    path: `/cgi-bin/query?${decodeURI(QUERY)}`,
    gives: new TextEncoder().encode(QUERY),
  },
  "chunked": {
    path: GENERATED,
    gives: "text.txt",
    holds: header("transfer-encoding", "chunked"),
  },
  "a body that ends with the connection": {
    path: GENERATED,
    gives: "text.txt",
    holds({ headers }) {
      assertEquals(headers["transfer-encoding"], undefined);
      assertEquals(headers["content-length"], undefined);
    },
  },
  "gzip on the fly": {
    path: "/text.txt",
    gives: "text.txt",
    compressed: true,
    holds: header("content-encoding", "gzip"),
  },
  "gzip made before": {
    path: "/packed.txt",
    gives: "text.txt",
    compressed: true,
    holds: header("content-encoding", "gzip"),
  },
  "keep-alive in spite of `Connection: close`": {
    path: "/small.txt",
    gives: "small.txt",
    holds: header("connection", "keep-alive"),
  },
};

function isGet(name: HttpExercise): name is GetExercise {
  return !(name in EXERCISES);
}

const madeSite = siteOfFile();

/** What kills the server comes last, and what needs it killed: it is started again on IPv6. */
const LAST: readonly HttpExercise[] = [
  "killed in the middle, started again: `-C`",
  "killed in the middle, started again: `--retry`",
  "IPv6",
];

for (const { peer: server, needs, exercised, alsoNeeds = {} } of HTTP) {
  testPeer(`fetch.ts gets from ${server} what curl gets`, [...needs, "curl"], async (t) => {
    const site = madeSite();
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(new Folder("fetch"));
    const start = async (host = "127.0.0.1") =>
      stack.use(await serveSite(server, { site: site.folder, host }));
    const restart = () => start(IPV6 ? "[::1]" : undefined);
    // the command for the first server; with the others the library does the same
    const way = server === HTTP[0]!.peer ? byCommand : byLibrary;
    const scene: Scene = { server, site, peer: await start(), restart, folder, way };
    const gets = new Map(exercised.filter(isGet).map((name) => [name, getOf(scene, GETS[name])]));
    const theirs = await curlAll(folder, gets), ours = await fetchAll(folder, way, gets);
    for (const name of exercised.toSorted((a, b) => LAST.indexOf(a) - LAST.indexOf(b))) {
      if (name === "IPv6" && !IPV6) {
        await t.step({ name, ignore: true, fn() {} });
        continue;
      }
      await stepPeer(t, name, alsoNeeds[name] ?? [], async () => {
        if (!isGet(name)) return await EXERCISES[name](scene);
        const report = await assertSame(gets.get(name)!.bytes, ours.get(name)!, theirs.get(name)!);
        GETS[name].holds?.(report, scene);
      });
    }
  });
}
