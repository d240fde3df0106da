/**
 * fetch.ts and curl from the same HTTP servers: the same bytes, the same final
 * URL, and the bytes of the file itself.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { Folder } from "../support/folder.ts";
import { IPV6, type Peer, stepPeer, testPeer } from "../support/peers.ts";
import { assertFile, boundedFetch, curl, download, type Report } from "./download.ts";
import { serveSite } from "./http_servers.ts";
import { HTTP, type HttpExercise, type HttpServer } from "./matrix.ts";
import { holdingRelay } from "./relay.ts";
import { BIG, makeSite, type Site } from "./site.ts";

/** A site, a server that serves it, and a folder for what is downloaded. */
interface Scene {
  server: HttpServer;
  site: Site;
  peer: Peer;
  folder: Folder;
}

const GENERATED = "/cgi-bin/generated";

function url({ peer }: Scene, path: string): string {
  return `http://${peer.host}:${peer.port}${path}`;
}

/** Downloads a path, which must give a file of the site, or these bytes. */
function get(
  scene: Scene,
  path: string,
  expected: string | Uint8Array,
  ...args: string[]
): Promise<Report> {
  const bytes = typeof expected === "string" ? scene.site.files[expected]! : expected;
  return download(scene.folder, url(scene, path), bytes, ...args);
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
  const start = () => serveSite(scene.server, { site: scene.site.folder });
  await using stack = new AsyncDisposableStack();
  const first = stack.use(await start());
  const relay = stack.use(holdingRelay(first.port, BIG / 5));
  await download(`http://127.0.0.1:${relay.port}/big.bin`, async () => {
    await relay.held;
    await first.kill();
    relay.release(stack.use(await start()).port);
  });
  await assertFile(scene.folder.file("big.bin"), scene.site.files["big.bin"]!);
  await Deno.remove(scene.folder.file("big.bin"));
  return relay.requests;
}

const EXERCISES: Record<HttpExercise, (scene: Scene) => Promise<unknown>> = {
  "a small file": (scene) => get(scene, "/small.txt", "small.txt"),
  "a file of 30 MB": (scene) => get(scene, "/big.bin", "big.bin"),
  "an empty file": (scene) => get(scene, "/empty.bin", "empty.bin"),
  async "a file that is missing (404)"(scene) {
    const missing = url(scene, "/missing.txt");
    const { code, stderr } = await boundedFetch(scene.folder, missing);
    assertEquals(code, 22);
    assertMatch(stderr, /^fetch: .*404.*\n$/);
    const ours = await boundedFetch(scene.folder, "--no-fail", "--output=ours", missing);
    assertEquals(ours.code, 0, ours.stderr);
    await assertFile(scene.folder.file("ours"), (await curl(scene.folder, missing)).bytes);
  },
  async "a folder without its slash"(scene) {
    const report = await get(scene, "/folder", "folder/index.html");
    assertEquals(report.finalUrl, url(scene, "/folder/"));
    assertEquals(report.redirects.length, 1);
  },
  async "HEAD"(scene) {
    const small = url(scene, "/small.txt");
    const ours = await boundedFetch(scene.folder, "--head", small);
    assertEquals(ours.code, 0, ours.stderr);
    const theirs = await curl(scene.folder, "--head", small);
    assertEquals(stable(ours.stdout), stable(theirs.stdout));
  },
  "a space in the name": (scene) => get(scene, "/a b.txt", "a b.txt"),
  "中文 in the name": (scene) => get(scene, "/中文.txt", "中文.txt"),
  "`%` in the name": (scene) => get(scene, "/50%25%20off.txt", "50% off.txt"),
  "a query string": (scene) => get(scene, "/small.txt?a=1&b=%20&小明#part", "small.txt"),
  async "the query string sent back"(scene) {
    const sent = "name=%E5%B0%8F%E6%98%8E&sum=1%2B1+a%20b?/";
    const bytes = new TextEncoder().encode(sent);
    await get(scene, `/cgi-bin/query?${decodeURI(sent)}`, bytes);
  },
  async "IPv6"(scene) {
    const options = { site: scene.site.folder, host: "[::1]" };
    await using peer = await serveSite(scene.server, options);
    await get({ ...scene, peer }, "/small.txt", "small.txt");
  },
  async "a range (206)"(scene) {
    const { folder, site } = scene;
    const begun = folder.file("text.txt.part");
    await Deno.writeFile(begun, site.files["text.txt"]!.subarray(0, 150_000));
    const args = ["--continue", "--json", url(scene, "/text.txt")];
    const { code, stdout, stderr } = await boundedFetch(scene.folder, ...args);
    assertEquals(code, 0, stderr);
    const { status, headers } = JSON.parse(stdout) as Report;
    assertEquals(status, 206);
    assertEquals(headers["content-length"], ["50000"]);
    await assertFile(folder.file("text.txt"), site.files["text.txt"]!);
  },
  async "no ranges: starts afresh"(scene) {
    const begun = scene.folder.file("text.txt.part");
    await Deno.writeFile(begun, new Uint8Array(150_000));
    const args = ["--continue", "--json", url(scene, "/text.txt")];
    const { code, stdout, stderr } = await boundedFetch(scene.folder, ...args);
    assertEquals(code, 0, stderr);
    assertEquals((JSON.parse(stdout) as Report).status, 200);
    await assertFile(scene.folder.file("text.txt"), scene.site.files["text.txt"]!);
  },
  async "killed in the middle, started again: `-C`"(scene) {
    const requests = await killInTheMiddle(scene, async (url, restart) => {
      const first = boundedFetch(scene.folder, "--retry=0", url);
      await Promise.race([restart(), first]);
      const broken = await first;
      assertEquals(broken.code, 18, broken.stderr);
      const { size } = await Deno.stat(scene.folder.file("big.bin.part"));
      assert(size >= BIG / 5 && size < BIG, `${size} bytes`);
      const second = await boundedFetch(scene.folder, "--continue", url);
      assertEquals(second.code, 0, second.stderr);
    });
    assertEquals(requests.length, 2);
    assertMatch(requests[1]!, /\r\nRange: bytes=\d{7,8}-\r\n/);
  },
  async "killed in the middle, started again: `--retry`"(scene) {
    const requests = await killInTheMiddle(scene, async (url, restart) => {
      const fetching = boundedFetch(scene.folder, "--json", url);
      await Promise.race([restart(), fetching]);
      const { code, stdout, stderr } = await fetching;
      assertEquals(code, 0, stderr);
      assertEquals((JSON.parse(stdout) as Report).attempts, 2);
    });
    assertEquals(requests.length, 2);
    assertMatch(requests[1]!, /\r\nRange: bytes=\d{7,8}-\r\n/);
  },
  async "chunked"(scene) {
    const { headers } = await get(scene, GENERATED, "text.txt");
    assertEquals(headers["transfer-encoding"], ["chunked"]);
  },
  async "a body that ends with the connection"(scene) {
    const { headers } = await get(scene, GENERATED, "text.txt");
    assertEquals(headers["transfer-encoding"], undefined);
    assertEquals(headers["content-length"], undefined);
  },
  async "gzip on the fly"(scene) {
    const args = ["/text.txt", "text.txt", "--compressed"] as const;
    const { headers } = await get(scene, ...args);
    assertEquals(headers["content-encoding"], ["gzip"]);
  },
  async "gzip made before"(scene) {
    const args = ["/packed.txt", "text.txt", "--compressed"] as const;
    const { headers } = await get(scene, ...args);
    assertEquals(headers["content-encoding"], ["gzip"]);
  },
  async "HTTP/1.0"(scene) {
    await get(scene, "/old/small.txt", "small.txt");
    const { stdout } = await boundedFetch(scene.folder, url(scene, "/old/small.txt"));
    assertMatch(stdout, /^HTTP\/1\.0 200 OK\n/);
  },
  async "keep-alive in spite of `Connection: close`"(scene) {
    const { headers } = await get(scene, "/small.txt", "small.txt");
    assertEquals(headers["connection"], ["keep-alive"]);
  },
};

let site: Site;
Deno.test.beforeAll(async () => {
  site = await makeSite();
});
Deno.test.afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

for (const { peer: server, needs, exercised, alsoNeeds = {} } of HTTP) {
  testPeer(`fetch.ts gets from ${server} what curl gets`, [...needs, "curl"], async (t) => {
    await using folder = new Folder("fetch");
    await using peer = await serveSite(server, { site: site.folder });
    for (const name of exercised) {
      if (name === "IPv6" && !IPV6) {
        await t.step({ name, ignore: true, fn() {} });
        continue;
      }
      await stepPeer(t, name, alsoNeeds[name] ?? [], async () => {
        await EXERCISES[name]({ server, site, peer, folder });
      });
    }
  });
}
