/**
 * fetch.ts through SOCKS5 proxies nobody here wrote, as curl does: microsocks and Dante.
 *
 * @module
 */
import { assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { certificatesOfFile } from "../support/certificates.ts";
import { Folder } from "../support/folder.ts";
import { IPV6, type Peer, startPeer, testPeer } from "../support/peers.ts";
import { closedPort } from "../support/servers.ts";
import { boundedFetch, byCommand, byLibrary, curl, download, downloadAll } from "./download.ts";
import { serveSite } from "./http_servers.ts";
import { siteOfFile } from "./site.ts";

const madeSite = siteOfFile(), madeCertificates = certificatesOfFile();

const PASSWORD = "Tracy123";

function startMicrosocks(...args: string[]): Promise<Peer> {
  return startPeer((_, port) =>
    Promise.resolve({ command: ["microsocks", "-i", "127.0.0.1", "-p", String(port), ...args] })
  );
}

function startDante(): Promise<Peer> {
  return startPeer(async (folder, port) => {
    const configuration = `${folder}/danted.conf`;
    await Deno.writeTextFile(
      configuration,
      `
logoutput: stderr
internal: 127.0.0.1 port = ${port}
external: lo
socksmethod: none
clientmethod: none
client pass { from: 0/0 to: 0/0 }
socks block { from: 0/0 to: 127.0.0.2/32 }
socks pass { from: 0/0 to: 0/0 }
`,
    );
    return { command: ["danted", "-f", configuration] };
  });
}

const PROXIES = [
  {
    program: "microsocks",
    start: () => startMicrosocks(),
    ways: { socks5: byCommand, socks5h: byLibrary },
  },
  { program: "danted", start: startDante, ways: { socks5: byLibrary, socks5h: byLibrary } },
] as const;

for (const { program, start, ways } of PROXIES) {
  testPeer(
    `fetch.ts goes through ${program} as curl does`,
    [program, "nginx", "openssl", "curl"],
    async (t) => {
      await using stack = new AsyncDisposableStack();
      const folder = stack.use(new Folder("socks"));
      const { folder: site, files } = madeSite(), { ca: cacert, good: chain } = madeCertificates();
      const tls = { chain, version: "1.3" } as const;
      const plain = stack.use(await serveSite("nginx", { site }));
      const secure = stack.use(await serveSite("nginx", { site, tls }));
      const { port } = stack.use(await start());
      const bytes = files["small.txt"]!;
      for (const [scheme, way] of Object.entries(ways)) {
        const proxy = `${scheme}://127.0.0.1:${port}`;
        await t.step(`${scheme}, an address and a name`, async () => {
          const urls = ["127.0.0.1", "localhost"].map((host) =>
            `http://${host}:${plain.port}/small.txt`
          );
          await downloadAll(folder, way, urls.map((url) => ({ url, bytes, asked: { proxy } })));
        });
        await t.step(`${scheme}, TLS inside`, async () => {
          const url = `https://localhost:${secure.port}/small.txt`;
          await download(folder, way, { url, bytes, asked: { proxy, cacert } });
        });
        await t.step(`${scheme}, a port that nobody listens on`, async () => {
          const url = `http://127.0.0.1:${closedPort()}/`;
          const ours = await way.get(folder, url, { retry: 0, proxy });
          assertEquals(ours.code, 7, ours.stderr);
          assertMatch(ours.stderr, new RegExp(`^fetch: proxy 127\\.0\\.0\\.1:${port}: .*refused`));
          assertEquals((await curl(folder, "--proxy", proxy, url)).code, 97);
        });
      }
    },
  );
}

testPeer("fetch.ts gives microsocks user and password, and shows neither", [
  "microsocks",
  "curl",
  "nginx",
], async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(new Folder("socks"));
  const { folder: site, files } = madeSite();
  const plain = stack.use(await serveSite("nginx", { site }));
  const { port } = stack.use(await startMicrosocks("-u", "Michael", "-P", PASSWORD));
  const url = `http://127.0.0.1:${plain.port}/small.txt`;
  const via = (user: string) => `socks5h://${user}127.0.0.1:${port}`;
  const asked = { proxy: via(`Michael:${PASSWORD}@`) };
  await download(folder, byLibrary, { url, bytes: files["small.txt"]!, asked });
  for (const user of ["Michael:Tracy999@", ""]) {
    const { code, stderr } = await boundedFetch(
      folder,
      "-v",
      "--retry=0",
      "--proxy",
      via(user),
      url,
    );
    assertEquals(code, 7, stderr);
    assertMatch(stderr, /^fetch: proxy 127\.0\.0\.1:\d+: .*\b(password|user)\b.*\n$/m);
    assertEquals(stderr.includes("Tracy999"), false);
    assertEquals((await curl(folder, "--proxy", via(user), url)).code, 97);
  }
});

testPeer(
  "fetch.ts reaches an IPv6 address through microsocks",
  ["microsocks", "curl", "nginx"],
  async (t) => {
    await t.step({
      name: "an address in brackets",
      ignore: !IPV6,
      async fn() {
        await using stack = new AsyncDisposableStack();
        const folder = stack.use(new Folder("socks"));
        const { folder: site, files } = madeSite();
        const plain = stack.use(await serveSite("nginx", { site, host: "[::1]" }));
        const { port } = stack.use(await startMicrosocks());
        const url = `http://[::1]:${plain.port}/small.txt`;
        const asked = { proxy: `socks5://127.0.0.1:${port}` };
        await download(folder, byLibrary, { url, bytes: files["small.txt"]!, asked });
      },
    });
  },
);
